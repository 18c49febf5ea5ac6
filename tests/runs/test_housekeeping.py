"""The home folder: what of it may go, and what `doctor --clean` never touches."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kdlab.__main__ import main
from kdlab.runs import artifacts
from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Store


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return tmp_path


def fill(folder: Path) -> None:
    """Lays down what a lab leaves, of each kind one file of a megabyte."""
    long_ago = time.time() - 7200
    for name in (
        "cookie-secret",
        "device.json",
        "cache/profiles/a.json",
        "lab-version-0-20250101-101010.sqlite",
        "device.json.4711",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1_000_000)
    os.utime(folder / "device.json.4711", (long_ago, long_ago))


def run_with_files(store: Store, owner: str = "ann") -> str:
    run_id = store.enqueue(three_arms(), owner)
    artifacts.save_answers(run_id, [[[1, 2]]])
    return run_id


def test_what_may_go_is_said_and_only_then_and_only_that_taken_away(
    lab_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store()
    run_id, deleted = run_with_files(store), run_with_files(store, "ben")
    for each in (run_id, deleted):
        store.finish(each, "cancelled")
    store.delete(deleted, "ben")  # whose time to undo is not over
    artifacts.save_answers("0123456789ab", [[[1, 2]]])
    fill(lab_home)
    cut_off = artifacts.folder(run_id) / "answers.npz.4712"
    cut_off.touch()
    os.utime(cut_off, (0, 0))
    before = {path: path.read_bytes() for path in lab_home.rglob("*") if path.is_file() and "sqlite-" not in path.name}
    assert main(["doctor", "--clean"]) == 0
    said = capsys.readouterr().out
    gone = {path.relative_to(lab_home).as_posix() for path in before if not path.exists()}
    assert gone == {
        "cache/profiles/a.json",
        "lab-version-0-20250101-101010.sqlite",
        "device.json.4711",
        f"runs/{run_id}/answers.npz.4712",
        "runs/0123456789ab/answers.npz",
    }
    for name in ("lab-version-0-20250101-101010.sqlite", "device.json.4711", "cache", "0123456789ab"):
        assert f"{lab_home / 'runs' / name if name[0] == '0' else lab_home / name}" in said.partition("Taking away:")[2]
    assert "3.0 MB taken away" in said
    assert "students and answers of 2 runs" in said
    assert store.undelete(deleted, "ben")
    assert artifacts.load_answers(deleted) is not None
    assert main(["doctor", "--clean"]) == 0
    assert "Nothing to take away" in capsys.readouterr().out


def test_beside_a_run_at_work_caches_and_its_folder_stay(lab_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store()
    run_id = run_with_files(store)
    fill(lab_home)
    half = artifacts.folder(run_id) / "paused.safetensors.9"
    half.touch()
    os.utime(half, (0, 0))
    assert main(["doctor", "--clean"]) == 0
    assert (lab_home / "cache" / "profiles" / "a.json").exists()
    assert half.exists()
    assert "kept while a run is at work" in capsys.readouterr().out


def test_a_fresh_unfinished_write_is_somebodys_at_this_moment(lab_home: Path) -> None:
    fresh = lab_home / "device.json.99"
    fresh.touch()
    assert main(["doctor", "--clean"]) == 0
    assert fresh.exists()


def test_runs_of_the_home_folders_own_store_stay_while_the_lab_uses_another(
    lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run_with_files(Store())
    monkeypatch.setenv("KDLAB_DATABASE_URL", f"sqlite:///{lab_home / 'another.sqlite'}")
    assert main(["doctor", "--clean"]) == 0
    assert artifacts.load_answers(run_id) is not None
    assert (lab_home / "another.sqlite").exists()
    (lab_home / "lab.sqlite").write_bytes(b"damaged" * 100)
    for beside in ("lab.sqlite-wal", "lab.sqlite-shm"):
        (lab_home / beside).unlink(missing_ok=True)
    assert main(["doctor", "--clean"]) == 0
    assert artifacts.load_answers(run_id) is not None


def test_a_doctor_without_clean_takes_nothing_away(
    lab_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kdlab.__main__._tiny_run", lambda *_: "")
    fill(lab_home)
    assert main(["doctor"]) == 0
    assert (lab_home / "lab-version-0-20250101-101010.sqlite").exists()
    assert "1.0 MB  stores of an older KD Lab, 1 file (may go: python -m kdlab doctor --clean)" in capsys.readouterr().out
