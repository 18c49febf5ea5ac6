"""A run of language models, built of the shipped text and the shipped signals, and trained for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kdlab.distill.trainer import Point, Trainer
from kdlab.models import causal_teacher
from kdlab.runs.build_text import TEST_WINDOWS, make_text_trainer
from kdlab.runs.text_recipes import Race

TOKENS = 4_096


class Listener:
    def __init__(self) -> None:
        self.points: list[Point] = []

    def point(self, point: Point) -> None:
        self.points.append(point)

    def before_step(self, trainer: Trainer) -> bool:
        return False


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, list[Point]]:
    """A short race; SmolLM2 is not asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDLAB_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(causal_teacher.CausalTeacher, "__init__", lambda *given: pytest.fail("the teacher was asked"))
        trainer, listener = make_text_trainer(Race(tokens=TOKENS).spec(), lambda done, total: None), Listener()
        trainer.train(listener)
    return trainer, listener.points


def test_a_first_race_needs_no_teacher_and_every_point_has_a_sample_of_every_student(
    trained: tuple[Trainer, list[Point]],
) -> None:
    trainer, points = trained
    assert trainer.budget.steps == TOKENS // (4 * 64)
    assert [point.step for point in points][-1] == trainer.budget.steps
    for point in points:
        assert {arm: len(texts) for arm, texts in point.samples.items()} == dict.fromkeys(("text_only", "one_token", "soft_targets"), Race().seeds)
    first, last = points[0].samples, points[-1].samples
    assert first["soft_targets"] != last["soft_targets"]
    # A seed's students begin as one: from the same random numbers they write the same.
    assert first["soft_targets"] == first["text_only"]
    assert last["soft_targets"] != last["text_only"]


def test_students_learn_and_the_teacher_is_as_good_as_its_own_numbers_say(trained: tuple[Trainer, list[Point]]) -> None:
    trainer, points = trained
    found = trainer.outcome()
    assert found["teacher"]["bits_per_byte"] == pytest.approx(1.435, abs=0.002)
    assert found["test_tokens"] == TEST_WINDOWS * 64
    before, after = (np.array(point.values["bits_per_byte"]) for point in (points[0], points[-1]))
    assert (after < before - 0.2).all()


def test_what_the_supervised_term_reads_is_the_novel(trained: tuple[Trainer, list[Point]]) -> None:
    task = trained[0].task
    assert "universally acknowledged" in task.reading.decode(task.train[0].numpy())


@pytest.mark.gpu
def test_on_a_card_everything_lives_there_and_learns_as_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    ends = []
    for device in ("cuda", "cpu"):
        trainer, listener = make_text_trainer(Race(tokens=8_192, device=device).spec(), lambda done, total: None), Listener()
        parts = (trainer.task.train, trainer.task.signals.head, trainer.task.teacher_log_p, trainer.kd_weight)
        assert {part.device.type for part in parts} == {device}
        trainer.train(listener)
        ends.append(torch.tensor(listener.points[-1].values["bits_per_byte"]))
    torch.testing.assert_close(*ends, rtol=0.02, atol=0)
