"""The figures of the estimator bench: value and direction, lengths, and what teacher and student say. A row a method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.ui.language.estimator_bench import FORWARD, METHODS, REVERSE, Bench
from kdlab.ui.language.estimator_words import said
from kdlab.ui.look.numbers import minus, number
from kdlab.ui.look.style import ROLES, Figure, Role

KL_ROLES = {REVERSE: ROLES["soft_targets"], FORWARD: ROLES["teacher"]}
"""The reverse KL is the student's own average, the forward KL the teacher's: so they have these colours here."""
_OFF = {REVERSE: -0.17, FORWARD: 0.17}
"""How far from the middle of its row what belongs to either stands."""
_SIGNS = {REVERSE: "●", FORWARD: "■"}
_ROWS = list(range(len(METHODS)))
HEAD, PITCH, FOOT = 1.35, 46, 46
"""Rows that the heads take, pixels a row, pixels below the rows."""
HEIGHT = round((len(METHODS) + HEAD) * PITCH + FOOT)
WORD_PITCH = 26
_VALUE_SPANS, _LENGTH_SPANS = (0.1, 0.3, 1, 3, 6, 12), (0.03, 0.1, 0.3, 1, 2, 4, 12)
_LEFT = 0.1
"""Of the value's axis, below 0: k1 of a batch may be negative."""
MOST_LIKELY = 0.62


def value_and_direction(bench: Bench) -> Figure:
    """Left each method's value against the reverse KL, right where its gradient points: cosines with both exact ones."""
    exact, found = bench.exact, [bench.found[name] for name in METHODS]
    highest = max([exact.reverse_kl, *(f.mean for f in found), *(float(f.batch.high) for f in found)])
    span = _span(highest, _VALUE_SPANS)
    left = -_LEFT * span
    reverse = KL_ROLES[REVERSE]
    traces = [
        _bars(_ROWS, [f.batch for f in found], "@ink"),
        _points(
            [f.mean for f in found],
            _ROWS,
            {"symbol": "diamond", "size": 13, "color": "@ground", "line": {"color": "@ink", "width": 2}},
            [f"{m.title}, mean over all tokens: {said(f.mean)} nats" for m, f in zip(METHODS.values(), found, strict=True)],
        ),
        _points(
            [float(f.batch.mean) for f in found],
            _ROWS,
            {"symbol": "circle", "size": 8, "color": "@ink"},
            [f"{m.title}, one batch: {_of(f.batch)} nats" for m, f in zip(METHODS.values(), found, strict=True)],
        ),
        _heads(left, [f"│ KL {said(exact.reverse_kl)}", "● batch ◇ mean"], [reverse.ink, "@ink"]),
        *_directions(bench),
        _heads(-1.0, [f"{_SIGNS[one]} {one} KL’s" for one in KL_ROLES], [role.ink for role in KL_ROLES.values()])
        | {"xaxis": "x2"},
    ]
    layout = {
        "margin": {"l": 4, "r": 10, "t": 0, "b": FOOT},
        "xaxis": {
            "domain": [0, 0.47],
            "range": [left, span],
            "nticks": 4,
            "zeroline": True,
            "zerolinecolor": "@faint",
            "title": {"text": "value, nats", "standoff": 4},
            "fixedrange": True,
        },
        "xaxis2": {
            "domain": [0.54, 1],
            "anchor": "y",
            "range": [-1.08, 1.08],
            "tickvals": [-1, 0, 1],
            "ticktext": ["−1", "0", "1"],
            "zeroline": True,
            "zerolinecolor": "@faint",
            "title": {"text": "gradient’s cosine", "standoff": 4},
            "fixedrange": True,
        },
        "yaxis": _method_axis(),
        "shapes": [*_between_rows(), _upright(exact.reverse_kl, reverse)],
    }
    return {"data": traces, "layout": layout}


def gradient_lengths(bench: Bench) -> Figure:
    """How long each method's gradient is: its mean as a bar, single batches as a line, the exact lengths upright."""
    exact, found = bench.exact, [bench.found[name] for name in METHODS]
    span = _span(max(*exact.lengths.values(), *(float(f.lengths.mean) for f in found)) * 1.25, _LENGTH_SPANS)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "y": _ROWS,
            "x": [f.length for f in found],
            "width": 0.56,
            "marker": {"color": ROLES["hard_labels"].band, "line": {"color": ROLES["hard_labels"].colour, "width": 1.5}},
            "customdata": [m.title for m in METHODS.values()],
            "hovertemplate": "%{customdata}, mean over all tokens: %{x:.3f}<extra></extra>",
        },
        _bars(_ROWS, [f.lengths for f in found], "@ink"),
        _points(
            [float(f.lengths.mean) for f in found],
            _ROWS,
            {"symbol": "circle", "size": 8, "color": "@ink"},
            [f"{m.title}, batches: {_of(f.lengths)}" for m, f in zip(METHODS.values(), found, strict=True)],
        ),
        _heads(
            0,
            [f"{'╎' if one == REVERSE else '│'} {one} KL’s {number(exact.lengths[one])}" for one in KL_ROLES],
            [role.ink for role in KL_ROLES.values()],
        ),
    ]
    layout = {
        "barmode": "overlay",
        "margin": {"l": 4, "r": 10, "t": 0, "b": FOOT},
        "xaxis": {
            "range": [0, span],
            "nticks": 5,
            "title": {"text": "gradient’s length", "standoff": 4},
            "fixedrange": True,
        },
        "yaxis": _method_axis(),
        "shapes": [
            _upright(exact.lengths[REVERSE], KL_ROLES[REVERSE], dash="dash"),
            _upright(exact.lengths[FORWARD], KL_ROLES[FORWARD], dash="solid"),
        ],
    }
    return {"data": traces, "layout": layout}


def both_say(words: Sequence[str], teacher: Sequence[float], student: Sequence[float]) -> Figure:
    """The teacher's and the student's probability of each word, (W,) each; the last row is all the others."""
    rows = np.arange(len(words))
    traces = []
    sides = (("teacher", ROLES["teacher"], teacher, -0.19), ("student", ROLES["soft_targets"], student, 0.19))
    for who, role, shares, off in sides:
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": (rows + off).tolist(),
                "x": list(shares),
                "width": 0.34,
                "marker": {"color": role.colour},
                "customdata": list(words),
                "hovertemplate": f"%{{customdata}}, {who}: %{{x:.1%}}<extra></extra>",
            }
        )
    traces.append(
        {
            "type": "scatter",
            "mode": "text",
            "x": [0, MOST_LIKELY / 2],
            "y": [-0.95] * 2,
            "text": [f"<b>■ {who}</b>" for who, *_ in sides],
            "textposition": "middle right",
            "textfont": {"color": [role.ink for _, role, *_ in sides], "size": 13},
            "hoverinfo": "skip",
            "cliponaxis": False,
        }
    )
    layout = {
        "barmode": "overlay",
        "margin": {"l": 4, "r": 10, "t": 0, "b": 8},
        "xaxis": {
            "range": [0, MOST_LIKELY],
            "tickvals": [0, 0.2, 0.4, 0.6],
            "ticktext": ["0", "20 %", "40 %", "60 %"],
            "fixedrange": True,
        },
        "yaxis": {
            "range": [len(words) - 0.45, -1.4],
            "tickvals": rows.tolist(),
            "ticktext": list(words),
            "tickfont": {"color": "@ink", "size": 13},
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return {"data": traces, "layout": layout}


def words_height(words: int) -> int:
    """Pixels that give every word its row."""
    return round((words + 0.95) * WORD_PITCH + 30)


def _directions(bench: Bench) -> Iterable[dict[str, Any]]:
    """For either KL: where the batches' cosines lie, their mean, and the mean gradient's cosine where it has a direction."""
    for one, role in KL_ROLES.items():
        rows = [row + _OFF[one] for row in _ROWS]
        cosines = [bench.found[name].cosines[one] for name in METHODS]
        of_mean = [bench.found[name].cosine[one] for name in METHODS]
        titles = [f"{method.title}, with the {one} KL’s gradient" for method in METHODS.values()]
        yield _bars(rows, cosines, role.colour) | {"xaxis": "x2"}
        yield _points(
            [float(interval.mean) for interval in cosines],
            rows,
            {"symbol": "line-ns", "size": 11, "line": {"color": role.colour, "width": 2.5}},
            [f"{title}, batches: {_of(interval)}" for title, interval in zip(titles, cosines, strict=True)],
        ) | {"xaxis": "x2"}
        yield _points(
            of_mean,
            rows,
            {"symbol": role.marker, "size": 12, "color": role.colour, "line": {"color": "@ground", "width": 1.5}},
            [minus(f"{title}: cosine {cosine:.2f}") for title, cosine in zip(titles, of_mean, strict=True)],
        ) | {"xaxis": "x2"}


def _bars(rows: Sequence[float], intervals: Sequence[Interval], colour: str) -> dict[str, Any]:
    """A line from low to high in each row; none where an interval is not known."""
    x, y = [], []
    for row, interval in zip(rows, intervals, strict=True):
        x += [_shown(interval.low), _shown(interval.high), None]
        y += [row, row, None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": colour, "width": 3},
        "opacity": 0.5,
        "hoverinfo": "skip",
    }


def _points(x: Sequence[float], y: Sequence[float], marker: dict[str, Any], words: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [_shown(value) for value in x],
        "y": list(y),
        "marker": {"opacity": 1, **marker},
        "customdata": list(words),
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _heads(x: float, lines: Sequence[str], inks: Sequence[str]) -> dict[str, Any]:
    """Two lines above the rows, which begin at x."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x] * len(lines),
        "y": [-1.5, -1.05],
        "text": [f"<b>{line}</b>" for line in lines],
        "textposition": "middle right",
        "textfont": {"color": list(inks), "size": 13},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _method_axis() -> dict[str, Any]:
    return {
        "range": [len(METHODS) - 0.5, -0.5 - HEAD],
        "tickvals": _ROWS,
        "ticktext": [method.short for method in METHODS.values()],
        "tickfont": {"color": "@ink", "size": 13},
        "showgrid": False,
        "fixedrange": True,
    }


def _between_rows() -> list[dict[str, Any]]:
    """Faint lines that lead the eye from one panel to the other."""
    line = {"color": "@grid", "width": 1}
    return [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": row - 0.5, "y1": row - 0.5, "line": line, "layer": "below"}
        for row in _ROWS
    ]


def _upright(x: float, role: Role, dash: str = "solid") -> dict[str, Any]:
    """A line over all rows at an exact number."""
    line = {"color": role.colour, "width": 2.5, "dash": dash}
    return {"type": "line", "x0": x, "x1": x, "y0": -0.6, "y1": len(METHODS) - 0.5, "line": line, "layer": "below"}


def _span(highest: float, spans: Sequence[float]) -> float:
    """The end of an axis: of a few, so that it stands still for most of a drag."""
    return next((span for span in spans if highest <= 0.95 * span), spans[-1])


def _shown(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _of(interval: Interval) -> str:
    return minus(f"{interval.mean:.3g} ({interval.low:.3g} to {interval.high:.3g})")
