"""A signal is asked once, read by rows, and whole again however its files were damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdlab.distill import teacher_signal
from kdlab.distill.access import Access
from kdlab.distill.teacher_signal import Parts, TeacherSignal

P = np.random.default_rng(0).random((23, 5)).astype(np.float32)
CLASSES = P.argmax(1)


class Teacher:
    """Answers from a table, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, rows: slice) -> Parts:
        self.asked.append((rows.start, rows.stop))
        return P[rows], CLASSES[rows]


def signal(cache: Path, ask: Teacher, **other: Any) -> TeacherSignal:
    about = {"teacher": "a", "rows": "b", "access": Access("top_k", 5), "count": 23, "shard_rows": 10} | other
    return TeacherSignal(cache, ask=ask, **about)


def test_a_teacher_is_asked_once_for_each_row(tmp_path: Path) -> None:
    teacher = Teacher()
    for _ in range(2):
        p, classes = signal(tmp_path, teacher).whole()
        np.testing.assert_array_equal(p, P)
        np.testing.assert_array_equal(classes, CLASSES)
    assert teacher.asked == [(0, 10), (10, 20), (20, 23)]


def test_rows_come_in_their_order_and_only_their_shards_are_made(tmp_path: Path) -> None:
    teacher = Teacher()
    found = signal(tmp_path, teacher)
    rows = np.array([22, 3, 3, 21, 0])
    p, classes = found[rows]
    np.testing.assert_array_equal(p, P[rows])
    np.testing.assert_array_equal(classes, CLASSES[rows])
    assert teacher.asked == [(0, 10), (20, 23)]
    assert len(found) == 23


def test_what_is_kept_is_mapped_into_memory(tmp_path: Path) -> None:
    teacher = Teacher()
    signal(tmp_path, teacher).whole()
    again = signal(tmp_path, teacher)
    assert all(isinstance(part, np.memmap) for part in again._shard(1))


@pytest.mark.parametrize(
    "other", [{"teacher": "c"}, {"rows": "c"}, {"access": Access("top_k", 4)}, {"access": Access("logits")}]
)
def test_another_teacher_other_rows_or_another_access_is_another_signal(tmp_path: Path, other: dict[str, Any]) -> None:
    teacher = Teacher()
    first, second = signal(tmp_path, teacher), signal(tmp_path, teacher, **other)
    assert first.folder != second.folder


def test_what_was_kept_in_another_form_is_not_read_but_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = signal(tmp_path, lambda rows: (CLASSES[rows], P[rows]))  # type: ignore[arg-type]
    old.whole()
    monkeypatch.setattr(teacher_signal, "_FORM", teacher_signal._FORM + 1)
    np.testing.assert_array_equal(signal(tmp_path, Teacher()).whole()[0], P)


@pytest.mark.parametrize("name", ["00001-0.npy", "00001-1.npy", "00001.json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "changed"])
def test_a_damaged_shard_is_made_again_and_no_other(tmp_path: Path, name: str, damage: str) -> None:
    teacher = Teacher()
    found = signal(tmp_path, teacher)
    found.whole()
    path = found.folder / name
    kept = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.touch()
        case "cut":
            path.write_bytes(kept[: len(kept) // 2])
        case "changed":
            path.write_bytes(kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:])
    teacher.asked.clear()
    p, classes = signal(tmp_path, teacher).whole()
    np.testing.assert_array_equal(p, P)
    np.testing.assert_array_equal(classes, CLASSES)
    assert teacher.asked == [(10, 20)]


def test_where_nothing_can_be_kept_the_teacher_still_answers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    teacher = Teacher()
    np.testing.assert_array_equal(signal(tmp_path / "file", teacher).whole()[0], P)
