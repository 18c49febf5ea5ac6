"""Figures of a finished run: the gain in two parts, the classes, the price."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.runs.comparison import Comparison, in_words
from kdlab.ui.style import ROLES, Figure, Role, direct_label

_PERCENT = ".0%"


def gain_split(found: Comparison, taught: str, on_top: str) -> Figure:
    """From labels only to the soft arm in two steps, each with its 95 % interval; the teacher's line above.

    taught: the soft arm's name; on_top: what it adds to the teacher's answers.
    The ends are markers and the steps floating bars: the axis need not start at zero.
    """
    ends = {
        name: found.accuracy[role]
        for name, role in (("Labels only", "labels_only"), (taught, "soft_targets"))
    }
    middle = found.accuracy["hard_labels"].mean
    steps = (
        ("Teacher's<br>answers", ends["Labels only"].mean, found.answers, ROLES["hard_labels"]),
        (on_top, middle, found.softness, ROLES["soft_targets"]),
    )
    teacher = ROLES["teacher"]
    traces: list[dict[str, Any]] = []
    labels = [
        _plain_label(
            0, found.teacher_accuracy, f"Teacher {found.teacher_accuracy:.1%}", teacher, xanchor="center"
        )
    ]
    for place, (name, interval) in zip((0, 3), ends.items(), strict=True):
        role = ROLES["labels_only" if place == 0 else "soft_targets"]
        traces.append(
            {
                "x": [place],
                "y": [interval.mean],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 16},
                "error_y": _error_bar(interval),
                "hovertemplate": f"%{{y:.1%}}<extra>{name}</extra>",
            }
        )
        labels.append(_plain_label(place, _top(interval.mean, interval), f"{interval.mean:.1%}", role))
    for place, (name, start, interval, role) in enumerate(steps, start=1):
        traces.append(
            {
                "type": "bar",
                "x": [place],
                "y": [interval.mean],
                "base": [start],
                "width": 0.5,
                "marker": {"color": role.colour, "opacity": 0.6},
                "error_y": _error_bar(interval),
                "hovertemplate": f"{in_words(interval)}<extra>{name}</extra>",
            }
        )
        labels.append(
            _plain_label(
                place, max(start, _top(start + interval.mean, interval)), f"{100 * interval.mean:+.1f}", role
            )
        )
    heights = [label["y"] for label in labels]
    lows = [i.mean if i.n < 2 else i.low for i in ends.values()]
    names = ["Labels only", *(name for name, *_ in steps), taught.replace(" ", "<br>", 1)]
    return {
        "data": traces,
        "layout": {
            "xaxis": {"tickvals": [0, 1, 2, 3], "ticktext": names, "range": [-0.6, 3.6], "showgrid": False},
            "yaxis": {
                "title": {"text": "Test accuracy"},
                "tickformat": _PERCENT,
                "range": [min(*lows, middle) - 0.02, max(heights) + 0.03],
            },
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    **_level(found.teacher_accuracy),
                    "line": teacher.line(2),
                }
            ],
            "annotations": labels,
            "barmode": "overlay",
        },
    }


def _level(y: float) -> dict[str, float]:
    return {"y0": y, "y1": y}


def _error_bar(interval: Interval) -> dict[str, Any]:
    half = 0.0 if interval.n < 2 else float(interval.high - interval.mean)
    return {
        "type": "data",
        "array": [half],
        "color": "@ink",
        "thickness": 1.5,
        "width": 5,
        "visible": half > 0,
    }


def _top(y: float, interval: Interval) -> float:
    return float(y if interval.n < 2 else y + interval.high - interval.mean)


def _plain_label(x: float, y: float, text: str, role: Role, **annotation: Any) -> dict[str, Any]:
    return direct_label(x, y, text, role, **{"xanchor": "center", "xshift": 0, "yshift": 12} | annotation)


def per_class(result: dict[str, Any], classes: tuple[str, ...]) -> Figure:
    """Accuracy of each true class, a row a class: every arm's mean over seeds and the teacher."""
    shown = [("teacher", "Teacher", np.array(result["teacher_per_class"]))]
    shown += [(arm["role"], arm["name"], np.array(arm["per_class"]).mean(0)) for arm in result["arms"]]
    traces = [
        {
            "x": values.tolist(),
            "y": list(classes),
            "mode": "markers",
            "name": name,
            "marker": {"color": ROLES[role].colour, "symbol": ROLES[role].marker, "size": 11},
            "hovertemplate": f"%{{y}} %{{x:.1%}}<extra>{name}</extra>",
        }
        for role, name, values in shown
    ]
    every = np.array([values for *_, values in shown])
    rails = [
        {
            "type": "line",
            "x0": float(every[:, k].min()),
            "x1": float(every[:, k].max()),
            "y0": k,
            "y1": k,
            "line": {"color": "@grid", "width": 6},
            "layer": "below",
        }
        for k in range(len(classes))
    ]
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "Accuracy on the class"}, "tickformat": _PERCENT},
            "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False},
            "shapes": rails,
            "showlegend": True,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


_COSTS = (
    ("parameters", "Parameters", "", ",.0f"),
    ("memory_mib", "Memory", "MiB", ".2g"),
    ("flops", "FLOPs an example", "", ",.0f"),
    ("latency_ms", "Latency, one example", "ms", ".3f"),
)


def costs(profiles: dict[str, dict[str, float]]) -> Figure:
    """What the student costs as a share of the teacher, on a log scale, with both numbers in words."""
    teacher, student = profiles["teacher"], profiles["student"]
    rows = [(title, unit, form, teacher[key], student[key]) for key, title, unit, form in _COSTS]
    shares = [s / t for *_, t, s in rows]
    names = [
        f"{title}<br>{format(t, form)} → {format(s, form)} {unit}".strip() for title, unit, form, t, s in rows
    ]
    words = [f"{'1/' if t >= s else ''}{max(t / s, s / t):,.1f}{'' if t >= s else '×'}" for *_, t, s in rows]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": shares,
                "y": names,
                "marker": {"color": ROLES["soft_targets"].colour},
                "text": words,
                "textposition": "auto",
                "insidetextanchor": "start",
                "hoverinfo": "skip",
            }
        ],
        "layout": {
            "xaxis": {
                "type": "log",
                "title": {"text": "Student's share of the teacher's cost"},
                "tickvals": [0.001, 0.01, 0.1, 1],
                "ticktext": ["0.1 %", "1 %", "10 %", "100 %"],
                "range": [min(-3.0, float(np.log10(min(shares))) - 0.5), 0.3],
            },
            "yaxis": {"autorange": "reversed", "showgrid": False},
            "shapes": [
                {
                    "type": "line",
                    "x0": 1,
                    "x1": 1,
                    "yref": "paper",
                    "y0": 0,
                    "y1": 1,
                    "line": ROLES["teacher"].line(2),
                }
            ],
        },
    }
