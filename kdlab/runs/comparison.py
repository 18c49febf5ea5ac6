"""What a finished run shows: its contrasts, paired over seeds, with their intervals, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdlab.core.counted import counted
from kdlab.core.intervals import Interval, joint_differences, mean_interval, paired_difference
from kdlab.distill.metrics import METRICS, TASKS, Metric, main_score
from kdlab.runs.contrasts import Contrast
from kdlab.runs.ladder import asked_besides
from kdlab.runs.spec import Spec
from kdlab.runs.stored import Run, teacher_score


@dataclass(frozen=True)
class Found:
    """A contrast and the difference that was found, in its metric's unit (shares, not points)."""

    contrast: Contrast
    difference: Interval

    @property
    def metric(self) -> Metric:
        """What the difference is one of."""
        return METRICS[self.contrast.metric]


@dataclass(frozen=True)
class Comparison:
    """The contrasts of a run in the spec's order, then those that its page asks besides; and every arm's main score over
    seeds by its key, beside the teacher's, which is one number on the same test. ``metric`` says what that score is."""

    found: tuple[Found, ...]
    score: dict[str, Interval]
    teacher_score: float
    metric: Metric

    def __getitem__(self, key: str) -> Interval:
        """The difference of the contrast with this key."""
        return next(one.difference for one in self.found if one.contrast.key == key)

    def kept(self, arm: str) -> Interval:
        """The arm's score over the teacher's. Raises ValueError for a score that is no share: nobody keeps a part of it."""
        if not self.metric.is_share:
            raise ValueError(f"{self.metric.title} is nothing of which a student keeps a part")
        found = self.score[arm]
        return Interval(*(end / self.teacher_score for end in (found.mean, found.low, found.high)), found.n)

    @property
    def together(self) -> int:
        """How many contrasts are judged together: those that have an interval and are part of no other."""
        parts = {part for one in self.found for part in one.contrast.parts}
        return sum(one.difference.n > 1 and one.contrast.key not in parts for one in self.found)

    def between(self, minuend: str, subtrahend: str) -> Interval | None:
        """The difference in the main score between two arms, where the run has that contrast, or the one of the sides swapped."""
        for one in self.found:
            if one.metric == self.metric:
                ends = (one.contrast.minuend, one.contrast.subtrahend)
                if ends == (minuend, subtrahend):
                    return one.difference
                if ends == (subtrahend, minuend):
                    return one.difference.turned()
        return None

    def gain(self, arm: str, other: str) -> Interval | None:
        """How much better an arm is than another, as `between`: above 0 is better, whichever way the score goes."""
        difference = self.between(arm, other)
        return None if difference is None else gain_of(difference, self.metric)


def gain_of(difference: Interval, metric: Metric) -> Interval:
    """A difference as what it gains: turned where less of the metric is better."""
    return difference.turned() if metric.better == "less" else difference


def compare(spec: Spec, result: dict[str, Any]) -> Comparison:
    """The comparison that a run's result holds. An arm's metric that an older lab did not keep gives no contrast.

    Contrasts that are part of no other are a run's questions: their intervals hold together (`joint_differences`). All
    that a page says of a run's differences in its main score is taken from here, so that one difference has one interval.
    """
    metric = main_score(spec.task)
    arms = {arm["key"]: arm for arm in result["arms"]}
    asked = (*spec.contrasts, *asked_besides(spec))
    kept = [c for c in asked if c.metric in arms[c.minuend] and c.metric in arms[c.subtrahend]]
    pairs = {c.key: _both(arms[c.minuend][c.metric], arms[c.subtrahend][c.metric]) for c in kept}
    parts = {part for contrast in kept for part in contrast.parts}
    questions = [key for key, (first, _) in pairs.items() if first and key not in parts]
    corrected = dict(zip(questions, joint_differences([pairs[key] for key in questions]), strict=True))
    return Comparison(
        found=tuple(Found(c, corrected.get(c.key) or _difference(*pairs[c.key])) for c in kept),
        score={key: over_seeds(arm[metric.name], metric) for key, arm in arms.items()},
        teacher_score=teacher_score(result, spec.task),
        metric=metric,
    )


_NONE = Interval(np.float64("nan"), np.float64("nan"), np.float64("nan"), 0)


def over_seeds(values: list[float | None], metric: Metric = METRICS["accuracy"]) -> Interval:
    """The mean over the seeds that have a number, with its interval, cut to what the metric can be; NaN, with n = 0, where
    all diverged."""
    found = [value for value in values if value is not None]
    return mean_interval(found).within(*metric.range) if found else _NONE


def diverged(spec: Spec, result: dict[str, Any]) -> np.ndarray:
    """(arms, seeds), true for a student whose training diverged: it has no number, and the classes it gives are none."""
    return np.array([[value is None for value in arm[TASKS[spec.task].main]] for arm in result["arms"]])


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


def best_supported(spec: Spec, found: Comparison) -> str | None:
    """The key of the arm to take: from the first on, the next only where it is shown to be better than the one in hand.

    Arms stand in the order of what they ask of the teacher. None where the run does not compare every two of them.
    """
    best, *others = [arm.key for arm in spec.arms]
    for key in others:
        gain = found.gain(key, best)
        if gain is None:
            return None
        if gain.low > 0:  # NaN, of one seed, is not
            best = key
    return best


def ahead(spec: Spec, found: Comparison) -> list[str]:
    """The keys of the arms of which none is shown to be behind another: one alone is shown to be best, several tie.

    An arm is behind where a contrast shows it, or where its interval against the arm that all are compared with ends
    below the other's. Intervals that hold together allow that. The best mean is first; no arm where all diverged.
    """
    arms = [arm.key for arm in spec.arms if found.score[arm.key].n]
    hub = spec.contrasts[0].subtrahend if spec.contrasts else None

    def against_hub(key: str) -> Interval | None:
        if hub is None or key != hub:
            return found.gain(key, hub) if hub else None
        return Interval(np.float64(0), np.float64(0), np.float64(0), found.score[key].n)

    def behind(key: str, other: str) -> bool:
        direct, ours, theirs = found.gain(key, other), against_hub(key), against_hub(other)
        apart = ours is not None and theirs is not None and ours.high < theirs.low  # NaN, of one seed, is not
        return bool(apart or (direct is not None and direct.high < 0))

    leading = [key for key in arms if not any(behind(key, other) for other in arms if other != key)]
    return sorted(leading, key=lambda key: -found.metric.gain(float(found.score[key].mean)))


def void_because(spec: Spec, contrast: Contrast, steering: Mapping[str, float] | None = None) -> str | None:
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
        return f"{because} With a KD weight of 1 {spec.own_source_is_nothing}: this student learns nothing."
    return f"{because} So this student learns from {spec.own_source} alone, and nothing that it shows is distillation's doing."


def no_verdict(spec: Spec, steering: Mapping[str, float] | None = None) -> str | None:
    """Why such a run has no answer to its question, its first contrast; None where it can have one."""
    return void_because(spec, spec.contrasts[0], steering) if spec.contrasts else None


def between_runs(first: Run, second: Run) -> dict[str, Interval]:
    """Second minus first, each arm's main scores paired over seeds; for runs that `unpaired_because` lets pair."""
    main = TASKS[first.spec.task].main
    before, after = ({arm["key"]: arm[main] for arm in (run.result or {})["arms"]} for run in (first, second))
    return {key: _difference(*_both(after[key], before[key])) for key in before if key in after}


def unpaired_because(first: Run, second: Run) -> str | None:
    """Why the students of two finished runs do not pair seed by seed, in a sentence; None where they do.

    Paired are students that start from the same weights, on the same examples, with settings that held throughout.
    """
    ours, theirs = first.spec, second.spec
    if not on_the_same(first, second):
        return f"The runs are on different data: their {scores_of(first, second)} do not compare."
    if ours.student != theirs.student:
        return "The students have other shapes, so they do not start from the same weights."
    if (first.result or {}).get("data") != (second.result or {}).get("data"):
        return "The data were dealt otherwise when one of the runs was made, so that a seed does not draw the same examples."
    if otherwise := ours.read_otherwise(theirs):
        return otherwise
    if ours.teacher != theirs.teacher:
        return "The runs have different teachers."
    if not {arm.key for arm in ours.arms} & {arm.key for arm in theirs.arms}:
        return "The runs have no arm in common."
    main = TASKS[ours.task].main
    seeds = [len((run.result or {})["arms"][0][main]) for run in (first, second)]
    if seeds[0] != seeds[1]:
        return f"One run has {counted(seeds[0], 'seeds')} and the other {counted(seeds[1], 'seeds')}: not every student has its counterpart."
    if first.steering or second.steering:
        return "Temperature or KD weight was moved while a run went on: its settings alone do not give its numbers."
    return None


def on_the_same(first: Run, second: Run) -> bool:
    """Whether the two runs are of one task on the same data: what they score compares."""
    return (first.spec.task, first.spec.dataset) == (second.spec.task, second.spec.dataset)


def scores_of(first: Run, second: Run) -> str:
    """What the main scores of two runs are called together: "accuracies"; of two tasks "scores"."""
    said = {TASKS[run.spec.task].mains for run in (first, second)}
    return said.pop() if len(said) == 1 else "scores"


def in_words(difference: Interval, metric: str = "accuracy") -> str:
    """A difference with its interval: "+2.8 points, 95 % interval 1.1 to 4.4", of a metric with a unit "+0.12 nats, …"."""
    kind = METRICS[metric]
    if difference.n == 0:
        return "no difference shown; no seed has a student on both sides whose training did not diverge"
    said = signed(difference.mean, kind, unit=True)
    if difference.n < 2:
        return f"{said}; one seed tells nothing of chance, run at least two"
    scale, form = (100, ".1f") if kind.is_share else (1, kind.form)
    interval = f"95 % interval {scale * difference.low:{form}} to {scale * difference.high:{form}}".replace("-", "−")
    return f"no difference shown ({said}, {interval})" if difference.contains_zero else f"{said}, {interval}"


def signed(difference: float, metric: Metric, *, unit: bool = False) -> str:
    """A difference with its sign, of shares in percentage points: "+2.8", "−0.12", "0.0"; with its unit where it is asked for."""
    value, form = (100 * difference, ".1f") if metric.is_share else (difference, metric.form)
    said, called = f"{value:+{form}}", "points" if metric.is_share else metric.unit
    # Of points a difference that rounds to nothing has no sign.
    number = "0.0" if metric.is_share and not float(said) else said.replace("-", "−")
    return f"{number} {called}".strip() if unit else number
