"""A transformer reads a batch in parts of like length: what it says, and what it learns, is what it would of the whole."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch

from kdlab.data.word_pieces import PADDING
from kdlab.distill.grouping import Grouping
from kdlab.distill.trainer import Trainer
from kdlab.models.bert import BertClassifier, bert_config
from kdlab.runs import build
from kdlab.runs.recipes import three_arms

PARTS = ((3, 5), (2, 7), (2, 12))


@pytest.fixture
def texts() -> torch.Tensor:
    """Ids (7, 12), as long as their parts allow."""
    x = torch.randint(4, 40, (7, 12), generator=torch.Generator().manual_seed(1))
    for row, length in enumerate((3, 5, 4, 7, 6, 12, 9)):
        x[row, length:] = PADDING
    return x


def test_what_it_says_and_holds_inside_is_the_same(texts: torch.Tensor):
    torch.manual_seed(0)
    student = BertClassifier(bert_config(40, layers=2, width=64, positions=12), classes=3)
    whole, inside = student(texts, inside=True)
    logits, inner = student(texts, inside=True, parts=PARTS)
    torch.testing.assert_close(logits, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(student(texts, parts=PARTS), logits)
    real = (texts != PADDING).unsqueeze(-1)
    for kind, expected in zip(inner, inside, strict=True):
        assert len(kind) == len(expected)
        for layer, other in zip(kind, expected, strict=True):
            torch.testing.assert_close(layer * real, other * real, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(inner.hidden[-1], inside.hidden[-1], rtol=1e-4, atol=1e-5)


def trained(parts: int, group_size: int) -> Trainer:
    spec = three_arms(dataset="glosses", student="bert-1x64", labels=40, transfer=60, batch_size=32, epochs=3, seeds=2)
    with mock.patch.object(build, "_PARTS", parts), mock.patch.object(
        build, "grouping", return_value=Grouping(group_size, 1)
    ):
        trainer = build.make_trainer(spec)
    for _ in range(4):
        trainer.step()
    return trainer


@pytest.mark.parametrize("group_size", [1, 6])
def test_what_it_learns_is_the_same(group_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    whole, parted = trained(1, group_size), trained(2, group_size)
    assert parted.task._sizes == [16, 16, 16, 16]  # type: ignore[attr-defined]
    assert sorted(whole.task.batches[2, 1, :32].tolist()) == sorted(parted.task.batches[2, 1, :32].tolist())  # type: ignore[attr-defined]
    for one, other in zip(whole.cohort.weights(), parted.cohort.weights(), strict=True):
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-2, atol=2e-4)
    torch.testing.assert_close(
        torch.tensor(whole.measure().values["kl"]), torch.tensor(parted.measure().values["kl"]), rtol=1e-4, atol=1e-5
    )
