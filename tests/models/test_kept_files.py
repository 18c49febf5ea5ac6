"""What the lab keeps for itself: measured once, written whole, and as good as none where it is damaged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kdlab.models.kept_files import measured_once, read_arrays, write_whole

ABOUT = {"student": "mlp-16", "threads": 2}


class Clock:
    """Measures, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return 10 + self.asked


def test_what_was_measured_once_is_not_measured_again(tmp_path: Path) -> None:
    clock = Clock()
    assert measured_once(tmp_path, ABOUT, int, clock) == measured_once(tmp_path, ABOUT, int, clock) == 11
    assert measured_once(tmp_path, ABOUT | {"threads": 4}, int, clock) == 12
    assert clock.asked == 2


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b"null", b"{}", b'{"measured": "a lot"}', b"\xff\xfe\x00", b"[" * 20_000]
)
def test_a_damaged_measurement_is_made_again_and_kept(tmp_path: Path, damaged: bytes) -> None:
    clock = Clock()
    measured_once(tmp_path, ABOUT, int, clock)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damaged)
    assert measured_once(tmp_path, ABOUT, int, clock) == measured_once(tmp_path, ABOUT, int, clock) == 12
    assert [kept.name for kept in tmp_path.iterdir()] == [path.name]


def test_a_measurement_that_cannot_be_kept_still_comes_back(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert measured_once(tmp_path / "file", ABOUT, int, Clock()) == 11


def test_a_file_is_never_seen_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    write_whole(path, b"old")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"newer")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_do_not_take_it_from_each_other(tmp_path: Path) -> None:
    def write(_: int) -> None:
        write_whole(tmp_path / "kept", b"x" * 10_000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(400)))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_cut_arrays_are_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "answers.npz"
    assert read_arrays(path) is None
    np.savez_compressed(path, answers=np.arange(10_000) % 7)
    whole = path.read_bytes()
    found = read_arrays(path)
    assert found is not None
    assert len(found["answers"]) == 10_000
    for kept in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert read_arrays(path) is None
    path.write_bytes(whole[:60] + bytes(20) + whole[80:])
    assert read_arrays(path) is None
