"""The figures of the loss page: what each term does to each logit, why T², and the loss over the triangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kdlab.core.simplex import CORNERS, HEIGHT, from_plane, loss_at, to_plane
from kdlab.ui.look.numbers import minus
from kdlab.ui.look.style import ROLES, Figure, direct_label

_HARD, _SOFT = ROLES["supervised"], ROLES["distillation"]
HEAD, FOOT = 28, 44
"""Pixels above and below the rows of `pushes`: as much as above and below the bars beside it."""
OFF = 0.21
"""How far from the middle of its row a term's arrow lies."""
_SPANS = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def pushes_height(classes: int, pitch: int) -> int:
    """Pixels that give every class a row of that pitch."""
    return HEAD + FOOT + classes * pitch


def pushes(
    classes: Sequence[str], supervised: np.ndarray, distillation: np.ndarray, pitch: int
) -> Figure:
    """Where each term pushes each logit: minus its gradient (K,), one row a class, and the sum of both.

    pitch: pixels a row.
    """
    size, total = len(classes), -(supervised + distillation)
    longest = max(np.abs(supervised).max(), np.abs(distillation).max(), np.abs(total).max())
    span = next((s for s in _SPANS if longest <= 0.92 * s), _SPANS[-1])
    rows = np.concatenate([np.arange(size) - OFF, np.arange(size) + OFF])
    push = -np.concatenate([supervised, distillation])
    roles = [_HARD] * size + [_SOFT] * size
    seen = np.flatnonzero(np.abs(push) > 0.012 * span)
    # Few traces and no annotations: a drag draws this at every step.
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "y": rows.tolist(),
            "x": push.tolist(),
            "width": 0.16,
            "marker": {"color": [role.colour for role in roles]},
            "customdata": [f"{name}, {role.name.lower()}" for name, role in zip([*classes] * 2, roles, strict=True)],
            "hovertemplate": "%{customdata}: %{x}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [*push[seen].tolist(), *total.tolist()],
            "y": [*rows[seen].tolist(), *range(size)],
            "marker": {
                "opacity": 1,
                "color": [roles[k].colour for k in seen] + ["@ink"] * size,
                "size": [12] * len(seen) + [20] * size,
                "symbol": ["triangle-right" if push[k] > 0 else "triangle-left" for k in seen] + ["line-ns"] * size,
                "line": {"color": "@ink", "width": [0] * len(seen) + [2] * size},
            },
            "customdata": [""] * len(seen) + [f"{name}, both: {minus(f'{x:.3f}')}" for name, x in zip(classes, total, strict=True)],
            "hovertemplate": "%{customdata}<extra></extra>",
            "cliponaxis": False,
        },
        {
            "type": "scatter",
            "mode": "text",
            "x": [-0.99 * span, 0.06 * span, 0.99 * span],
            "y": [-0.5 - HEAD / pitch / 2] * 3,
            "text": ["<b>supervised</b>", "<b>distillation</b>", "<b>| both</b>"],
            "textposition": ["middle right", "middle center", "middle left"],
            "textfont": {"color": [_HARD.ink, _SOFT.ink, "@ink"], "size": 13},
            "hoverinfo": "skip",
            "cliponaxis": False,
        },
    ]
    layout = {
        "barmode": "overlay",
        "margin": {"l": 8, "r": 10, "t": 0, "b": FOOT},
        "xaxis": {
            "range": [-span, span],
            "nticks": 7,
            "zeroline": True,
            "zerolinecolor": "@faint",
            "title": {"text": "◂ lowers · −gradient · raises ▸", "standoff": 4},
            "hoverformat": ".3f",  # as the axis writes it, with a minus sign
            "automargin": False,
            "fixedrange": True,
        },
        "yaxis": {
            "range": [size - 0.5, -0.5 - HEAD / pitch],
            "tickvals": list(range(size)),
            "ticktext": list(classes),
            "tickfont": {"color": "@ink", "size": 14},
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return {"data": traces, "layout": layout}


def why_t_squared(
    temperatures: np.ndarray,
    with_square: np.ndarray,
    without: np.ndarray,
    limit: float,
    supervised: float,
    temperature: float,
    at_temperature: tuple[float, float],
    active: bool,
) -> Figure:
    """Length of the soft term's gradient against T, with T² and without; both axes are logarithmic.

    at_temperature: both lengths at the present T. active: whether T² is on.
    """
    low, high = np.log10(temperatures[0]), np.log10(temperatures[-1])
    lines = [
        (with_square, _SOFT.line(3.5 if active else 2), "with T²"),
        (without, {**_SOFT.line(2 if active else 3.5), "dash": "dash"}, "without T²"),
        (np.full(2, supervised), _HARD.line(2), "supervised term"),
        (np.full(2, limit), {"color": "@muted", "dash": "dot", "width": 1.5}, "limit"),
    ]
    traces: list[dict[str, Any]] = []
    for values, line, name in lines:
        x = temperatures if len(values) > 2 else temperatures[[0, -1]]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x.tolist(),
                "y": [float(v) if v > 1e-9 else None for v in values],
                "line": line,
                "hovertemplate": f"{name}, T = %{{x:.2g}}: %{{y:.3g}}<extra></extra>",
            }
        )
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [temperature, temperature],
            "y": [float(v) if v > 1e-9 else None for v in at_temperature],
            "marker": {
                "color": [_SOFT.colour if active else "@ground", "@ground" if active else _SOFT.colour],
                "size": 13,
                "line": {"color": _SOFT.colour, "width": 2.5},
            },
            "hoverinfo": "skip",
        }
    )
    bottom, top = -3.5, 1.15
    notes = []
    right = float(np.log10(temperatures[-1]))

    def note(x: float, value: float, text: str, ink: str, **place: Any) -> None:
        if value > 10**bottom:
            notes.append({**direct_label(x, float(np.log10(value)), text, _SOFT, **place)})
            notes[-1]["font"] = {"color": ink, "size": 13}

    # The two level lines are named at the right, each on the side that the other leaves free.
    above = supervised < limit
    note(right, limit, "limit ‖zₛ − zₜ‖/K", "@muted", xanchor="right", xshift=0, yshift=10 if above else -10)
    note(right, supervised, "supervised term", _HARD.ink, xanchor="right", xshift=0, yshift=-10 if above else 10)
    place = int(len(temperatures) * 0.52)
    note(float(np.log10(temperatures[place])), float(without[place]), "<b>without T²</b>", _SOFT.ink, xshift=12)
    # Below T = 1 the line with T² is the lower one.
    start = int(len(temperatures) * 0.04)
    note(float(np.log10(temperatures[start])), float(with_square[start]), "<b>with T²</b>", _SOFT.ink, yshift=-12)
    layout = {
        "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
        "xaxis": {
            "type": "log",
            "range": [low - 0.02, high + 0.02],
            "tickvals": [0.5, 1, 2, 5, 10, 20, 50, 100],
            "ticktext": ["0.5", "1", "2", "5", "10", "20", "50", "100"],
            "title": {"text": "temperature T, log scale"},
            "fixedrange": True,
        },
        "yaxis": {
            "type": "log",
            "range": [bottom, top],
            "tickvals": [0.001, 0.01, 0.1, 1, 10],
            "ticktext": ["0.001", "0.01", "0.1", "1", "10"],
            "title": {"text": "gradient's length, log scale"},
            "fixedrange": True,
        },
        "shapes": [
            {
                "type": "line",
                "x0": temperature,
                "x1": temperature,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": "@faint", "width": 1.5, "dash": "dot"},
                "layer": "below",
            }
        ],
        "annotations": notes,
    }
    return {"data": traces, "layout": layout}


_ACROSS = np.linspace(0, 1, 45)
_UP = np.linspace(0, HEIGHT, 39)
_FULL = 1000  # the rim of the surface: whole numbers make a shorter message than fractions
_PLANE = np.maximum(from_plane(np.stack(np.meshgrid(_ACROSS, _UP), axis=-1)), 2e-3)
_SHARES = _PLANE / _PLANE.sum(axis=-1, keepdims=True)


def triangle(
    classes: Sequence[str],
    label: int,
    teacher_logits: np.ndarray,
    soft_target: np.ndarray,
    best: np.ndarray,
    path: np.ndarray,
    setting: tuple[float, float, bool],
) -> Figure:
    """The loss over all that a student may say of three classes.

    teacher_logits, soft_target (p_T), best (the optimum): (3,). path: (n, 3) distributions, the student's
    own first. setting: temperature, kd_weight, t_squared.
    """
    at_one = np.exp(teacher_logits - teacher_logits.max())
    at_one /= at_one.sum()
    loss = loss_at(_SHARES, teacher_logits, label, *setting)
    # Square roots: rings near the bottom and at the rim alike.
    rise = np.sqrt(np.maximum(loss - loss.min(), 0))
    # The loss is infinite at edges that a target needs; beyond the loss of a third of the triangle all is rim.
    top = float(np.quantile(rise, 0.8)) or 1.0
    traces: list[dict[str, Any]] = [
        {
            "type": "contour",
            "x": _ACROSS.round(4).tolist(),
            "y": _UP.round(4).tolist(),
            "z": (np.minimum(rise / top, 1) * _FULL).astype(int).tolist(),
            "zmin": 0,
            "zmax": _FULL,
            "autocontour": False,
            "contours": {"start": _FULL / 12, "end": _FULL - 1, "size": _FULL / 12, "coloring": "heatmap"},
            "line": {"color": "@grid", "width": 1},
            "colorscale": [[0, "rgba(240,200,60,0.75)"], [0.3, "rgba(150,150,160,0.32)"], [1, "rgba(120,125,140,0.08)"]],
            "showscale": False,
            "hoverinfo": "skip",
        }
    ]
    for corner, outside in ((0, -0.5), (1, 1.5)):
        x = [CORNERS[corner][0], 0.5, outside, outside]
        traces.append(_area(x, [-0.01 if i == 0 else y for i, y in enumerate((0, HEIGHT, HEIGHT + 0.02, -0.01))]))
    edge = np.vstack([CORNERS, CORNERS[:1]])
    traces.append(
        {**_scatter(edge, "lines"), "line": {"color": "@faint", "width": 1.5}, "hoverinfo": "skip"}
    )
    student = ROLES["soft_targets"]
    way = to_plane(path)
    traces.append(
        {
            **_scatter(way, "lines+markers", _said(classes, path, "student, step", count=True)),
            "line": {"color": student.colour, "width": 2.5},
            "marker": {"opacity": 1, "color": student.colour, "size": [12] + [4.5] * (len(way) - 1), "line": {"width": 0}},
        }
    )
    teacher = ROLES["teacher"]
    points = [
        (np.eye(3)[label], "hard label", "diamond", ROLES["hard_labels"].colour, 13, False),
        (at_one, "teacher at T = 1", "square", teacher.colour, 12, True),
        (soft_target, f"teacher at T = {setting[0]:g}", "square", teacher.colour, 12, False),
        (best, "optimum", "star", "@ink", 17, False),
    ]
    for p, name, symbol, colour, size, is_open in points:
        marker = {"symbol": symbol, "size": size, "color": colour, "line": {"color": "@ground", "width": 1.5}}
        if is_open:
            marker |= {"color": "@ground", "line": {"color": colour, "width": 2.5}}
        traces.append({**_scatter(to_plane(p[None]), "markers", _said(classes, p[None], name)), "marker": marker})
    names = [
        f"<b>{name}</b>" + ("<br>hard label" if k == label else "") for k, name in enumerate(classes)
    ]
    layout = {
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "xaxis": {"range": [-0.1, 1.1], "visible": False, "fixedrange": True, "constrain": "domain"},
        "yaxis": {
            "range": [-0.13, HEIGHT + 0.1],
            "visible": False,
            "fixedrange": True,
            "scaleanchor": "x",
            "constrain": "domain",
        },
        "annotations": [
            {
                "x": CORNERS[k][0],
                "y": CORNERS[k][1],
                "text": name,
                "showarrow": False,
                "yanchor": "bottom" if k == 2 else "top",
                "yshift": 6 if k == 2 else -8,
                "font": {"color": "@ink", "size": 14},
            }
            for k, name in enumerate(names)
        ],
    }
    return {"data": traces, "layout": layout}


def _scatter(points: np.ndarray, mode: str, words: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "x": points[:, 0].round(4).tolist(),
        "y": points[:, 1].round(4).tolist(),
        "text": list(words),
        "hovertemplate": "%{text}<extra></extra>",
        "cliponaxis": False,
    }


def _said(classes: Sequence[str], shares: np.ndarray, name: str, count: bool = False) -> list[str]:
    return [
        f"<b>{name}{f' {i}' if count else ''}</b><br>"
        + "<br>".join(f"{c} {share:.1%}" for c, share in zip(classes, p, strict=True))
        for i, p in enumerate(shares)
    ]


def _area(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """Ground over what lies beside the triangle."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "fill": "toself",
        "fillcolor": "@ground",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
