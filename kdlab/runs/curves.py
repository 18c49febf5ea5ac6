"""A run's points as arrays: what the figures draw and what the CSV holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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

    epoch: float
    temperature: float
    kd_weight: float


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
        """One row a point, arm and seed."""
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
        return pd.DataFrame(where | {name: values.ravel() for name, values in self.values.items()})


def curves(rows: Iterable[tuple[int, str, dict[str, Any]]]) -> Curves | None:
    """The curves that a run's stored rows hold; None before the first point."""
    points: list[dict[str, Any]] = []
    marks: list[Mark] = []
    for _, kind, payload in rows:
        if kind == "point":
            points.append(payload)
        else:
            marks.append(Mark(payload["epoch"], payload["temperature"], payload["kd_weight"]))
    if not points:
        return None
    return Curves(
        step=np.array([p["step"] for p in points]),
        epoch=np.array([p["epoch"] for p in points]),
        seconds=np.array([p["seconds"] for p in points]),
        values={name: _metric(points, name) for name in METRICS},
        marks=tuple(marks),
    )


def _metric(points: list[dict[str, Any]], name: str) -> np.ndarray:
    """(points, arms, seeds); NaN where a number was not finite, or was not yet recorded by an older lab."""
    shape = np.shape(points[0]["values"]["accuracy"])
    return np.array([p["values"].get(name, np.full(shape, np.nan)) for p in points], dtype=float)
