"""What a finished run shows: paired differences with their intervals, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdlab.core.intervals import Interval, mean_interval, paired_difference
from kdlab.distill.arms import Role
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run


@dataclass(frozen=True)
class Comparison:
    """Gains in test accuracy (shares, not points), paired over seeds.

    ``total`` = soft targets − labels only = ``answers`` + ``softness``, seed by seed, where
    ``answers`` = the teacher's answers − labels only, and ``softness`` = soft targets − answers.
    ``kept`` is the soft arm's accuracy over the teacher's.
    """

    total: Interval
    answers: Interval
    softness: Interval
    accuracy: dict[Role, Interval]
    teacher_accuracy: float
    kept: float


def compare(result: dict[str, Any]) -> Comparison:
    """The comparison that a run's result holds."""
    accuracy = {arm["role"]: np.array(arm["accuracy"]) for arm in result["arms"]}
    labels, hard, soft = (accuracy[role] for role in ("labels_only", "hard_labels", "soft_targets"))
    return Comparison(
        total=paired_difference(soft, labels),
        answers=paired_difference(hard, labels),
        softness=paired_difference(soft, hard),
        accuracy={role: mean_interval(values) for role, values in accuracy.items()},
        teacher_accuracy=result["teacher_accuracy"],
        kept=float(soft.mean() / result["teacher_accuracy"]),
    )


def no_verdict(spec: RunSpec, steering: Mapping[str, float] | None = None) -> str | None:
    """Why the last arm of such a run can show nothing of distillation, in two sentences; None where it can.

    steering: what the visitor moved while it went on. A KD weight that was moved may have taught for a while.
    """
    arm = spec.arms[-1]
    because = arm.objective.constant_because if steering else arm.untaught_because
    if because is None:
        return None
    if arm.kd_weight == 1 and not steering:
        return f"{because} With a KD weight of 1 the labels count for nothing either: this student learns nothing."
    return f"{because} So this student learns from the labels alone, and nothing that it shows is distillation's doing."


def between_runs(first: Run, second: Run) -> Interval | None:
    """Second minus first, the soft arms' accuracies paired over seeds.

    None where nothing pairs them: an unfinished run, or other data, student, labels, transfer set or seeds.
    """
    pairing = ("dataset", "student", "labels", "transfer", "seeds")
    if first.result is None or second.result is None:
        return None
    if any(getattr(first.spec, name) != getattr(second.spec, name) for name in pairing):
        return None
    return paired_difference(second.result["arms"][-1]["accuracy"], first.result["arms"][-1]["accuracy"])


def in_words(difference: Interval) -> str:
    """A difference of accuracies in percentage points: "+2.8 points, 95 % 1.1 to 4.4"."""
    points = f"{100 * difference.mean:+.1f} points"
    if difference.n < 2:
        return f"{points}; one seed shows no difference, run at least two"
    interval = f"95 % {100 * difference.low:.1f} to {100 * difference.high:.1f}"
    return f"no difference shown ({points}, {interval})" if difference.holds_zero else f"{points}, {interval}"
