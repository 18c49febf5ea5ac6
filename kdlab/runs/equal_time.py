"""A run's arms at equal time in place of equal steps: where each stood when the first that a teacher taught had ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from kdlab.core.intervals import Interval, joint_differences, mean_interval


class Clock(NamedTuple):
    """An arm's seconds: of its teacher, before the first step, and of each step of one student alone.

    All arms of a run train side by side, so that its own clock cannot tell them apart: these are measured at its end
    (`kdlab.runs.rung_costs`).
    """

    before: float
    a_step: float


@dataclass(frozen=True)
class EqualTime:
    """``seconds``: the time, at which the arm ``ended`` had taken all its steps as the first of those that wait for a teacher.

    ``scores``: each arm's scores then, (seeds,), NaN for a student that had diverged; ``steps``: how many steps it had
    taken, a fraction of one included; ``earlier``: when those had ended that were before it, which stand as they did then.
    """

    seconds: float
    ended: str
    earlier: Mapping[str, float]
    scores: Mapping[str, np.ndarray]
    steps: Mapping[str, float]

    def interval(self, arm: str) -> Interval | None:
        """The arm's mean over seeds; None where a student of it had no number."""
        return mean_interval(self.scores[arm]) if np.isfinite(self.scores[arm]).all() else None

    def differences(self, subtrahend: str) -> dict[str, Interval]:
        """Every other arm minus this one, paired over the seeds that have both; all intervals hold together."""
        base = self.scores[subtrahend]
        pairs = {}
        for arm, scores in self.scores.items():
            both = np.isfinite(scores) & np.isfinite(base)
            if arm != subtrahend and both.any():
                pairs[arm] = (scores[both], base[both])
        return dict(zip(pairs, joint_differences(list(pairs.values())), strict=True))


def at_equal_time(
    step: np.ndarray, scores: Mapping[str, np.ndarray], clocks: Mapping[str, Clock]
) -> EqualTime | None:
    """Arms when the first that waits for a teacher has ended, where none does the first of all; between two points a score
    is a straight line.

    Who asks no teacher may be at its end before the others have their answers: at that moment there is nothing to compare.

    step (points,): where the scores were measured, the last one the end. scores: by arm, (points, seeds). An arm that
    is still waiting for its teacher stands at the first point. None where fewer than two arms have a clock.
    """
    arms = [arm for arm in scores if arm in clocks]
    if len(arms) < 2:
        return None
    ends = {arm: clocks[arm].before + clocks[arm].a_step * float(step[-1]) for arm in arms}
    ended = min([arm for arm in arms if clocks[arm].before] or arms, key=ends.__getitem__)
    taken = {
        arm: float(np.clip((ends[ended] - clocks[arm].before) / clocks[arm].a_step, step[0], step[-1]))
        for arm in arms
    }
    taken[ended] = float(step[-1])  # whatever a division has rounded away
    then = {
        arm: np.array([np.interp(taken[arm], step, student) for student in scores[arm].T]) for arm in arms
    }
    earlier = {arm: end for arm, end in ends.items() if end < ends[ended]}
    return EqualTime(ends[ended], ended, earlier, then, taken)


def clocks(costs: Mapping[str, Mapping[str, float]], queries: int) -> dict[str, Clock]:
    """Each arm's clock. costs: as `kdlab.runs.rung_costs.rung_costs` gives them; queries: how often its teacher answers."""
    return {
        arm: Clock(cost["teacher_seconds"] * queries, cost["student_seconds"]) for arm, cost in costs.items()
    }


def seed_scores(table: pd.DataFrame, metric: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps (points,), and each arm's metric (points, seeds), out of `kdlab.runs.curves.seed_table`."""
    kept = table.drop_duplicates(["step", "arm", "seed"], keep="last")
    by_arm: dict[Any, pd.DataFrame] = {
        arm: rows.pivot(index="step", columns="seed", values=metric)
        for arm, rows in kept.groupby("arm", sort=False)
    }
    steps = next(iter(by_arm.values())).index.to_numpy()
    return steps, {str(arm): rows.to_numpy() for arm, rows in by_arm.items()}
