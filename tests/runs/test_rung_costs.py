"""What is timed as a student's step: what such a student alone would read, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kdlab.distill.arms import Arm
from kdlab.distill.objective_catalogue import LabelSmoothing
from kdlab.distill.trainer import Trainer
from kdlab.distill.white_box_catalogue import Gram
from kdlab.runs import rung_costs as costs
from kdlab.runs.build import make_trainer
from kdlab.runs.ladder import ladder
from kdlab.runs.spec import RunSpec

UNTAUGHT = ("labels_only", "smoothing")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))


def with_more_arms(spec: RunSpec) -> RunSpec:
    """Two more without a teacher's answers, of which one looks inside."""
    smoothing = Arm(key="smoothing", label="Smoothing", hue="0", objective=LabelSmoothing(), kd_weight=0.5)
    gram = Arm(key="gram_alone", label="Gram alone", hue="0", white_box=Gram())
    return spec.model_copy(update={"arms": (*spec.arms, smoothing, gram)})


def timed(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Trainer], dict[str, dict[str, float]]]:
    """By an arm's key, the trainer of a student alone whose step is timed, which has taken one; and what it cost, where
    each call takes a second."""
    found: dict[str, Trainer] = {}

    def noted(trainer: Trainer) -> None:
        one_step(trainer)
        (arm,) = trainer.arms
        found[arm.key] = trainer

    def once(call: Callable[[], Any], times: int) -> float:
        call()
        return 1.0

    one_step, whole = Trainer.step, make_trainer(spec)
    with monkeypatch.context() as patched:
        patched.setattr(costs, "_fastest", once)
        patched.setattr(Trainer, "step", noted)
        cost = costs.rung_costs(spec, whole)
    return found, cost


def test_an_arm_that_asks_its_teacher_nothing_is_timed_on_the_labelled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = with_more_arms(ladder(dataset="digits", student="mlp-16", labels=20, transfer=50, batch_size=16, epochs=1, seeds=2))
    found, cost = timed(spec, monkeypatch)
    assert {key: trainer.task.examples_a_step for key, trainer in found.items()} == {
        arm.key: 16 if arm.key in UNTAUGHT else 32 for arm in spec.arms
    }
    assert {key for key, own in cost.items() if not own["teacher_seconds"]} == set(UNTAUGHT)


def test_it_learns_there_what_it_learns_in_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = with_more_arms(ladder(dataset="digits", student="mlp-16", labels=20, transfer=50, batch_size=16, epochs=1, seeds=1))
    found, _ = timed(spec, monkeypatch)
    together = make_trainer(spec)
    together.step()
    for key in UNTAUGHT:
        place = next(i for i, arm in enumerate(spec.arms) if arm.key == key)
        (alone,), own = found[key].cohort.weights(), together.cohort.weights()[place]
        for name, tensor in alone.items():
            torch.testing.assert_close(tensor, own[name], atol=1e-5, rtol=1e-4)


def test_texts_without_the_transfer_set_are_still_cut_by_their_length() -> None:
    spec = ladder(dataset="glosses", student="bert-1x64", labels=40, transfer=60, batch_size=32, epochs=1, seeds=1)
    black_boxes = tuple(arm for arm in spec.arms if not arm.insides)
    whole = make_trainer(spec.model_copy(update={"arms": black_boxes}))
    assert whole.task._sizes == [16, 16, 16, 16]  # type: ignore[attr-defined]
    alone = whole.task.labelled_alone()
    assert alone._sizes == [16, 16]  # type: ignore[attr-defined]
    group = whole.cohort.groups[0]
    for task in (whole.task, alone):  # the one is left as it was
        batch = task.batch(0, group)
        assert batch.rows.shape[1] == batch.labels.shape[1] == task.examples_a_step
    own, shown = (task.output(group, task.batch(0, group)).logits for task in (alone, whole.task))
    torch.testing.assert_close(own, shown[:, :32], atol=1e-5, rtol=1e-4)
