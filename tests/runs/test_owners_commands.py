"""`python -m kdlab runs` and `stop`: the lab's owner sees every visitor's runs and can stop any; the help."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import kdlab.__main__ as command_line
from kdlab.__main__ import main
from kdlab.data.registry import DATASETS
from kdlab.distill.objective_catalogue import OBJECTIVES
from kdlab.models.catalogue import STUDENTS, TEACHERS
from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Store

OWNER = "0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return Store()


def test_the_table_holds_every_run_that_waits_or_trains_first(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = [store.enqueue(three_arms(), f"visitor {n}") for n in range(25)]
    for run_id in ended:
        store.finish(run_id, "failed")
    waiting = store.enqueue(three_arms(dataset="digits"), OWNER)
    later = store.enqueue(three_arms(), "another")
    store.finish(later, "cancelled")
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "state", "owner", "age", "data", "step"]
    assert lines[1].split()[:3] == [waiting, "queued", "012345"]
    assert lines[1].endswith(f"0 of {three_arms(dataset='digits').total_steps:,}")
    assert OWNER not in lines[1]
    assert [line.split()[0] for line in lines[2:-1]] == [later, *reversed(ended[6:])]
    assert lines[-1].startswith("and 6 that ended before")
    assert main(["runs", "--all"]) == 0
    assert ended[0] in capsys.readouterr().out


def test_the_table_shows_a_row_that_this_lab_cannot_read(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = store.enqueue(three_arms(), OWNER)
    with sqlite3.connect(tmp_path / "lab.sqlite") as raw:
        raw.execute("UPDATE runs SET spec = '[]', dataset = NULL")
    assert main(["runs"]) == 0
    assert run_id in capsys.readouterr().out


def test_a_queued_run_of_anybodys_is_stopped_at_once_by_the_beginning_of_its_id(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = store.enqueue(three_arms(), OWNER)
    assert main(["stop", run_id[:5]]) == 0
    assert f"Run {run_id} was queued; it is cancelled now" in capsys.readouterr().out
    assert store.get(run_id).state == "cancelled"  # type: ignore[union-attr]
    assert main(["stop", run_id]) == 0
    assert "has ended already (cancelled)" in capsys.readouterr().out


def test_a_run_at_work_is_stopped_by_its_worker_and_the_command_waits_for_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = store.enqueue(three_arms(), OWNER)
    store.claim(run_id)

    def worker() -> None:
        while store.get(run_id).command != "cancel":  # type: ignore[union-attr]
            time.sleep(0.02)
        store.finish(run_id, "cancelled")

    thread = threading.Thread(target=worker)
    thread.start()
    assert main(["stop", run_id]) == 0
    thread.join()
    assert f"Run {run_id} was running; it is cancelled now" in capsys.readouterr().out


def test_a_run_that_does_not_stop_is_said_to_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "_STOPPED_WITHIN", 0.0)
    run_id = store.enqueue(three_arms(), OWNER)
    store.claim(run_id)
    assert main(["stop", run_id]) == 1
    assert "was told to stop and is still running" in capsys.readouterr().out
    assert store.get(run_id).command == "cancel"  # type: ignore[union-attr]


@pytest.mark.parametrize("asked", ["nothere", "%", "../x", "", "\x1b[2J"])
def test_what_begins_no_id_stops_nothing(store: Store, asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = store.enqueue(three_arms(), OWNER)
    assert main(["stop", asked]) == 2
    assert "begins no run's id" in (said := capsys.readouterr().err)
    assert "\x1b" not in said
    assert store.get(run_id).state == "queued"  # type: ignore[union-attr]


def test_a_beginning_that_two_ids_share_stops_neither(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [store.enqueue(three_arms(epochs=n), OWNER) for n in (1, 2)]
    with sqlite3.connect(tmp_path / "lab.sqlite") as raw:
        for n, run_id in enumerate(runs):
            raw.execute("UPDATE runs SET id = ? WHERE id = ?", (f"ab{n}", run_id))
    assert main(["stop", "ab"]) == 2
    assert "the ids of 2 runs" in capsys.readouterr().err
    assert {line.state for line in store.lines("ab")} == {"queued"}
    assert main(["stop", "ab1"]) == 0
    assert {line.id: line.state for line in store.lines()} == {"ab0": "queued", "ab1": "cancelled"}


def test_neither_torch_nor_streamlit_is_loaded_for_the_table(store: Store) -> None:
    look = (
        "import sys, kdlab.__main__ as m; m.main(['runs']); "
        "print([name for name in ('torch', 'streamlit', 'pandas', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_help_names_what_every_setting_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"One of {', '.join(DATASETS)}. (default: fashion)" in said
    assert all(name in said for name in (*STUDENTS, *TEACHERS, *OBJECTIVES, "cosine", "cuda", "mps"))
    assert "languages with languages, glosses with glosses)" in said
    assert "ngram-linear with languages, embedding-bag with glosses)" in said
    assert "From 1 to 400. (default: 100)" in said
