"""Figures of two runs beside each other: one arm's curves in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kdlab.runs.curves import Curves
from kdlab.ui.look.series import line_with_band, spread_labels
from kdlab.ui.look.style import ROLES, Figure, Role

# A run is told by its dash and marker, an arm by its hue: two runs of one arm are never two shades of one line.
RUN_STYLES = {
    "A": ("solid", "circle", "solid line, dots"),
    "B": ("dash", "square-open", "dashed line, squares"),
}


def accuracy_range(both: Mapping[str, Curves], teacher_accuracy: float) -> tuple[float, float]:
    """The axis of all the arms' curves: what the means of the later half span, and the teacher; never outside 0 to 1."""
    later = [curves.mean["accuracy"][len(curves) // 2 :] for curves in both.values()]
    seen = np.concatenate([means[np.isfinite(means)].ravel() for means in later])
    low = float(seen.min()) if len(seen) else 0.0
    high = max(teacher_accuracy, float(seen.max()) if len(seen) else 0.0)
    return max(0.0, min(low, teacher_accuracy) - 0.06), min(1.0, high + 0.06)


def arm_in_both(
    key: str,
    role: Role,
    both: Mapping[str, Curves],
    epochs: int,
    teacher_accuracy: float,
    axis: tuple[float, float],
) -> Figure:
    """Test accuracy of one arm in both runs over the epochs, with 95 % bands, and the teacher's line.

    both: "A" and "B". role: how the arm looks, and what it is called.
    """
    teacher = ROLES["teacher"]
    traces: list[dict[str, Any]] = [
        {
            "x": [0, epochs],
            "y": [teacher_accuracy] * 2,
            "mode": "lines",
            "line": teacher.line(2),
            "hoverinfo": "skip",
        }
    ]
    ends = [(teacher_accuracy, "Teacher", teacher)]
    for name, curves in both.items():
        dash, marker, _ = RUN_STYLES[name]
        line = curves.line("accuracy", key)
        drawn = line_with_band(
            curves.epoch,
            line.mean,
            line.half,
            replace(role, dash=dash, marker=marker),
            f"{name}, {role.name} %{{y:.1%}}",
            (0, 1),
        )
        if not drawn:
            continue
        drawn[-1]["mode"] = "lines+markers"
        drawn[-1]["marker"] |= {"size": 7, "maxdisplayed": 7, "line": {"width": 1.5, "color": role.colour}}
        traces += drawn
        last = drawn[-1]["y"][-1]
        ends.append((last, f"{name} {last:.1%}", role))
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "Epochs"}, "range": [0, epochs * 1.02]},
            "yaxis": {"title": {"text": "Test accuracy"}, "tickformat": ".0%", "range": list(axis)},
            "margin": {"r": 76},
            "annotations": spread_labels(ends, epochs, *axis, gap=0.09),
            "dragmode": False,
        },
    }


def cut(figure: Figure) -> bool:
    """Whether a line or a band leaves the picture at its top or its bottom."""
    low, high = figure["layout"]["yaxis"]["range"]
    return any(not low <= y <= high for trace in figure["data"] for y in trace["y"])
