"""A run's points as arrays: what the figures draw and what the CSV holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from kdlab.distill.metrics import EPOCHS, Axis, metrics_of
from kdlab.runs.points import Row, mean_and_half, unpacked
from kdlab.runs.spec import Spec


@dataclass(frozen=True)
class Mark:
    """A change that the visitor made while the run went on."""

    step: int
    epoch: float
    temperature: float
    kd_weight: float

    @property
    def steering(self) -> dict[str, float]:
        return {"temperature": self.temperature, "kd_weight": self.kd_weight}


@dataclass(frozen=True)
class Diverged:
    """A student whose loss was no number at a step: it has no numbers from there on."""

    arm: str
    seed: int
    step: int


@dataclass(frozen=True)
class Samples:
    """What the students wrote at a point: texts by arm, one a seed."""

    step: int
    seconds: float
    texts: dict[str, list[str]]


_WHERE = ("step", "epoch", "seconds")
_MARK = tuple(field.name for field in fields(Mark))
_DIVERGED = tuple(field.name for field in fields(Diverged))


@dataclass(frozen=True)
class Line:
    """One arm's metric over the points: the mean over seeds and half its 95 % interval, (points,) both."""

    mean: np.ndarray
    half: np.ndarray


@dataclass(frozen=True)
class Curves:
    """``step``, ``epoch`` and ``seconds`` are (points,); ``mean[metric]`` and ``half[metric]`` (points, arms).

    ``arms`` are the arms' keys in the columns' order, ``axis`` is what the run's pictures go along.
    """

    arms: tuple[str, ...]
    seeds: int
    step: np.ndarray
    epoch: np.ndarray
    seconds: np.ndarray
    mean: dict[str, np.ndarray]
    half: dict[str, np.ndarray]
    marks: tuple[Mark, ...]
    diverged: tuple[Diverged, ...] = ()
    written: tuple[Samples, ...] = ()
    axis: Axis = EPOCHS

    @property
    def x(self) -> np.ndarray:
        """Where the points stand on the axis, (points,)."""
        return np.round(self.step * self.axis.a_step, 6)

    def place(self, mark: Mark) -> float:
        """Where a mark stands on the axis."""
        return mark.step * self.axis.a_step

    @property
    def samples(self) -> Samples | None:
        """What the students wrote last; None where they write nothing."""
        return self.written[-1] if self.written else None

    def __len__(self) -> int:
        return len(self.step)

    def line(self, metric: str, arm: str) -> Line:
        """What a metric of an arm was at the points; NaN where the run does not hold it."""
        if metric not in self.mean or arm not in self.arms:
            nothing = np.full(len(self), np.nan)
            return Line(nothing, nothing)
        place = self.arms.index(arm)
        return Line(self.mean[metric][:, place], self.half[metric][:, place])

    def until(self, seconds: float) -> Curves:
        """Only what was known after so many seconds, for a replay. The first point always stays."""
        n = max(1, int(np.searchsorted(self.seconds, seconds, side="right")))
        return replace(
            self,
            step=self.step[:n],
            epoch=self.epoch[:n],
            seconds=self.seconds[:n],
            mean={name: values[:n] for name, values in self.mean.items()},
            half={name: values[:n] for name, values in self.half.items()},
            marks=tuple(mark for mark in self.marks if mark.step <= self.step[n - 1]),
            diverged=tuple(one for one in self.diverged if one.step <= self.step[n - 1]),
            written=tuple(one for one in self.written if one.step <= self.step[n - 1]),
        )


def curves(rows: Iterable[Row], spec: Spec) -> Curves | None:
    """The curves that a run's stored rows hold; None before the first point."""
    read = _Read(spec)
    points = [point for row in rows if (point := read.point(row)) is not None]
    if not points:
        return None
    where, mean, half = (np.array(part, dtype=float) for part in zip(*points, strict=True))  # half (points, metrics, arms)
    return Curves(
        arms=read.arms,
        seeds=read.seeds,
        step=where[:, 0].astype(int),
        epoch=where[:, 1],
        seconds=where[:, 2],
        mean={name: mean[:, m] for m, name in enumerate(read.metrics)},
        half={name: half[:, m] for m, name in enumerate(read.metrics)},
        marks=tuple(read.marks),
        diverged=tuple(read.diverged),
        written=tuple(read.written),
        axis=spec.axis,
    )


def asked_so_far(rows: Iterable[Row]) -> float | None:
    """Of what the teacher is asked before the first step, the share that it has answered; None where nothing is said of that."""
    told = [payload for _, kind, payload in rows if kind == "asking"]
    done, total = (told[-1].get(name) for name in ("done", "total")) if told else (None, None)
    known = isinstance(done, int) and isinstance(total, int) and total > 0
    return min(1.0, done / total) if known else None


def seed_table(rows: Iterable[Row], spec: Spec) -> pd.DataFrame | None:
    """One row a point, arm and seed, with the temperature and kd_weight in force then; None where nothing is kept."""
    read = _Read(spec)
    points = [point for row in rows if (point := read.every_seed(row)) is not None]
    if not points:
        return None
    values = np.array([found for _, found in points])  # (points, metrics, arms, seeds)
    step, epoch, seconds = np.array([where for where, _ in points]).T
    p, a, s = (i.ravel() for i in np.indices((len(points), *values.shape[2:])))
    where = {
        "step": step[p].astype(int),
        "epoch": epoch[p],
        "seconds": seconds[p],
        "arm": np.array(read.arms)[a],
        "seed": s,
    }
    in_force = {name: _in_force(name, spec, read, step)[p, a] for name in ("temperature", "kd_weight")}
    scores = {name: values[:, m].ravel() for m, name in enumerate(read.metrics)}
    return pd.DataFrame(where | in_force | scores)


def _in_force(name: str, spec: Spec, read: _Read, step: np.ndarray) -> np.ndarray:
    """(points, arms): an arm's setting at each point; a mark moves it for the arms that obey."""
    arms = [spec.arm(key) for key in read.arms]
    in_force = np.array([[getattr(arm, name) for arm in arms]] * len(step), dtype=float)
    for mark in read.marks:
        arms = [arm.steered(mark.steering) for arm in arms]
        in_force[step > mark.step] = [getattr(arm, name) for arm in arms]
    return in_force


class _Read:
    """Reads rows in their order. A row that is damaged leaves a gap; an older lab's holds nested lists."""

    def __init__(self, spec: Spec) -> None:
        self.arms = tuple(arm.key for arm in spec.arms)
        self.metrics = tuple(metrics_of(spec.task))
        self.seeds = spec.seeds
        self.marks: list[Mark] = []
        self.diverged: list[Diverged] = []
        self.written: list[Samples] = []

    def point(self, row: Row) -> tuple[list[float], np.ndarray, np.ndarray] | None:
        """Step, epoch and seconds; mean and half width, (metrics, arms) both. None for another kind of row."""
        _, kind, payload = row
        if kind == "point" and "values" in payload:
            found = self._nested(payload)
            return None if found is None else (found[0], *mean_and_half(found[1]))
        if self._no_point(row, "point"):
            return None
        shape = (len(self.metrics), len(self.arms))
        mean, half = unpacked(payload.get("mean"), "<f4", shape), unpacked(payload.get("half"), "<f2", shape)
        return None if mean is None or half is None else ([payload[name] for name in _WHERE], mean, half)

    def every_seed(self, row: Row) -> tuple[list[float], np.ndarray] | None:
        """Step, epoch and seconds; values (metrics, arms, seeds). None for another kind of row."""
        _, kind, payload = row
        if kind == "point" and "values" in payload:
            return self._nested(payload)
        if self._no_point(row, "seeds"):
            return None
        values = unpacked(payload.get("values"), "<f4", (len(self.metrics), len(self.arms), self.seeds))
        return None if values is None else ([payload[name] for name in _WHERE], values)

    def _no_point(self, row: Row, kind: str) -> bool:
        """Whether the row is no point of this kind; what it says of columns and marks is noted."""
        _, its_kind, payload = row
        if its_kind == "columns":
            self._columns(payload)
        elif its_kind == "mark" and payload.keys() >= set(_MARK):
            if self.marks and self.marks[-1].step == payload["step"]:
                self.marks.pop()  # moved again before the next step: only the last has acted
            self.marks.append(Mark(**{name: payload[name] for name in _MARK}))
        elif its_kind == "diverged" and payload.keys() >= set(_DIVERGED):
            self.diverged.append(Diverged(**{name: payload[name] for name in _DIVERGED}))
        elif its_kind == "samples" and payload.keys() >= {"step", "seconds", "texts"}:
            self.written.append(Samples(payload["step"], payload["seconds"], self._texts(payload["texts"])))
        return its_kind != kind or not payload.keys() >= set(_WHERE)

    def _texts(self, told: Any) -> dict[str, list[str]]:
        """What is stored as texts, as far as it is some."""
        texts = told if isinstance(told, dict) else {}
        return {arm: [str(text) for text in texts[arm]] for arm in self.arms if isinstance(texts.get(arm), list)}

    def _columns(self, payload: dict[str, Any]) -> None:
        arms, metrics, seeds = (payload.get(name) for name in ("arms", "metrics", "seeds"))
        if isinstance(arms, list) and isinstance(metrics, list) and isinstance(seeds, int) and {*arms} <= {*self.arms}:
            self.arms, self.metrics, self.seeds = tuple(arms), tuple(metrics), seeds

    def _nested(self, payload: dict[str, Any]) -> tuple[list[float], np.ndarray] | None:
        """A point of an older lab: nested lists (arms, seeds) by metric, None for what is not finite."""
        values = payload["values"]
        if not isinstance(values, dict) or "accuracy" not in values or not payload.keys() >= set(_WHERE):
            return None
        shape = np.shape(values["accuracy"])
        found = np.array([values.get(name, np.full(shape, np.nan)) for name in self.metrics], dtype=float)
        if {"gradient_supervised", "gradient_distillation", "gradient_cosine"} <= {*self.metrics}:
            at = self.metrics.index
            # It held a cosine of 0 where a term is silent; that has no direction.
            silent = (found[at("gradient_supervised")] == 0) | (found[at("gradient_distillation")] == 0)
            found[at("gradient_cosine")][silent] = np.nan
        self.seeds = found.shape[-1]
        return [payload[name] for name in _WHERE], found
