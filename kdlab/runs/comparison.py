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


def best_supported(found: Comparison) -> Role:
    """The arm to take: from the simplest on, the next only where it is shown to be better than the one in hand."""
    best: Role = "hard_labels" if _better(found.answers) else "labels_only"
    return "soft_targets" if _better(found.softness if best == "hard_labels" else found.total) else best


def _better(difference: Interval) -> bool:
    return bool(difference.low > 0)  # NaN, of one seed, is not


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


def between_runs(first: Run, second: Run) -> dict[Role, Interval]:
    """Second minus first, each arm's test accuracies paired over seeds; for runs that `unpaired_because` lets pair."""
    before, after = (
        {arm["role"]: arm["accuracy"] for arm in (run.result or {})["arms"]} for run in (first, second)
    )
    return {role: paired_difference(after[role], before[role]) for role in before if role in after}


def unpaired_because(first: Run, second: Run) -> str | None:
    """Why the students of two finished runs do not pair seed by seed, in a sentence; None where they do.

    Paired are students that start from the same weights, on the same examples, with settings that held throughout.
    """
    ours, theirs = first.spec, second.spec
    if ours.dataset != theirs.dataset:
        return "The runs are on different data: their accuracies do not compare."
    if ours.student != theirs.student:
        return "The students have other shapes, so they do not start from the same weights."
    if (ours.labels, ours.transfer) != (theirs.labels, theirs.transfer):
        return "The runs have other numbers of examples, so that a seed does not draw the same ones in both."
    if ours.teacher != theirs.teacher:
        return "The runs have different teachers."
    seeds = [len((run.result or {})["arms"][0]["accuracy"]) for run in (first, second)]
    if seeds[0] != seeds[1]:
        return f"One run has {_seeds(seeds[0])} and the other {_seeds(seeds[1])}: not every student has its counterpart."
    if first.steering or second.steering:
        return "Temperature or KD weight was moved while a run went on: its settings alone do not give its numbers."
    return None


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def in_words(difference: Interval) -> str:
    """A difference of accuracies in percentage points: "+2.8 points, 95 % 1.1 to 4.4"."""
    points = f"{in_points(difference.mean)} points"
    if difference.n < 2:
        return f"{points}; one seed shows no difference, run at least two"
    interval = f"95 % {100 * difference.low:.1f} to {100 * difference.high:.1f}".replace("-", "−")
    return f"no difference shown ({points}, {interval})" if difference.holds_zero else f"{points}, {interval}"


def in_points(share: float) -> str:
    """A difference of accuracies as signed percentage points: "+2.8", "−1.4", "0.0"."""
    points = f"{100 * share:+.1f}"
    return points.replace("-", "−") if float(points) else "0.0"
