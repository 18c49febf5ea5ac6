"""What a finished run shows: its contrasts, paired over seeds, with their intervals, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdlab.core.counted import counted
from kdlab.core.intervals import Interval, joint_differences, mean_interval, paired_difference
from kdlab.distill.metrics import METRICS
from kdlab.runs.contrasts import Contrast
from kdlab.runs.ladder import asked_besides
from kdlab.runs.spec import RunSpec
from kdlab.runs.stored import Run


@dataclass(frozen=True)
class Found:
    """A contrast and the difference that was found, in its metric's unit (shares, not points)."""

    contrast: Contrast
    difference: Interval


@dataclass(frozen=True)
class Comparison:
    """The contrasts of a run in the spec's order, then those that its page asks besides; and every arm's test accuracy
    over seeds by its key."""

    found: tuple[Found, ...]
    accuracy: dict[str, Interval]
    teacher_accuracy: float

    def __getitem__(self, key: str) -> Interval:
        """The difference of the contrast with this key."""
        return next(one.difference for one in self.found if one.contrast.key == key)

    def kept(self, arm: str) -> Interval:
        """The arm's accuracy over the teacher's, which is one number on the same test set."""
        found = self.accuracy[arm]
        return Interval(*(end / self.teacher_accuracy for end in (found.mean, found.low, found.high)), found.n)

    @property
    def together(self) -> int:
        """How many contrasts are judged together: those that have an interval and are part of no other."""
        parts = {part for one in self.found for part in one.contrast.parts}
        return sum(one.difference.n > 1 and one.contrast.key not in parts for one in self.found)

    def between(self, minuend: str, subtrahend: str) -> Interval | None:
        """The difference in accuracy between two arms, where the run has that contrast, or the one of the sides swapped."""
        for one in self.found:
            if one.contrast.metric == "accuracy":
                ends = (one.contrast.minuend, one.contrast.subtrahend)
                if ends == (minuend, subtrahend):
                    return one.difference
                if ends == (subtrahend, minuend):
                    return one.difference.turned()
        return None


def compare(spec: RunSpec, result: dict[str, Any]) -> Comparison:
    """The comparison that a run's result holds. An arm's metric that an older lab did not keep gives no contrast.

    Contrasts that are part of no other are a run's questions: their intervals hold together (`joint_differences`). All
    that a page says of a run's differences in accuracy is taken from here, so that one difference has one interval.
    """
    arms = {arm["key"]: arm for arm in result["arms"]}
    asked = (*spec.contrasts, *asked_besides(spec))
    kept = [c for c in asked if c.metric in arms[c.minuend] and c.metric in arms[c.subtrahend]]
    pairs = {c.key: _both(arms[c.minuend][c.metric], arms[c.subtrahend][c.metric]) for c in kept}
    parts = {part for contrast in kept for part in contrast.parts}
    questions = [key for key, (first, _) in pairs.items() if first and key not in parts]
    corrected = dict(zip(questions, joint_differences([pairs[key] for key in questions]), strict=True))
    return Comparison(
        found=tuple(Found(c, corrected.get(c.key) or _difference(*pairs[c.key])) for c in kept),
        accuracy={key: over_seeds(arm["accuracy"]) for key, arm in arms.items()},
        teacher_accuracy=result["teacher_accuracy"],
    )


_NONE = Interval(np.float64("nan"), np.float64("nan"), np.float64("nan"), 0)


def over_seeds(values: list[float | None]) -> Interval:
    """The mean share over the seeds that have a number, with its interval, cut to 0 to 1; NaN, with n = 0, where all diverged."""
    found = [value for value in values if value is not None]
    return mean_interval(found).within(0, 1) if found else _NONE


def diverged(result: dict[str, Any]) -> np.ndarray:
    """(arms, seeds), true for a student whose training diverged: it has no number, and the classes it gives are none."""
    return np.array([[value is None for value in arm["accuracy"]] for arm in result["arms"]])


def _both(minuend: list[float | None], subtrahend: list[float | None]) -> tuple[list[float], list[float]]:
    """The numbers of the seeds that have one on both sides."""
    both = [(a, b) for a, b in zip(minuend, subtrahend, strict=True) if a is not None and b is not None]
    return [a for a, _ in both], [b for _, b in both]


def _difference(minuend: list[float], subtrahend: list[float]) -> Interval:
    return paired_difference(minuend, subtrahend) if minuend else _NONE


def sampling_error(answers: np.ndarray, other: np.ndarray, labels: np.ndarray) -> float:
    """How far other test examples would move the difference of two arms' accuracies: half a 95 % interval, a share.

    answers, other: (seeds, N) classes that two arms' students give to the same N examples, whose classes are
    labels (N,). 1.96·s/√N with s the spread over examples of the difference in the share of seeds that are right.
    """
    difference = (answers == labels).mean(0) - (other == labels).mean(0)
    return float(1.96 * difference.std(ddof=1) / np.sqrt(len(labels)))


def best_supported(spec: RunSpec, found: Comparison) -> str | None:
    """The key of the arm to take: from the first on, the next only where it is shown to be better than the one in hand.

    Arms stand in the order of what they ask of the teacher. None where the run does not compare every two of them.
    """
    best, *others = [arm.key for arm in spec.arms]
    for key in others:
        difference = found.between(key, best)
        if difference is None:
            return None
        if difference.low > 0:  # NaN, of one seed, is not
            best = key
    return best


def most_accurate(spec: RunSpec, found: Comparison) -> list[str]:
    """The keys of the arms of which none is shown to be behind another: one alone is shown to be best, several tie.

    An arm is behind where a contrast shows it, or where its interval against the arm that all are compared with ends
    below the other's. Intervals that hold together allow that. The highest mean is first; no arm where all diverged.
    """
    arms = [arm.key for arm in spec.arms if found.accuracy[arm.key].n]
    hub = spec.contrasts[0].subtrahend if spec.contrasts else None

    def against_hub(key: str) -> Interval | None:
        if hub is None or key != hub:
            return found.between(key, hub) if hub else None
        return Interval(np.float64(0), np.float64(0), np.float64(0), found.accuracy[key].n)

    def behind(key: str, other: str) -> bool:
        direct, ours, theirs = found.between(key, other), against_hub(key), against_hub(other)
        apart = ours is not None and theirs is not None and ours.high < theirs.low  # NaN, of one seed, is not
        return bool(apart or (direct is not None and direct.high < 0))

    ahead = [key for key in arms if not any(behind(key, other) for other in arms if other != key)]
    return sorted(ahead, key=lambda key: -float(found.accuracy[key].mean))


def void_because(spec: RunSpec, contrast: Contrast, steering: Mapping[str, float] | None = None) -> str | None:
    """Why a contrast of such a run can show nothing of distillation, in two sentences; None where it can.

    steering: what the visitor moved while it went on. A KD weight that was moved may have taught for a while.
    """
    arm = spec.arm(contrast.minuend)
    if arm.objective is None:
        return None
    because = arm.objective.constant_because if steering else arm.untaught_because
    if because is None:
        return None
    if arm.kd_weight == 1 and not steering:
        return f"{because} With a KD weight of 1 the labels count for nothing either: this student learns nothing."
    return f"{because} So this student learns from the labels alone, and nothing that it shows is distillation's doing."


def no_verdict(spec: RunSpec, steering: Mapping[str, float] | None = None) -> str | None:
    """Why such a run has no answer to its question, its first contrast; None where it can have one."""
    return void_because(spec, spec.contrasts[0], steering) if spec.contrasts else None


def between_runs(first: Run, second: Run) -> dict[str, Interval]:
    """Second minus first, each arm's test accuracies paired over seeds; for runs that `unpaired_because` lets pair."""
    before, after = (
        {arm["key"]: arm["accuracy"] for arm in (run.result or {})["arms"]} for run in (first, second)
    )
    return {key: _difference(*_both(after[key], before[key])) for key in before if key in after}


def unpaired_because(first: Run, second: Run) -> str | None:
    """Why the students of two finished runs do not pair seed by seed, in a sentence; None where they do.

    Paired are students that start from the same weights, on the same examples, with settings that held throughout.
    """
    ours, theirs = first.spec, second.spec
    if ours.dataset != theirs.dataset:
        return "The runs are on different data: their accuracies do not compare."
    if ours.student != theirs.student:
        return "The students have other shapes, so they do not start from the same weights."
    if (first.result or {}).get("data") != (second.result or {}).get("data"):
        return "The data were dealt otherwise when one of the runs was made, so that a seed does not draw the same examples."
    if (ours.labels, ours.transfer) != (theirs.labels, theirs.transfer):
        return "The runs have other numbers of examples, so that a seed does not draw the same ones in both."
    if ours.teacher != theirs.teacher:
        return "The runs have different teachers."
    if not {arm.key for arm in ours.arms} & {arm.key for arm in theirs.arms}:
        return "The runs have no arm in common."
    seeds = [len((run.result or {})["arms"][0]["accuracy"]) for run in (first, second)]
    if seeds[0] != seeds[1]:
        return f"One run has {counted(seeds[0], 'seeds')} and the other {counted(seeds[1], 'seeds')}: not every student has its counterpart."
    if first.steering or second.steering:
        return "Temperature or KD weight was moved while a run went on: its settings alone do not give its numbers."
    return None


def in_words(difference: Interval, metric: str = "accuracy") -> str:
    """A difference with its interval: "+2.8 points, 95 % interval 1.1 to 4.4", of a metric with a unit "+0.12 nats, …"."""
    kind = METRICS[metric]
    if difference.n == 0:
        return "no difference shown; no seed has a student on both sides whose training did not diverge"
    said = f"{in_points(difference.mean)} points" if not kind.unit and kind.range[1] == 1 else _amount(difference.mean, kind.unit)
    if difference.n < 2:
        return f"{said}; one seed tells nothing of chance, run at least two"
    scale = 1 if kind.unit else 100
    form = ".2f" if kind.unit else ".1f"
    interval = f"95 % interval {scale * difference.low:{form}} to {scale * difference.high:{form}}".replace("-", "−")
    return f"no difference shown ({said}, {interval})" if difference.contains_zero else f"{said}, {interval}"


def _amount(value: float, unit: str) -> str:
    return f"{value:+.2f} {unit}".replace("-", "−")


def in_points(share: float) -> str:
    """A difference of accuracies as signed percentage points: "+2.8", "−1.4", "0.0"."""
    points = f"{100 * share:+.1f}"
    return points.replace("-", "−") if float(points) else "0.0"
