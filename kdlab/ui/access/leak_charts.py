"""The picture of the leak: singular values of logit rows on a log axis, and the drop behind the last layer's width."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.ui.look.style import ROLES, Figure

_TEACHER = ROLES["teacher"]
LOWEST, HIGHEST = -4.9, 4.3
"""Ends of the upright axis, as powers of ten: the same at every step of a drag."""


def singular_value_curve(values: np.ndarray, width: int | None, most: int) -> Figure:
    """Singular values by their number, (n,), with the drop marked where there is one. most: numbers on the axis."""
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x0": 1,
            "dx": 1,
            "y": np.maximum(values, 10**LOWEST).tolist(),
            "line": {"color": _TEACHER.colour, "width": 3},
            "hovertemplate": "number %{x}: %{y:.3g}<extra></extra>",
        }
    ]
    notes, shapes = [], []
    if width is None:
        text = f"<b>{len(values)} values, no drop</b>"
        notes.append(_note(len(values), values[-1], text, len(values) < most / 2, yshift=-14))
    else:
        above, below = float(values[width - 1]), float(values[width])
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [width, width + 1],
                "y": [above, below],
                "marker": {"color": _TEACHER.colour, "size": 12, "line": {"color": "@ground", "width": 2.5}},
                "hoverinfo": "skip",
            }
        )
        notes = [
            _note(width, above, f"<b>no. {width}: {said(above)}</b>", True, yshift=12),
            _note(width + 1, below, f"no. {width + 1}: {said(below)}", False),
        ]
        shapes.append(
            {
                "type": "line",
                "x0": width + 0.5,
                "x1": width + 0.5,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": "@faint", "width": 1.5, "dash": "dot"},
                "layer": "below",
            }
        )
    layout = {
        "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
        "xaxis": {
            "range": [0, most * 1.02],
            "nticks": 7,
            "title": {"text": "number of the singular value"},
            "fixedrange": True,
        },
        "yaxis": {
            "type": "log",
            "range": [LOWEST, HIGHEST],
            "tickvals": [10.0**power for power in range(-4, 5, 2)],
            "ticktext": ["0.0001", "0.01", "1", "100", "10,000"],
            "title": {"text": "singular value, log scale"},
            "fixedrange": True,
        },
        "shapes": shapes,
        "annotations": notes,
    }
    return {"data": traces, "layout": layout}


def said(value: float) -> str:
    """Three significant digits, however small or large: 0.0000388, 3.2, 7,351."""
    if value >= 100:
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _note(x: int, y: float, text: str, to_the_right: bool, **place: Any) -> dict[str, Any]:
    return {
        "x": x,
        "y": float(np.log10(y)),
        "text": text,
        "showarrow": False,
        "xanchor": "left" if to_the_right else "right",
        "xshift": 12 if to_the_right else -12,
        "font": {"color": _TEACHER.ink, "size": 14},
        **place,
    }
