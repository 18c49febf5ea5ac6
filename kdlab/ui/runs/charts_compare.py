"""Figures of two runs beside each other: the paired difference of every arm, and one arm's curves in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.distill.arms import ROLE_NAMES
from kdlab.distill.arms import Role as ArmRole
from kdlab.runs.comparison import in_points, in_words
from kdlab.runs.curves import Curves
from kdlab.ui.look.series import line_with_band, spread_labels
from kdlab.ui.look.style import ROLES, Figure, Role, direct_label

# A run is told by its dash and marker, an arm by its hue: two runs of one arm are never two shades of one line.
RUN_STYLES = {
    "A": ("solid", "circle", "solid line, dots"),
    "B": ("dash", "square-open", "dashed line, squares"),
}


def reach(differences: Mapping[ArmRole, Interval]) -> float:
    """How far the picture of the differences goes to either side of zero, as a share of accuracy.

    Far enough for the means and for intervals of their size; one from two seeds may be twelve times as wide.
    """
    means = max(abs(float(found.mean)) for found in differences.values())
    ends = [
        abs(float(end)) for found in differences.values() if found.n > 1 for end in (found.low, found.high)
    ]
    return max(0.01, min(max([means, *ends]) * 1.08, max(0.05, 3 * means)))


def clipped(differences: Mapping[ArmRole, Interval]) -> list[ArmRole]:
    """The arms whose interval is wider than the picture."""
    edge = reach(differences)
    return [role for role, found in differences.items() if found.n > 1 and max(-found.low, found.high) > edge]


def paired_differences(differences: Mapping[ArmRole, Interval], names: Mapping[ArmRole, str]) -> Figure:
    """B minus A of every arm in percentage points, a row an arm, each with its 95 % interval around it."""
    edge = 100 * reach(differences)
    traces: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for place, (key, found) in enumerate(differences.items()):
        role, mean = ROLES[key], 100 * float(found.mean)
        if found.n > 1:
            low, high = (100 * float(end) for end in (found.low, found.high))
            traces.append(
                _interval(max(low, -edge), min(high, edge), place, role, (low < -edge, high > edge))
            )
        traces.append(
            {
                "x": [mean],
                "y": [place],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 15},
                "hovertemplate": f"{in_words(found)}<extra>{names[key]}</extra>",
            }
        )
        labels.append(
            direct_label(
                mean,
                place,
                f"{names[key]} {in_points(found.mean)}",
                role,
                xanchor="right" if mean > edge / 3 else "left" if mean < -edge / 3 else "center",
                xshift=0,
                yshift=20,
                bgcolor="@ground",
            )
        )
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "title": {"text": "B − A, percentage points of test accuracy"},
                "range": [-edge, edge],
                "zeroline": True,
                "zerolinecolor": "@muted",
                "zerolinewidth": 2,
            },
            "yaxis": {
                "range": [len(differences) - 0.4, -0.75],
                "showticklabels": False,
                "showgrid": False,
            },
            "annotations": [*labels, *_sides()],
            "margin": {"t": 28},
        },
    }


def _interval(low: float, high: float, place: int, role: Role, cut: tuple[bool, bool]) -> dict[str, Any]:
    """A bar from low to high; where it is cut at the picture's edge an arrow leads out of it."""
    symbols = [
        arrow if is_cut else "line-ns-open"
        for arrow, is_cut in zip(("arrow-left", "arrow-right"), cut, strict=True)
    ]
    return {
        "x": [low, high],
        "y": [place, place],
        "mode": "lines+markers",
        "line": {"color": role.colour, "width": 4},
        "marker": {
            "color": role.colour,
            "symbol": symbols,
            "size": 14,
            "line": {"width": 3, "color": role.colour},
        },
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _sides() -> list[dict[str, Any]]:
    shared = {"yref": "paper", "y": 1.0, "yanchor": "bottom", "showarrow": False}
    ink = {"font": {"color": "@muted", "size": 13}}
    return [
        {"xref": "paper", "x": x, "xanchor": anchor, "text": text, **shared, **ink}
        for x, anchor, text in ((0, "left", "← A is better"), (1, "right", "B is better →"))
    ]


def accuracy_range(both: Mapping[str, Curves], teacher_accuracy: float) -> tuple[float, float]:
    """The axis of all the arms' curves: what the means of the later half span, and the teacher; never outside 0 to 1."""
    later = [curves.values["accuracy"][len(curves) // 2 :].mean(axis=-1) for curves in both.values()]
    seen = np.concatenate([means[np.isfinite(means)].ravel() for means in later])
    low = float(seen.min()) if len(seen) else 0.0
    high = max(teacher_accuracy, float(seen.max()) if len(seen) else 0.0)
    return max(0.0, min(low, teacher_accuracy) - 0.06), min(1.0, high + 0.06)


def arm_in_both(
    key: ArmRole,
    both: Mapping[str, tuple[Curves, int]],
    epochs: int,
    teacher_accuracy: float,
    axis: tuple[float, float],
) -> Figure:
    """Test accuracy of one arm in both runs over the epochs, with 95 % bands, and the teacher's line.

    both: "A" and "B", each with its curves and the arm's place in them.
    """
    teacher, role = ROLES["teacher"], ROLES[key]
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
    for name, (curves, place) in both.items():
        dash, marker, _ = RUN_STYLES[name]
        values = curves.values["accuracy"][:, place]
        drawn = line_with_band(
            curves.epoch,
            values,
            replace(role, dash=dash, marker=marker),
            f"{name}, {ROLE_NAMES[key]} %{{y:.1%}}",
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
