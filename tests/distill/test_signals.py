"""A teacher is asked once: what comes with it, what is kept, what is computed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from kdlab.distill import signals
from kdlab.distill.access import Access
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
        found = signals.load_logits("digits", tmp_path)
        for split in ("train", "validation", "test"):
            np.testing.assert_allclose(getattr(found, split), getattr(shipped, split), atol=1e-4)
    assert asked == [800, 200, 797]
    first = next(tmp_path.rglob("*.npy"))
    for damaged in (b"", first.read_bytes()[:2000]):
        first.write_bytes(damaged)
        found = signals.load_logits("digits", tmp_path)
        np.testing.assert_allclose(found.train, shipped.train, atol=1e-4)
        np.testing.assert_allclose(found.test, shipped.test, atol=1e-4)
    assert len(asked) == 5  # one split again, for each time that its file was damaged


def test_an_access_knows_how_much_an_answer_tells() -> None:
    label = math.log2(10)
    assert Access("nothing").bits_per_query(10) == 0
    assert Access("label").bits_per_query(10) == label
    assert Access("top_k", 1).bits_per_query(10) == label + 32
    assert Access("probabilities").bits_per_query(10) == Access("logits").bits_per_query(10) == 320
    assert Access("top_k", 3).bits_per_query(10) == pytest.approx(3 * (32 + label))  # the rest is what they leave
    assert Access("top_k", 64).bits_per_query(10) == Access("top_k", 10).bits_per_query(10)
    assert TopKKL(k=3).access == Access("top_k", 3)
    assert Access("hidden").bits_per_query(10, 7) == 7 * 16
    assert Access("weights").bits_per_query(10, 7) == 7 * 32


def test_a_teacher_reveals_no_more_than_its_access_grants() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [-1.0, 3.0, 0.0]])
    p = torch.softmax(logits, -1)
    assert signals.reveal(Access("nothing"), logits) == ()
    (label,) = signals.reveal(Access("label"), logits)
    assert label.tolist() == [0, 1]
    sure, label = signals.reveal(Access("top_k", 1), logits)
    assert (label.tolist(), sure.tolist()) == ([[0], [1]], p.amax(-1, keepdim=True).tolist())
    top, classes = signals.reveal(Access("top_k", 2), logits)
    assert classes.tolist() == [[0, 2], [1, 2]]
    torch.testing.assert_close(top, torch.gather(p, 1, classes))
    torch.testing.assert_close(signals.reveal(Access("probabilities"), logits)[0], p)
    assert signals.reveal(Access("logits"), logits)[0] is logits
