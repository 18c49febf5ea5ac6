"""The catalogue as figures: how large each model is beside this machine's memory, and what students keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.lessons.systems import Kept, Role
from kdlab.ui.look.numbers import share, size
from kdlab.ui.look.series import error_bar
from kdlab.ui.look.style import ROLES, Figure, direct_label

_ROLES = {"teacher": ROLES["teacher"], "student": ROLES["soft_targets"]}
_SMALLEST, _LARGEST = 2e3, 8e12  # ends of the axis, bytes
_TICKS = {1e4: "10 kB", 1e6: "1 MB", 1e9: "1 GB", 1e12: "1 TB"}


class Model(NamedTuple):
    """A row of the picture. bytes: of its weights; None where nobody says. own: one of this lab's."""

    name: str
    role: Role
    bytes: float | None
    own: bool


class Line(NamedTuple):
    """A memory that is there, drawn as an upright line."""

    name: str
    bytes: float


def sizes_figure(models: Sequence[Model], lines: Sequence[Line]) -> Figure:
    """A row a model, the largest on top, its weights' bytes on a log axis; memories as upright lines."""
    traces: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    middle = math.sqrt(_SMALLEST * _LARGEST)
    for place, model in enumerate(by_size(models)):
        role = _ROLES[model.role]
        if model.bytes is None:
            said = f"{model.name} · size not published"
            labels.append(_label(_LARGEST, place, said, role, "right", -4))
            continue
        said = f"{model.name} · {size(8 * model.bytes)}"
        traces.append(
            {
                "x": [model.bytes],
                "y": [place],
                "mode": "markers",
                "marker": {
                    "color": role.colour,
                    "symbol": role.marker + ("-open" if model.own else ""),
                    "size": 11,
                    "line": {"width": 2, "color": role.colour},
                },
                "hovertemplate": f"{said}<extra></extra>",
            }
        )
        side, shift = ("left", 11) if model.bytes < middle else ("right", -11)
        labels.append(_label(model.bytes, place, said, role, side, shift))
    ends = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    shapes = [
        {"type": "line", "x0": line.bytes, "x1": line.bytes, **ends, "line": {"color": "@muted", "width": 2, "dash": "dash"}}
        for line in lines
    ]
    for height, line in enumerate(sorted(lines, key=lambda line: line.bytes)):
        said = f"{line.name} {size(8 * line.bytes)}"
        above = {"yref": "paper", "yanchor": "bottom", "yshift": 17 * height, "font": {"color": "@ink", "size": 13}}
        anchor = "right" if line.bytes > middle else "left"
        labels.append(_label(line.bytes, 1, said, _ROLES["teacher"], anchor, 0) | above)
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "type": "log",
                "range": [math.log10(_SMALLEST), math.log10(_LARGEST)],
                "tickvals": list(_TICKS),
                "ticktext": list(_TICKS.values()),
                "title": {"text": "Weights at 2 bytes a parameter (bf16)"},
                "fixedrange": True,
            },
            "yaxis": {"visible": False, "range": [len(models) - 0.4, -0.6], "fixedrange": True},
            "annotations": labels,
            "shapes": shapes,
            "margin": {"t": 8 + 18 * len(lines), "l": 8, "r": 8},
        },
    }


def by_size(models: Sequence[Model]) -> list[Model]:
    """The largest first; what has no published size on top."""
    return sorted(models, key=lambda model: -math.inf if model.bytes is None else -model.bytes)


def _label(bytes_: float, y: float, text: str, role: Any, anchor: str, shift: int) -> dict[str, Any]:
    """Words beside a place on the axis: an annotation on a log axis is placed by the power of ten."""
    return direct_label(math.log10(bytes_), y, text, role, xanchor=anchor, xshift=shift, bgcolor="@ground", borderpad=0)


class OwnKept(NamedTuple):
    """A student of a run of this lab: how many times smaller than its teacher, the share that it keeps."""

    name: str
    smaller: float
    kept: Interval


_NEAR = 0.015  # of the teacher's score: closer, two names would cover each other


def kept_figure(published: Sequence[Kept], own: Sequence[OwnKept]) -> Figure:
    """The share of the teacher's score that a student keeps, by how many times smaller it is."""
    role = ROLES["soft_targets"]
    points = [(one.name, one.smaller, Interval(one.share, one.share, one.share, 1), role.marker) for one in published]
    points += [(one.name, one.smaller, one.kept, f"{role.marker}-open") for one in own]
    most = max(smaller for _, smaller, *_ in points)
    traces = [
        {
            "x": [smaller],
            "y": [float(kept.mean)],
            "mode": "markers",
            "marker": {"color": role.colour, "symbol": marker, "size": 12, "line": {"width": 2, "color": role.colour}},
            "error_y": error_bar(kept.mean, kept.low, kept.high, color=role.colour, thickness=2, width=0),
            "hovertemplate": f"{name}: {share(kept.mean)}, {smaller:.1f}× smaller<extra></extra>",
        }
        for name, smaller, kept, marker in points
    ]
    labels = [
        # Published ones lie close together: one is named above its point, the next below.
        direct_label(
            math.log10(smaller),
            float(kept.mean),
            name,
            role,
            **_beside(smaller, most),
            yshift=(14 if place % 2 == 0 else -14) if place < len(published) else _apart(float(kept.mean), own),
        )
        for place, (name, smaller, kept, *_) in enumerate(points)
    ]
    low = min(float(np.fmin(kept.mean, kept.low)) for _, _, kept, _ in points)
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "type": "log",
                "range": [0, math.log10(most * 1.3)],
                "tickvals": [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
                "ticktext": ["1×", "2×", "5×", "10×", "20×", "50×", "100×", "200×", "500×", "1,000×"],
                "title": {"text": "Times smaller than the teacher"},
            },
            "yaxis": {"title": {"text": "Kept of the teacher's score"}, "tickformat": ".0%", "range": [low - 0.02, 1.01]},
            "annotations": labels,
        },
    }


def _apart(kept: float, own: Sequence[OwnKept]) -> int:
    """How far a name stands above its point, in pixels, where another's lies at nearly the same height."""
    gaps = [kept - one.kept.mean for one in own]
    return 11 * (any(0 < gap < _NEAR for gap in gaps) - any(-_NEAR < gap < 0 for gap in gaps))


def _beside(smaller: float, most: float) -> dict[str, Any]:
    """On the side where there is room for a name."""
    return {"xanchor": "right", "xshift": -10} if smaller > math.sqrt(most) else {"xanchor": "left", "xshift": 10}
