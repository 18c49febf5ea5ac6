"""A teacher is asked once: what comes with it, what is kept, what is computed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from kdlab.distill import signals
from kdlab.distill.arms import Arm, three_arms
from kdlab.distill.objective_catalogue import TopKKL
from kdlab.models.catalogue import teacher_logits


def test_a_teacher_without_stored_answers_is_asked_once_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = teacher_logits("digits")
    asked: list[int] = []
    answer = signals.answer

    def missing(_: str) -> None:
        raise ValueError("no answers are stored")

    def counted(teacher: str, x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return answer(teacher, x)

    monkeypatch.setattr(signals, "teacher_logits", missing)
    monkeypatch.setattr(signals, "answer", counted)
    for _ in range(2):
        train, test = signals.load_logits("digits", tmp_path)
        np.testing.assert_allclose(train, shipped.train, atol=1e-4)
        np.testing.assert_allclose(test, shipped.test, atol=1e-4)
    assert asked == [1000, 797]
    (kept,) = tmp_path.iterdir()
    for damaged in (b"", kept.read_bytes()[:2000]):
        kept.write_bytes(damaged)
        train, _ = signals.load_logits("digits", tmp_path)
        np.testing.assert_allclose(train, shipped.train, atol=1e-4)
    assert asked == 3 * [1000, 797]


def test_an_arm_knows_how_much_an_answer_tells_it() -> None:
    labels_only, hard, soft = three_arms(2.0, 0.9)
    assert [arm.bits_per_query(10) for arm in (labels_only, hard, soft)] == [0.0, math.log2(10), 320.0]
    top = Arm(role="soft_targets", objective=TopKKL(k=3))
    assert top.bits_per_query(10) == pytest.approx(3 * (32 + math.log2(10)) + 32)
