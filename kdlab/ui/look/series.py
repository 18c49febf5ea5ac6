"""Lines over time with their intervals, and the labels at their ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.core.checks import Floats
from kdlab.ui.look.style import Role, direct_label

Range = tuple[float, float | None]
"""What a quantity can be: its least value, and its largest or None."""


def error_bar(mean: float | Floats, low: float | Floats, high: float | Floats, **stroke: Any) -> dict[str, Any]:
    """From low to high around each mean, () or (points,), as Plotly's error bars; of no length where an end is NaN."""
    above, below = (np.nan_to_num(np.atleast_1d(length)).tolist() for length in (high - mean, mean - low))
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "visible": any(above + below), **stroke}


def line_with_band(
    x: np.ndarray, mean: np.ndarray, half: np.ndarray, role: Role, hover: str, within: Range | None = None, at: str = "epoch %{x:.1f}"
) -> list[dict[str, Any]]:
    """The band of the mean's 95 % interval and the mean's line. x, mean, half: (points,), half NaN where none is known.

    within: what the quantity can be; the band goes no further.
    """
    finite = np.isfinite(mean)  # where training diverges the line ends
    x, mean, half = x[finite], mean[finite], half[finite]
    if not len(x):
        return []
    band: list[dict[str, Any]] = []
    if np.isfinite(half).all():
        edge = np.concatenate([mean + half, (mean - half)[::-1]])
        edge = edge if within is None else np.clip(edge, *within)
        band = [
            {
                "x": np.concatenate([x, x[::-1]]).tolist(),
                "y": edge.tolist(),
                "mode": "lines",
                "line": {"width": 0},
                "fill": "toself",
                "fillcolor": role.band,
                "hoverinfo": "skip",
            }
        ]
    line = {
        "x": x.tolist(),
        "y": mean.tolist(),
        "mode": "lines" if len(x) > 1 else "markers",
        "line": role.line(),
        "marker": {"color": role.colour, "symbol": role.marker, "size": 8},
        "hovertemplate": f"{at}<extra>{hover}</extra>",
    }
    return [*band, line]


def spread_labels(
    ends: list[tuple[float, str, Role]], x: float, low: float, high: float, gap: float = 0.075
) -> list[dict[str, Any]]:
    """Labels at the lines' ends, moved apart so that none lies on another. gap: share of the axis.

    More lines than have room beside each other get no labels: they are named where the pointer is.
    """
    space = gap * (high - low)
    placed: list[dict[str, Any]] = []
    floor = -np.inf
    ordered = sorted((e for e in ends if np.isfinite(e[0])), key=lambda end: end[0])
    if len(ordered) * gap > 1:
        return []
    heights = []
    for value, _, _ in ordered:
        floor = max(min(max(value, low), high), floor + space)
        heights.append(floor)
    # What was pushed over the top comes back down, and pushes the others with it.
    for i in range(len(heights) - 1, -1, -1):
        ceiling = high if i == len(heights) - 1 else heights[i + 1] - space
        heights[i] = min(heights[i], ceiling)
    for (_, name, role), height in zip(ordered, heights, strict=True):
        placed.append(direct_label(x, height, name, role))
    return placed
