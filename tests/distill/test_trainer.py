"""Cohorts through real digits: lock-step, controls, repeatability."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdlab.data.registry import get_dataset
from kdlab.distill.arms import Arm
from kdlab.distill.budget import Budget
from kdlab.distill.cohort import Cohort, Group, fresh_student
from kdlab.distill.device import DeviceError, resolve_device
from kdlab.distill.grouping import classifying, grouping
from kdlab.distill.objective_catalogue import OBJECTIVES, ForwardKL, HardLabels, Objective
from kdlab.distill.signals import load_logits, reveal
from kdlab.distill.tasks import classification
from kdlab.distill.tasks.classification import Classification
from kdlab.distill.trainer import Point, Trainer
from kdlab.models.networks import build_student

SETTINGS: dict[str, Any] = {
    "dataset": "digits",
    "teacher": "digits",
    "student": "mlp-16",
    "labels": 50,
    "transfer": 200,
    "total_steps": 40,
    "epochs": 10,
    "seeds": 2,
    "learning_rate": 5e-3,
    "batch_size": 32,
    "device": "cpu",
}


class Recorder:
    """A listener that keeps the points and steers where it is told to."""

    def __init__(self, steering: dict[int, dict[str, float]] | None = None) -> None:
        self.points: list[Point] = []
        self.steering = steering or {}

    def point(self, point: Point) -> None:
        self.points.append(point)

    def before_step(self, trainer: Trainer) -> bool:
        if trainer.step_number in self.steering:
            trainer.steer(self.steering[trainer.step_number])
        return False


def three_arms(temperature: float, kd_weight: float, objective: Objective | None) -> tuple[Arm, ...]:
    hard = Arm(key="hard", label="Hard", hue="0", objective=HardLabels(), kd_weight=kd_weight)
    soft = hard.model_copy(
        update={"key": "soft", "objective": objective or ForwardKL(), "temperature": temperature}
    )
    return Arm(key="labels", label="Labels", hue="1"), hard, soft


def make(
    cache: Path,
    *,
    temperature: float = 4.0,
    kd_weight: float = 0.9,
    objective: Objective | None = None,
    size: int | None = None,
    **changes: Any,
) -> Trainer:
    """size: of the groups; measured where it is not given."""
    settings, arms = SETTINGS | changes, three_arms(temperature, kd_weight, objective)
    device, data = resolve_device(settings["device"]), get_dataset("digits")
    task = Classification(
        data.load(),
        len(data.classes),
        load_logits("digits", cache),
        labels=settings["labels"],
        transfer=settings["transfer"],
        batch_size=settings["batch_size"],
        steps=settings["total_steps"],
        seeds=settings["seeds"],
        device=device,
    )
    count = len(arms) * settings["seeds"]
    cohort = Cohort(
        partial(build_student, settings["student"], "digits"),
        arms=len(arms),
        seeds=settings["seeds"],
        group_size=size or grouping(classifying("mlp-16", "digits", task.examples_a_step, device), count, device, cache).size,
        learning_rate=settings["learning_rate"],
        device=device,
    )
    signals = {arm.access: reveal(arm.access, task.teacher_logits) for arm in arms}
    given = {name: settings[name] for name in ("schedule", "warm_up", "clip_norm") if name in settings}
    budget = Budget(settings["total_steps"], settings["epochs"], settings["learning_rate"], **given)
    return Trainer(task, arms, cohort, signals, budget)


def values(points: list[Point]) -> list[dict[str, Any]]:
    return [point.values for point in points]


def train(trainer: Trainer, **listening: Any) -> Recorder:
    recorder = Recorder(**listening)
    trainer.train(recorder)
    return recorder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_the_same_spec_gives_the_same_numbers_to_the_bit(cache: Path) -> None:
    first, second = train(make(cache)), train(make(cache))
    np.testing.assert_equal(values(first.points), values(second.points))  # exactly, NaN beside NaN


def test_all_arms_of_a_seed_start_equal_and_seeds_differ(cache: Path) -> None:
    start = train(make(cache)).points[0].values["accuracy"]
    assert start[0] == start[1] == start[2]
    assert start[0][0] != start[0][1]


def test_labels_only_does_not_know_of_the_teacher(cache: Path) -> None:
    one = make(cache, temperature=1.0, kd_weight=0.5)
    other = make(cache, temperature=8.0, kd_weight=0.9)
    runs = [train(trainer).points[-1].values["accuracy"] for trainer in (one, other)]
    assert runs[0][0] == runs[1][0]
    assert runs[0][2] != runs[1][2]


def test_distillation_on_unlabelled_digits_brings_the_students_nearer_to_the_teacher(cache: Path) -> None:
    end = train(make(cache, total_steps=300)).points[-1].values
    labels_only, _, soft = end["kl"]
    assert max(soft) < min(labels_only)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_students_learn_the_same_in_whatever_groups_they_are_stacked(
    cache: Path, size: int
) -> None:
    trainer = make(cache, size=size)
    train(trainer)
    alone = make(cache, size=1)
    train(alone)
    for stacked, single in zip(trainer.cohort.weights(), alone.cohort.weights(), strict=True):
        for name, tensor in single.items():
            torch.testing.assert_close(stacked[name], tensor, rtol=1e-3, atol=1e-4)


def test_steering_acts_from_its_step_on_and_spares_labels_only(cache: Path) -> None:
    plain = train(make(cache)).points
    steered = train(make(cache), steering={20: {"temperature": 1.0, "kd_weight": 0.2}}).points
    for before, after in zip(plain, steered, strict=True):
        assert before.values["accuracy"][0] == after.values["accuracy"][0]
        if before.step <= 20:
            assert before.values["kl"] == after.values["kl"]
    assert plain[-1].values["kl"][2] != steered[-1].values["kl"][2]


def test_gradient_norms_are_those_of_autograd_for_one_student(cache: Path) -> None:
    trainer = make(cache, seeds=1)
    point = trainer.measure()
    arm = trainer.arms[2]
    rows = trainer.task.batches[0][0]
    student = fresh_student("mlp-16", "digits", 0)
    logits = student(trainer.task.x[rows])
    teacher = trainer.signals[arm.access][0][rows]
    kl = torch.nn.functional.kl_div(
        torch.log_softmax(logits / arm.temperature, -1),
        torch.softmax(teacher / arm.temperature, -1),
        reduction="batchmean",
    )
    (arm.kd_weight * arm.temperature**2 * kl).backward()
    norm = torch.cat([p.grad.flatten() for p in student.parameters()]).norm().item()
    assert point.values["gradient_distillation"][2][0] == pytest.approx(norm, rel=1e-4)
    assert point.values["gradient_distillation"][0][0] == 0


def test_the_gradient_budget_adds_up(cache: Path) -> None:
    trainer = make(cache)
    train(trainer)
    values = {name: np.array(tensor) for name, tensor in trainer.measure().values.items()}
    n_s, n_d = values["gradient_supervised"][2], values["gradient_distillation"][2]
    dot = n_s * n_d * values["gradient_cosine"][2]
    expected = (n_d**2 + dot) / (n_s**2 + n_d**2 + 2 * dot)
    np.testing.assert_allclose(values["gradient_share"][2], expected, rtol=1e-3)
    assert (values["gradient_share"][0] == 0).all()  # labels only has no second term


def test_a_silent_term_has_no_direction(cache: Path) -> None:
    nothing = OBJECTIVES["generalized_jsd"](beta=0.0)
    for kd_weight, objective, share in (
        (0.0, None, 0),
        (0.5, nothing, 0),
        (1.0, None, 1),
        (1.0, nothing, np.nan),
    ):
        values = make(cache, kd_weight=kd_weight, objective=objective).measure().values
        assert np.isnan(values["gradient_cosine"][2]).all()
        np.testing.assert_allclose(values["gradient_share"][2], share, rtol=1e-5)
    assert np.isnan(values["gradient_cosine"][0]).all()  # labels only
    both = make(cache).measure().values["gradient_cosine"]
    assert np.isfinite(both[1:]).all()


@pytest.fixture(scope="module")
def controls(cache: Path) -> Any:
    """Where the two arms without an objective of their own end after 300 steps."""
    return train(make(cache, total_steps=300)).points[-1].values["accuracy"][:2]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains_a_student_and_leaves_the_controls_alone(cache: Path, controls: Any, name: str) -> None:
    end = train(make(cache, total_steps=300, objective=OBJECTIVES[name]())).points[-1].values["accuracy"]
    assert end[:2] == controls
    assert min(end[2]) > 0.3  # chance is 0.1


def test_an_objective_without_a_teacher_reads_only_the_labelled_examples(cache: Path) -> None:
    objective = OBJECTIVES["label_smoothing"]()
    with_pool, without = (make(cache, objective=objective, transfer=n) for n in (200, 0))
    assert with_pool.task.labelled == without.task.labelled == 32
    for trainer in (with_pool, without):
        trainer.task.labels[..., trainer.task.labelled :] = 0  # what the teacher answers must not matter
    changed = train(with_pool).points[-1].values["accuracy"][2]
    assert changed == train(make(cache, objective=objective)).points[-1].values["accuracy"][2]


def test_points_begin_at_zero_and_end_with_the_last_step(cache: Path) -> None:
    steps = [point.step for point in train(make(cache)).points]
    assert steps[0] == 0
    assert steps[-1] == SETTINGS["total_steps"]
    assert steps == sorted(set(steps))


def test_a_group_of_one_is_the_module_itself() -> None:
    student = fresh_student("mlp-16", "digits", 3)
    x = torch.rand(1, 7, 8, 8)
    torch.testing.assert_close(Group([student], 1e-3, torch.device("cpu"), slice(0, 1), arms=1).outputs(x)[0], student(x[0]))


def test_fresh_students_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fresh_student("mlp-16", "digits", 0)
    torch.testing.assert_close(torch.rand(3), expected)


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="this machine has the card that the test asks for in vain"
)
def test_a_missing_device_is_an_error_and_no_silent_fall_back() -> None:
    with pytest.raises(DeviceError, match="Choose auto or cpu"):
        resolve_device("cuda")


@pytest.mark.gpu
def test_on_a_card_everything_lives_there_and_learns_as_on_the_cpu(cache: Path) -> None:
    card, cpu = make(cache, device="cuda", total_steps=200), make(cache, total_steps=200)
    signals = [part for signal in card.signals.values() for part in signal]
    assert {t.device.type for t in (card.task.x, *signals, card.task.batches, card.kd_weight)} == {"cuda"}
    ends = [train(trainer).points[-1].values["accuracy"] for trainer in (card, cpu)]
    for on_card, on_cpu in zip(*ends, strict=True):
        assert sum(on_card) / 2 == pytest.approx(sum(on_cpu) / 2, abs=0.05)


def test_arms_of_one_objective_are_one_call_and_learn_as_they_would_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temperatures 1, 2 and 4 of one objective, between them an arm of another."""
    first = make(cache)
    soft = first.arms[2]
    temperatures = [soft.model_copy(update={"key": f"t{t}", "temperature": float(t)}) for t in (1, 2, 4)]
    arms = (first.arms[0], temperatures[0], first.arms[1], *temperatures[1:])

    def of(arms: tuple[Arm, ...]) -> Trainer:
        cohort = Cohort(partial(build_student, "mlp-16", "digits"), arms=len(arms), seeds=2, group_size=7, learning_rate=5e-3, device=first.device)
        return Trainer(first.task, arms, cohort, first.signals, first.budget)

    calls: list[object] = []
    term = classification.distillation_term
    monkeypatch.setattr(
        classification, "distillation_term", lambda objective, *given: calls.append(objective) or term(objective, *given)
    )
    together = of(arms)
    together.step()
    assert len(calls) == 4  # two objectives in each of two groups: not one a softened arm
    monkeypatch.undo()
    ends = train(of(arms)).points[-1].values["kl"]
    alone = [train(of((first.arms[0], arm))).points[-1].values["kl"][1] for arm in temperatures]
    for place, expected in zip((1, 3, 4), alone, strict=True):
        np.testing.assert_allclose(ends[place], expected, rtol=2e-3)


def test_a_student_that_diverges_is_marked_and_the_others_go_on(cache: Path) -> None:
    plain, hurt = make(cache), make(cache)
    with torch.no_grad():
        for parameter in hurt.cohort.groups[0].parameters.values():
            parameter[2] = torch.inf  # the soft arm of the first seed
    before, after = train(plain).points[-1].values, train(hurt).points[-1].values
    assert hurt.diverged.tolist() == [False, False, True, False, False, False]
    for name, values in after.items():
        assert np.isnan(values[2][0]), name
        np.testing.assert_equal([values[0], values[1], values[2][1]], [before[name][0], before[name][1], before[name][2][1]])
    outcome = hurt.outcome()
    assert np.isnan(outcome["accuracy"][2][0])
    assert np.isnan(outcome["per_class"][2][0]).all()
    assert np.isfinite(outcome["accuracy"][2][1])


def test_the_step_size_warms_up_and_falls_along_a_cosine() -> None:
    constant = Budget(100, 1, 0.1)
    assert {constant.learning_rate_at(step) for step in range(100)} == {0.1}
    shaped = Budget(100, 1, 0.1, "cosine", warm_up=0.1)
    rates = [shaped.learning_rate_at(step) for step in range(100)]
    np.testing.assert_allclose(rates[:10], 0.1 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], 0.05 * (1 + np.cos(np.pi * np.arange(90) / 90)))


def test_clipping_shortens_each_student_s_own_gradient(cache: Path) -> None:
    """Against PyTorch's own clipping of a student alone."""
    group = Group([fresh_student("mlp-16", "digits", seed) for seed in range(3)], 1e-3, torch.device("cpu"), slice(0, 3), 1)
    x = torch.rand(3, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor([0.01, 10.0, 100.0])
    group.step((scale * group.outputs(x).square().sum((1, 2))).sum(), 0.0, clip_norm=1.0)
    for seed in range(3):
        student = fresh_student("mlp-16", "digits", seed)
        (scale[seed] * student(x[seed]).square().sum()).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for name, parameter in student.named_parameters():
            torch.testing.assert_close(group.parameters[name].grad[seed], parameter.grad)
    assert make(cache, clip_norm=1e-6).budget.clip_norm == 1e-6
