"""Figures of two runs beside each other: one arm's curves in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kdlab.distill.metrics import Metric
from kdlab.runs.curves import Curves
from kdlab.ui.look.series import line_with_band, spread_labels
from kdlab.ui.look.style import ROLES, Figure, Role

# A run is told by its dash and marker, an arm by its hue: two runs of one arm are never two shades of one line.
RUN_STYLES = {
    "A": ("solid", "circle", "solid line, dots"),
    "B": ("dash", "square-open", "dashed line, squares"),
}


def score_range(both: Mapping[str, Curves], metric: Metric, teacher_score: float) -> tuple[float, float]:
    """The axis of all the arms' curves: what the means of the later half span, and the teacher; never outside what the
    metric can be."""
    later = [curves.mean[metric.name][len(curves) // 2 :] for curves in both.values()]
    seen = np.concatenate([means[np.isfinite(means)].ravel() for means in later])
    low = float(seen.min()) if len(seen) else 0.0
    high = max(teacher_score, float(seen.max()) if len(seen) else 0.0)
    low = min(low, teacher_score)
    room = 0.06 if metric.is_share else 0.08 * (high - low or 1)
    least, most = metric.range
    return max(least, low - room), high + room if most is None else min(most, high + room)


def arm_in_both(
    key: str,
    role: Role,
    both: Mapping[str, Curves],
    metric: Metric,
    teacher_score: float,
    axis: tuple[float, float],
) -> Figure:
    """The main score of one arm in both runs along their way, with 95 % bands, and the teacher's line.

    both: "A" and "B". role: how the arm looks, and what it is called.
    """
    teacher, way = ROLES["teacher"], next(iter(both.values())).axis
    end = max(curves.axis.end for curves in both.values())
    traces: list[dict[str, Any]] = [
        {
            "x": [0, end],
            "y": [teacher_score] * 2,
            "mode": "lines",
            "line": teacher.line(2),
            "hoverinfo": "skip",
        }
    ]
    ends = [(teacher_score, "Teacher", teacher)]
    for name, curves in both.items():
        dash, marker, _ = RUN_STYLES[name]
        line = curves.line(metric.name, key)
        drawn = line_with_band(
            curves.x,
            line.mean,
            line.half,
            replace(role, dash=dash, marker=marker),
            f"{name}, {role.name} %{{y:{metric.form}}}",
            metric.range,
            way.hover,
        )
        if not drawn:
            continue
        drawn[-1]["mode"] = "lines+markers"
        drawn[-1]["marker"] |= {"size": 7, "maxdisplayed": 7, "line": {"width": 1.5, "color": role.colour}}
        traces += drawn
        last = drawn[-1]["y"][-1]
        ends.append((last, f"{name} {last:{metric.form}}", role))
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": way.title}, "range": [0, end * 1.02]},
            "yaxis": {"title": {"text": metric.axis_title}, "tickformat": metric.tick_form, "range": list(axis)},
            "margin": {"r": 76},
            "annotations": spread_labels(ends, end, *axis, gap=0.09),
            "dragmode": False,
        },
    }


def cut(figure: Figure) -> bool:
    """Whether a line or a band leaves the picture at its top or its bottom."""
    low, high = figure["layout"]["yaxis"]["range"]
    return any(not low <= y <= high for trace in figure["data"] for y in trace["y"])
