"""A teacher's card and answers are made again from its weights as they were; batches of alike length lose no example."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kdlab.models import catalogue, train_teachers
from kdlab.models.train_teachers import cut_padding, deal_at_random, deal_by_length, logits_of


def test_card_and_answers_are_made_again_from_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in catalogue.WEIGHTS.glob("digits.*"):
        shutil.copy(file, tmp_path)
    committed, answers = json.loads((tmp_path / "digits.json").read_text(encoding="utf-8")), tmp_path / "digits.logits.npz"
    answers.unlink()
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_teachers", "digits", "--logits-only"])
    train_teachers.main()
    made = json.loads((tmp_path / "digits.json").read_text(encoding="utf-8"))
    assert made.keys() == committed.keys()
    for key, value in committed.items():
        assert made[key] == (pytest.approx(value, abs=1e-4) if isinstance(value, float) else value)
    with np.load(answers) as stored:
        np.testing.assert_allclose(stored["test"], catalogue.teacher_logits("digits").test, atol=1e-3)


def texts(count: int) -> torch.Tensor:
    length = torch.randint(1, 9, (count, 1), generator=torch.Generator().manual_seed(1))
    ids = torch.arange(1, count + 1)[:, None].expand(-1, 8)
    return torch.where(torch.arange(8) < length, ids, 0)


def test_batches_of_alike_length_are_full_and_show_each_text_once() -> None:
    x = texts(203)
    batches = list(deal_by_length(x, 10, torch.Generator().manual_seed(0)))
    assert [len(rows) for rows in batches] == [10] * 20
    assert len(torch.cat(batches).unique()) == 200
    random = list(deal_at_random(x, 10, torch.Generator().manual_seed(0)))
    places = [sum(cut_padding(x[rows], torch.Generator()).numel() for rows in dealt) for dealt in (batches, random)]
    assert places[0] < 0.8 * places[1]


def test_answers_come_in_the_order_of_the_texts() -> None:
    class First(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :1].float()

    x = texts(1203).numpy()
    assert np.array_equal(logits_of(First(), x)[:, 0], x[:, 0])
