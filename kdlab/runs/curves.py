"""A run's points as arrays: what the figures draw and what the CSV holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from kdlab.distill.arms import Arm

METRICS = (
    "accuracy",
    "agreement",
    "kl",
    "supervised",
    "distillation",
    "gradient_supervised",
    "gradient_distillation",
    "gradient_cosine",
    "gradient_share",
)


@dataclass(frozen=True)
class Mark:
    """A change that the visitor made while the run went on."""

    step: int
    epoch: float
    temperature: float
    kd_weight: float


_HOLDS = {
    "point": ("step", "epoch", "seconds", "values"),
    "mark": tuple(field.name for field in fields(Mark)),
}


@dataclass(frozen=True)
class Curves:
    """``values[metric]`` is (points, arms, seeds); ``step``, ``epoch`` and ``seconds`` are (points,)."""

    step: np.ndarray
    epoch: np.ndarray
    seconds: np.ndarray
    values: dict[str, np.ndarray]
    marks: tuple[Mark, ...]

    def __len__(self) -> int:
        return len(self.step)

    def until(self, seconds: float) -> Curves:
        """Only what was known after so many seconds, for a replay. The first point always stays."""
        n = max(1, int(np.searchsorted(self.seconds, seconds, side="right")))
        return Curves(
            self.step[:n],
            self.epoch[:n],
            self.seconds[:n],
            {name: values[:n] for name, values in self.values.items()},
            tuple(mark for mark in self.marks if mark.epoch <= self.epoch[n - 1]),
        )

    def table(self, arms: tuple[Arm, ...]) -> pd.DataFrame:
        """One row a point, arm and seed, with the temperature and kd_weight that held then."""
        points, n_arms, seeds = self.values["accuracy"].shape
        p, a, s = (i.ravel() for i in np.indices((points, n_arms, seeds)))
        roles = np.array([arm.role for arm in arms])
        where = {
            "step": self.step[p],
            "epoch": self.epoch[p],
            "seconds": self.seconds[p],
            "arm": roles[a],
            "seed": s,
        }
        held = {name: self._held(arms, name)[p, a] for name in ("temperature", "kd_weight")}
        return pd.DataFrame(where | held | {name: values.ravel() for name, values in self.values.items()})

    def _held(self, arms: tuple[Arm, ...], name: str) -> np.ndarray:
        """(points, arms): an arm's setting at each point; a mark moves it for the arms that it acts on."""
        held = np.array([[getattr(arm, name) for arm in arms]] * len(self), dtype=float)
        for mark in self.marks:
            for i, arm in enumerate(arms):
                if arm.role == "soft_targets" or (arm.role == "hard_labels" and name == "kd_weight"):
                    held[self.step > mark.step, i] = getattr(mark, name)
        return held


def curves(rows: Iterable[tuple[int, str, dict[str, Any]]]) -> Curves | None:
    """The curves that a run's stored rows hold; None before the first point."""
    points: list[dict[str, Any]] = []
    marks: list[Mark] = []
    for _, kind, payload in rows:
        if kind not in _HOLDS or not payload.keys() >= set(_HOLDS[kind]):
            continue  # a row that was damaged leaves a gap
        if kind == "point":
            points.append(payload)
        else:
            if marks and marks[-1].step == payload["step"]:
                marks.pop()  # moved again before the next step: only the last has acted
            marks.append(Mark(**{name: payload[name] for name in _HOLDS["mark"]}))
    if not points:
        return None
    values = {name: _metric(points, name) for name in METRICS}
    # Older points hold a cosine of 0 where a term is silent; it has no direction.
    silent = (values["gradient_supervised"] == 0) | (values["gradient_distillation"] == 0)
    values["gradient_cosine"][silent] = np.nan
    return Curves(
        step=np.array([p["step"] for p in points]),
        epoch=np.array([p["epoch"] for p in points]),
        seconds=np.array([p["seconds"] for p in points]),
        values=values,
        marks=tuple(marks),
    )


def _metric(points: list[dict[str, Any]], name: str) -> np.ndarray:
    """(points, arms, seeds); NaN where a number was not finite, or was not yet recorded by an older lab."""
    shape = np.shape(points[0]["values"]["accuracy"])
    return np.array([p["values"].get(name, np.full(shape, np.nan)) for p in points], dtype=float)
