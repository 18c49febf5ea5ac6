"""The file that comes with the lab is what the model says, and its draws are draws from its probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kdlab.core.probability import log_softmax, softmax
from kdlab.data.corpora import get_corpus
from kdlab.models import record_language_signals as record
from kdlab.models import smollm2
from kdlab.models.causal_teacher import CausalTeacher
from kdlab.models.own_tokens import own_tokens, windows
from kdlab.models.shipped_smollm2 import BLOCK, shipped_for
from kdlab.models.smollm2_tokenizer import smollm2_tokenizer


class _Counting:
    """A teacher that says which windows it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(x))
        return x[..., None].float().expand(*x.shape, 3)


def test_an_interrupted_recording_goes_on_where_it_was(tmp_path: Path) -> None:
    own, rows = own_tokens("smollm2", "pride"), np.random.default_rng(0).integers(1, 200, (40, 65))
    teacher = _Counting()
    first = record.said(teacher, own, rows[:20], tmp_path)  # type: ignore[arg-type]
    assert first.shape == (20, 64, 3)
    whole = record.said(teacher, own, rows, tmp_path)  # type: ignore[arg-type]
    assert teacher.asked == [16, 4, 16, 8]  # the first 16 were there
    assert np.array_equal(smollm2.from_bfloat16(whole)[..., 0], rows[:, :-1].astype(np.float32))


def test_draws_are_as_frequent_as_their_probabilities() -> None:
    rng = np.random.default_rng(3)
    one, head = smollm2.as_bfloat16(rng.normal(size=8)), rng.normal(size=(12, 8)).astype(np.float32)
    draws = record.drawn(np.broadcast_to(one, (100, 64, 8)), head)
    assert draws.shape == (100, 64, 16)
    found = np.bincount(draws.ravel(), minlength=12) / draws.size
    p = softmax(smollm2.from_bfloat16(one) @ head.T)
    assert np.abs(found - p).max() < 4 * np.sqrt(0.25 / draws.size)


def test_a_passage_is_lines_of_its_chapter() -> None:
    text = record.passage(45, '"Yes," replied', 'acquaintance."')
    assert text.startswith('"Yes," replied Darcy')
    assert text.endswith('handsomest women of my acquaintance."')
    assert text in get_corpus("pride").load().test


@pytest.mark.skipif(not smollm2.installed(), reason="needs requirements-smollm2.txt")
def test_the_shipped_file_is_what_the_model_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    own, shipped = own_tokens("smollm2", "pride"), shipped_for("smollm2", "pride")
    assert shipped is not None
    teacher, texts = CausalTeacher("smollm2", own), get_corpus("pride").load()
    assert np.array_equal(teacher.head.numpy(), shipped.head)
    test = windows(own.encode(texts.test).ids)[shipped.test_rows[:2]]
    expected = teacher.hidden(torch.from_numpy(test[:, :-1].copy())).numpy()
    near = np.abs(shipped.test_hidden[:2] - expected) <= 2**-8 * np.abs(expected) + 1e-3 * np.abs(expected).max()
    assert near.all()  # as bfloat16 has it
    lines = shipped.passages[0]
    hidden = teacher.hidden(torch.from_numpy(lines.ids[None, :-1].copy())).numpy()[0]
    p, q = (softmax(one @ shipped.head.T) for one in (hidden, lines.hidden))
    assert np.abs(p - q).sum(-1).max() < 0.02
    # Of tokens drawn from p the mean of −log p is its entropy: 2 × 64 × 16 of them are near it.
    train = windows(own.encode(texts.train).ids)[:2]
    log_p = log_softmax(teacher.hidden(torch.from_numpy(train[:, :-1].copy())).numpy() @ shipped.head.T)
    drawn = -np.take_along_axis(log_p, shipped.draws[:2].astype(np.int64), -1)
    entropy = -(np.exp(log_p) * log_p).sum(-1)
    assert abs(drawn.mean() - entropy.mean()) < 4 * drawn.std() / np.sqrt(drawn.size)
    steps, scales = record.head_blocks(own.teacher_ids[:5])
    assert steps.shape == (5, smollm2.WIDTH)
    assert scales.shape == (5, smollm2.WIDTH // BLOCK)


@pytest.mark.skipif(not smollm2.installed(), reason="needs requirements-smollm2.txt")
def test_the_tokenizers_file_is_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = smollm2.read_package()
    assert smollm2.told_pieces(told).tokens() == [smollm2_tokenizer().id_to_token(i) for i in range(49_152)]
