"""The answers of a teacher behind an API as figures: against the known labels, and how much of its mass named a class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from kdlab.ui.look.style import ROLES, Figure

_TEACHER = ROLES["teacher"]
_BINS = 20
NO_CLASS = "no class"


def answer_counts(known: Sequence[int], answered: Sequence[int | None], classes: int) -> np.ndarray:
    """How often a text of class i was called j, (K, K + 1) int64; the last column counts texts that got no class."""
    counts = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(counts, (np.array(known, int), [classes if label is None else label for label in answered]), 1)
    return counts


def answers_figure(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """The counts as a map, the known class downwards, the teacher's answer across; agreement is the framed diagonal."""
    columns = [*classes, NO_CLASS] if counts[:, -1].any() else list(classes)
    shown, size = counts[:, : len(columns)], len(classes)
    rows, across = np.nonzero(shown)
    most = max(int(shown.max()), 1)
    heat = {
        "type": "heatmap",
        "z": shown.tolist(),
        "x": list(range(len(columns))),
        "y": list(range(size)),
        "zmin": 0,
        "zmax": most * 2,  # so that the numbers stand off the fullest cell too
        "colorscale": [[0, "@panel"], [1, _TEACHER.ink]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hoverinfo": "skip",
    }
    numbers = {
        "type": "scatter",
        "mode": "text",
        "x": across.tolist(),
        "y": rows.tolist(),
        "text": [str(n) for n in shown[rows, across]],
        "textfont": {"color": "@ink", "size": 13},
        "customdata": [f"{classes[i]}, called {columns[j]}" for i, j in zip(rows, across, strict=True)],
        "hovertemplate": "%{customdata}: %{text}<extra></extra>",
    }
    axis = {"showgrid": False, "fixedrange": True}
    layout = {
        "margin": {"l": 8, "r": 4, "t": 4, "b": 8},
        "xaxis": {
            **axis,
            "tickvals": list(range(len(columns))),
            "ticktext": columns,
            "tickangle": -45,
            "range": [-0.5, len(columns) - 0.5],
            "title": {"text": "what the teacher answers"},
        },
        "yaxis": {
            **axis,
            "tickvals": list(range(size)),
            "ticktext": list(classes),
            "range": [size - 0.5, -0.5],
            "title": {"text": "known label"},
        },
        "shapes": [_frame(k) for k in range(size)],
    }
    return {"data": [heat, numbers], "layout": layout}


def mass_figure(masses: Sequence[float]) -> Figure:
    """How many answers put how much of their probability on the options, in twenty bins from 0 to 1."""
    counts, edges = np.histogram(masses, bins=_BINS, range=(0.0, 1.0))
    bars = {
        "type": "bar",
        "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
        "y": counts.tolist(),
        "width": 0.9 / _BINS,
        "marker": {"color": _TEACHER.colour},
        "customdata": [f"{low:.0%} to {high:.0%}" for low, high in pairwise(edges)],
        "hovertemplate": "%{customdata}: %{y} answers<extra></extra>",
    }
    layout = {
        "xaxis": {"range": [0, 1], "tickformat": ".0%", "nticks": 6, "title": {"text": "mass on the options"}, "fixedrange": True},
        "yaxis": {"title": {"text": "answers"}, "rangemode": "tozero", "nticks": 4, "fixedrange": True},
    }
    return {"data": [bars], "layout": layout}


def _frame(k: int) -> dict[str, Any]:
    ends = {"x0": k - 0.5, "x1": k + 0.5, "y0": k - 0.5, "y1": k + 0.5}
    return {"type": "rect", **ends, "line": {"color": "@faint", "width": 1.5}}
