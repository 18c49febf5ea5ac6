"""Paired differences as a figure: a row for each, with its interval on either side of zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdlab.core.intervals import Interval
from kdlab.distill.metrics import Metric
from kdlab.runs.comparison import in_words, signed
from kdlab.ui.look.style import Figure, Role, direct_label


def reach(differences: Mapping[str, Interval], metric: Metric) -> float:
    """How far the picture of the differences goes to either side of zero, in the metric's unit.

    Far enough for the means and for intervals of their size; one from two seeds may be twelve times as wide.
    """
    means = max((abs(float(found.mean)) for found in differences.values() if found.n), default=0.0)
    ends = [
        abs(float(end)) for found in differences.values() if found.n > 1 for end in (found.low, found.high)
    ]
    least = 0.01 if metric.is_share else 0.001
    return max(least, min(max([means, *ends]) * 1.08, max(5 * least, 3 * means)))


def clipped(differences: Mapping[str, Interval], metric: Metric) -> list[str]:
    """The keys of those whose interval is wider than the picture."""
    edge = reach(differences, metric)
    return [role for role, found in differences.items() if found.n > 1 and max(-found.low, found.high) > edge]


def paired_differences(
    differences: Mapping[str, Interval], roles: Mapping[str, Role], metric: Metric, *, axis: str, sides: tuple[str, str]
) -> Figure:
    """Differences in a metric, of shares in percentage points, a row each, with its 95 % interval around it.

    roles: how each looks and what it is called. sides: what lies to the left of zero, and to the right.
    """
    scale = 100 if metric.is_share else 1
    edge = scale * reach(differences, metric)
    traces: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for place, (key, found) in enumerate(differences.items()):
        role, mean = roles[key], scale * float(found.mean)
        if found.n > 1:
            low, high = (scale * float(end) for end in (found.low, found.high))
            traces.append(
                _interval(max(low, -edge), min(high, edge), place, role, (low < -edge, high > edge))
            )
        traces.append(
            {
                "x": [mean],
                "y": [place],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 15},
                "hovertemplate": f"{in_words(found, metric.name)}<extra>{role.name}</extra>",
            }
        )
        labels.append(
            direct_label(
                mean,
                place,
                f"{role.name} {signed(found.mean, metric)}",
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
                "title": {"text": axis},
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
            "annotations": [*labels, *_sides(*sides)],
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


def _sides(left: str, right: str) -> list[dict[str, Any]]:
    shared = {"yref": "paper", "y": 1.0, "yanchor": "bottom", "showarrow": False}
    ink = {"font": {"color": "@muted", "size": 13}}
    return [
        {"xref": "paper", "x": x, "xanchor": anchor, "text": text, **shared, **ink}
        for x, anchor, text in ((0, "left", left), (1, "right", right))
    ]
