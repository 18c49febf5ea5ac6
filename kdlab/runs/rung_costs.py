"""What each arm of a finished run has cost: bytes of an answer, seconds of the teacher, seconds of the student."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from kdlab.data.registry import get_dataset
from kdlab.distill.arms import Arm
from kdlab.distill.cohort import Cohort
from kdlab.distill.derivative import derivative
from kdlab.distill.inside import directions
from kdlab.distill.trainer import Trainer
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import teacher_card
from kdlab.models.inner_layers import layers_of_student, layers_of_teacher
from kdlab.models.networks import build_student, build_teacher
from kdlab.runs.spec import RunSpec

_STEPS = 12
_EXAMPLES = {"image": 250, "character": 250, "token": 32}  # that the teacher is asked about at once: a transformer is slow


def rung_costs(spec: RunSpec, trainer: Trainer) -> dict[str, dict[str, float]]:
    """By an arm's key.

    ``bytes``: what the teacher sends for an example. ``teacher_seconds``: what that takes it, for an example, on the
    CPU; 0 behind an API, whose time is its provider's. ``student_seconds``: a step of one such student alone, which
    reads no unlabelled example where it asks its teacher nothing. ``extra_parameters``: what it learns beside itself.
    Times are the fastest of several: other work on the machine can only slow one down.
    """
    teacher_seconds = _teacher_seconds(spec)
    layers = layers_of_student(spec.student, spec.dataset), layers_of_teacher(spec.teacher)
    found = {}
    for arm in trainer.arms:
        found[arm.key] = {
            "bytes": spec.payload_bits(arm) / 8,
            "teacher_seconds": teacher_seconds[_question(arm)],
            "student_seconds": _student_seconds(spec, arm, trainer),
            "extra_parameters": float(sum(asked.extra_parameters(*layers) for asked in arm.insides)),
        }
    return found


def _question(arm: Arm) -> str:
    """What the teacher has to compute: nothing, an answer, or an answer and a derivative."""
    if any(asked.compares_gradients for asked in arm.insides):
        return "derivative"
    return "nothing" if arm.access.rung == "nothing" and not arm.insides else "answer"


def _teacher_seconds(spec: RunSpec) -> dict[str, float]:
    """For an example. A hidden layer is there once there is an answer: it costs no more."""
    if is_added(spec.teacher):  # its network is not here: it was measured when it answered, and behind an API never
        measured = teacher_card(spec.teacher).get("profile")
        return {"nothing": 0.0, "answer": 1 / measured["throughput"] if measured else 0.0}
    network = build_teacher(spec.teacher).eval()  # its time does not depend on its weights, which may not be here
    data = get_dataset(spec.dataset)
    x = torch.from_numpy(data.load().x_test[: _EXAMPLES[data.kind]].copy())
    with torch.no_grad():
        found = {"nothing": 0.0, "answer": _fastest(lambda: network(x), 3) / len(x)}
        if any(_question(arm) == "derivative" for arm in spec.arms):
            along = torch.from_numpy(directions(x.numpy(), range(len(x))))
            found["derivative"] = found["answer"] + _fastest(lambda: derivative(network, x, along), 3) / len(x)
    return found


def _student_seconds(spec: RunSpec, arm: Arm, trainer: Trainer) -> float:
    cohort = Cohort(
        partial(build_student, spec.student, spec.dataset),
        arms=1,
        seeds=1,
        group_size=1,
        learning_rate=spec.learning_rate,
        device=trainer.device,
    )
    # In the run it is shown the transfer set because others read it.
    task = trainer.task.labelled_alone() if _question(arm) == "nothing" else trainer.task
    alone = Trainer(task, (arm,), cohort, trainer.signals, trainer.budget, trainer.inside)

    def step() -> None:
        alone.step_number = 0
        alone.step()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)

    return _fastest(step, _STEPS)


def _fastest(call: Callable[[], Any], times: int) -> float:
    found = []
    for _ in range(times + 1):  # the first call makes what the others reuse
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found[1:])
