"""The figures of the soft-targets page. All take plain arrays; all are drawn again at every step of a drag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kdlab.ui.examples.words import percent
from kdlab.ui.look.style import ROLES, Figure

_TEACHER = ROLES["teacher"]
LABEL_HAS_ROOM = 0.8
BRIGHTEST = 0.2
"""The mean probability at which a cell of the class map has its full colour, at every temperature."""
WHITE_TO_BLACK, BLACK_TO_WHITE = 0.6, 0.85
"""Parts of the full colour from which a cell's number turns black on a dark ground, white on a light one."""


def bars_height(classes: int) -> int:
    """Pixels that the bars need to keep their labels apart, and the whole within one screen."""
    return 64 + classes * (32 if classes < 8 else 26 if classes <= 10 else 19)


def soft_target_bars(
    classes: Sequence[str],
    at_one: np.ndarray,
    at_temperature: np.ndarray,
    temperature: float,
    label: int | None,
) -> Figure:
    """Hard label, teacher at T = 1 and teacher at T, one row a class in the order given. Probabilities: (K,)."""
    rows = list(range(len(classes)))
    traces: list[dict[str, Any]] = []
    if label is not None:
        traces.append(
            _bars([label], [1.0], 0.94, color="rgba(124,130,138,0.22)", name="hard label", hover=classes)
        )
    traces.append(_bars(rows, at_temperature, 0.6, color=_TEACHER.colour, name="teacher at T", hover=classes))
    outline = _bars(rows, at_one, 0.6, color="rgba(0,0,0,0)", name="teacher at T = 1", hover=classes)
    outline["marker"]["line"] = {"color": "@muted", "width": 1.5}
    traces.append(outline)
    columns = (
        (1.24, "outline: T = 1", at_one, "@muted"),
        (1.46, f"T = {temperature:g}", at_temperature, _TEACHER.ink),
    )
    for x, head, numbers, ink in columns:
        said = [f"<b>{head}</b>", *(percent(p) for p in numbers)]
        traces.append(_words([x] * len(said), [-0.95, *rows], said, ink))
    if label is not None and max(at_one[label], at_temperature[label]) < LABEL_HAS_ROOM:
        traces.append(_words([0.95], [label], ["hard label"], "@muted"))
    layout = {
        "barmode": "overlay",
        "margin": {"l": 8, "r": 4, "t": 2, "b": 4},
        "xaxis": {
            "range": [0, 1.47],
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "ticktext": ["0", "25 %", "50 %", "75 %", "100 %"],
            "fixedrange": True,
        },
        "yaxis": {
            "range": [len(rows) - 0.45, -1.4],
            "tickvals": rows,
            "ticktext": list(classes),
            "tickfont": {"color": "@ink", "size": 14 if len(rows) <= 10 else 12},
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return {"data": traces, "layout": layout}


def _bars(
    rows: Sequence[int], lengths: Any, width: float, *, color: str, name: str, hover: Sequence[str]
) -> Any:
    return {
        "type": "bar",
        "orientation": "h",
        "y": list(rows),
        "x": list(lengths),
        "width": width,
        "marker": {"color": color},
        "customdata": [hover[row] for row in rows],
        "hovertemplate": f"%{{customdata}}, {name}: %{{x:.2%}}<extra></extra>",
    }


def _words(x: Sequence[float], y: Sequence[float], text: Sequence[str], ink: str) -> dict[str, Any]:
    """Words that end at their points."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": x,
        "y": y,
        "text": text,
        "textposition": "middle left",
        "textfont": {"color": ink, "size": 13},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def entropy_curve(
    temperatures: np.ndarray, bits: np.ndarray, temperature: float, bits_now: float, classes: int
) -> Figure:
    """Entropy of one example's soft targets against temperature, with a marker at the present one."""
    most = float(np.log2(classes))
    low, high = float(np.log10(temperatures[0])), float(np.log10(temperatures[-1]))
    ticks = [t for t in (0.5, 1, 2, 5, 10, 20) if temperatures[0] <= t <= temperatures[-1]]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(temperatures),
            "y": list(bits),
            "line": {"color": _TEACHER.colour, "width": 3},
            "hovertemplate": "T = %{x:.2g}: %{y:.2f} bits<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [temperature],
            "y": [bits_now],
            "marker": {
                "color": _TEACHER.colour,
                "size": 14,
                "line": {"color": "@ground", "width": 2.5},
            },
            "hoverinfo": "skip",
        },
    ]
    layout = {
        "margin": {"l": 8, "r": 12, "t": 14, "b": 8},
        "xaxis": {
            "type": "log",
            "range": [low - 0.02, high + 0.02],
            "tickvals": ticks,
            "ticktext": [f"{t:g}" for t in ticks],
            "title": {"text": "temperature T, log scale"},
            "fixedrange": True,
        },
        "yaxis": {
            "range": [0, most * 1.1],
            "nticks": 6,
            "title": {"text": "entropy, bits"},
            "fixedrange": True,
        },
        "shapes": [
            _guide(x0=0, x1=1, y0=most, y1=most, xref="paper"),
            _guide(x0=1, x1=1, y0=0, y1=1, yref="paper"),
        ],
        "annotations": [
            _note(1, most, f"all {classes} alike: {most:.2f} bits", xref="paper", xanchor="right", yshift=9),
            {
                **_note(np.log10(temperature), bits_now, f"<b>{bits_now:.2f} bits</b>"),
                **_beside_rising_curve((np.log10(temperature) - low) / (high - low), bits_now / most),
                "font": {"color": _TEACHER.ink, "size": 14},
            },
        ],
    }
    return {"data": traces, "layout": layout}


def _beside_rising_curve(along: float, height: float) -> dict[str, Any]:
    """Where a label by a point of a rising curve is free: below right, near the axis and the right edge above left."""
    if height <= 0.12 and along > 0.17:
        return {"xanchor": "right", "xshift": 10, "yshift": 20}
    if along < 0.78:
        return {"xanchor": "left", "xshift": 12, "yshift": -14 if height > 0.12 else 20}
    return {"xanchor": "right", "xshift": -8 if height < 0.85 else 4, "yshift": 16 if height < 0.85 else -24}


def _guide(**place: Any) -> dict[str, Any]:
    return {
        "type": "line",
        "line": {"color": "@faint", "width": 1.5, "dash": "dot"},
        "layer": "below",
        **place,
    }


def _note(x: float, y: float, text: str, **place: Any) -> dict[str, Any]:
    font = {"color": "@muted", "size": 12}
    return {"x": float(x), "y": float(y), "text": text, "showarrow": False, "font": font, **place}


def class_map(classes: Sequence[str], similarity: np.ndarray, chosen: tuple[int, int]) -> Figure:
    """Mean soft target by true class, (K, K), without the diagonal; a frame around the chosen cell."""
    size = len(classes)
    shown = [[None if i == j else float(similarity[i, j]) for j in range(size)] for i in range(size)]
    small = size > 10
    heat: dict[str, Any] = {
        "type": "heatmap",
        "z": shown,
        "x": list(range(size)),
        "y": list(range(size)),
        "zmin": 0,
        "zmax": BRIGHTEST,
        "colorscale": [[0, "@panel"], [1, _TEACHER.ink]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "customdata": [[f"{classes[i]}, seen as {classes[j]}" for j in range(size)] for i in range(size)],
        "hovertemplate": "%{customdata}: %{z:.1%}<extra></extra>",
        "hoverongaps": False,
    }
    row, column = chosen
    frame = {
        "type": "rect",
        "x0": column - 0.5,
        "x1": column + 0.5,
        "y0": row - 0.5,
        "y1": row + 0.5,
        "line": {"color": "@ink", "width": 2.5},
    }
    axis = {
        "tickvals": list(range(size)),
        "ticktext": list(classes),
        "showgrid": False,
        "fixedrange": True,
        "tickfont": {"size": 11 if small else 13},
    }
    layout = {
        "margin": {"l": 8, "r": 4, "t": 4, "b": 8},
        "xaxis": {
            **axis,
            "tickangle": 0 if max(map(len, classes)) < 3 else -45,
            "range": [-0.5, size - 0.5],
            "title": {"text": "what the teacher sees in it"},
        },
        "yaxis": {**axis, "range": [size - 0.5, -0.5], "title": {"text": "true class"}},
        "shapes": [frame],
    }
    return {"data": [heat] if small else [heat, _cell_numbers(similarity)], "layout": layout}


def _cell_numbers(similarity: np.ndarray) -> dict[str, Any]:
    """Percent on the cells that have any, each in an ink that stands off its cell in both themes."""
    told = (similarity >= 0.005) & ~np.eye(len(similarity), dtype=bool)
    rows, columns = np.nonzero(told)
    return {
        "type": "scatter",
        "mode": "text",
        "x": columns.tolist(),
        "y": rows.tolist(),
        "text": [f"{p * 100:.0f}" for p in similarity[told]],
        "textfont": {"color": [cell_ink(p) for p in similarity[told]], "size": 12},
        "hoverinfo": "skip",
    }


def cell_ink(mean_probability: float) -> str:
    """The ink on a cell of the class map, at least 4.5 to 1 against its colour: a token, or black for both themes."""
    part = mean_probability / BRIGHTEST
    return "@extreme" if part < WHITE_TO_BLACK else "#000" if part < BLACK_TO_WHITE else "@opposite"
