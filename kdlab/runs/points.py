"""A run's points as the store's rows: what columns they have, means with intervals for who watches, every seed's.

A ``columns`` row comes first. Each point is a ``point`` row, small enough for a tab to watch many arms, and a ``seeds``
row that holds every student's numbers for the table that one takes away. Arrays are packed, not finite numbers too.
A ``mark`` is a change that the visitor made, ``diverged`` a student whose loss is a number no more. ``samples`` are what
students write at a point, ``asking`` how far a teacher has answered before the first.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from kdlab.core.intervals import mean_interval

LIVE = ("columns", "point", "mark", "diverged", "samples", "asking")
"""The kinds of rows that the pictures need; ``seeds`` is the other."""

Row = tuple[int, str, dict[str, Any]]


def columns_row(arms: list[str], metrics: list[str], seeds: int) -> dict[str, Any]:
    """What the rows to come hold: arms' keys and metrics' names in their order, and how many seeds."""
    return {"arms": arms, "metrics": metrics, "seeds": seeds}


def point_rows(where: dict[str, float], values: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    """A point's ``point`` and ``seeds`` payloads. values (metrics, arms, seeds); where: step, epoch, seconds."""
    mean, half = mean_and_half(values)
    live = {**where, "mean": _packed(mean, "<f4"), "half": _packed(half, "<f2")}
    return live, {**where, "values": _packed(values, "<f4")}


def mean_and_half(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """values (..., seeds) → the mean and half the width of its 95 % interval, both (...).

    Both are NaN where a student has no finite number; the width also where there is one seed.
    """
    finite = np.isfinite(values).all(axis=-1)
    mean, half = np.full(finite.shape, np.nan), np.full(finite.shape, np.nan)
    if finite.any():
        found = mean_interval(values[finite].T)
        mean[finite], half[finite] = found.mean, found.high - found.mean
    return mean, half


def unpacked(text: Any, kind: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array that was packed; None where the text is damaged."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind).astype(float).reshape(shape)
    except (binascii.Error, TypeError, ValueError):
        return None


def _packed(values: np.ndarray, kind: str) -> str:
    with np.errstate(over="ignore"):  # a width beyond the type's reach is as good as infinite
        return base64.b64encode(values.astype(kind).tobytes()).decode()
