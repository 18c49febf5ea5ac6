"""The race's figures: four students against the two-hump teacher, and the JSD from one end of β to the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kdlab.core import mixture
from kdlab.ui.look.numbers import minus
from kdlab.ui.look.style import ROLES, Figure

_TEACHER, _STUDENT = ROLES["teacher"], ROLES["soft_targets"]
_SHOWN = np.abs(mixture.LINE) <= 8
_X = mixture.LINE[_SHOWN][::2].round(3).tolist()
_NEAR = np.geomspace(1e-6, 0.02, 20)
BETAS = np.concatenate([_NEAR, np.linspace(0.03, 0.97, 60), 1 - _NEAR[::-1]])
HIGHEST = 0.6


def race_panels(distance: float, students: Mapping[str, np.ndarray], titles: Mapping[str, str]) -> Figure:
    """Two by two panels: the teacher's density filled, one student (mean, log width) a panel as a line."""
    teacher = np.exp(mixture.log_teacher(distance))[_SHOWN][::2].round(5).tolist()
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"margin": {"l": 4, "r": 4, "t": 4, "b": 4}, "annotations": []}
    for i, (name, student) in enumerate(students.items()):
        row, column = divmod(i, 2)
        number = "" if i == 0 else str(i + 1)
        own = {"xaxis": f"x{number}", "yaxis": f"y{number}", "type": "scatter", "mode": "lines", "x": _X}
        density = np.exp(mixture.log_normal(*student))[_SHOWN][::2].round(5).tolist()
        traces.append(
            own
            | {
                "y": teacher,
                "fill": "tozeroy",
                "fillcolor": _TEACHER.band,
                "line": {"color": _TEACHER.colour, "width": 1.5},
                "hovertemplate": "teacher at %{x}: %{y:.3f}<extra></extra>",
            }
        )
        traces.append(
            own
            | {
                "y": density,
                "line": {"color": _STUDENT.colour, "width": 3},
                "hovertemplate": "student at %{x}: %{y:.3f}<extra></extra>",
            }
        )
        left, bottom = column * 0.52, 0.53 * (1 - row)
        layout[f"xaxis{number}"] = {
            "domain": [left, left + 0.48],
            "anchor": f"y{number}",
            "range": [-8, 8],
            "hoverformat": ".1f",  # as the axis writes it, with a minus sign
            "showgrid": False,
            "showticklabels": False,
            "fixedrange": True,
        }
        layout[f"yaxis{number}"] = {
            "domain": [bottom, bottom + 0.47],
            "anchor": f"x{number}",
            "range": [0, HIGHEST * 1.6],
            "showgrid": False,
            "showticklabels": False,
            "fixedrange": True,
        }
        layout["annotations"].append(
            {
                "x": left + 0.01,
                "y": bottom + 0.47,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "top",
                "align": "left",
                "text": titles[name],
                "showarrow": False,
                "font": {"color": "@ink", "size": 14},
            }
        )
    return {"data": traces, "layout": layout}


def beta_ends(distance: float, student: np.ndarray, beta: float) -> Figure:
    """JSD(β) of one student as defined and divided by β·(1−β), with what libraries put at β = 0 and 1."""
    log_p = mixture.log_teacher(distance)
    ends = [
        mixture.value(d, log_p, student) for d in (mixture.forward_kl_integrand, mixture.reverse_kl_integrand)
    ]
    as_defined = mixture.beta_curve(distance, student, BETAS)
    # The limits at 0 and 1 are the two KLs; where the student has almost nothing, even β = 1e-6 is far from them.
    continuous = np.concatenate([ends[:1], as_defined / (BETAS * (1 - BETAS)), ends[1:]])
    here = float(mixture.beta_curve(distance, student, np.array(beta)))
    ink = {"color": "@ink", "width": 3}
    traces: list[dict[str, Any]] = [
        _line(
            np.concatenate([[0.0], BETAS, [1.0]]),
            continuous,
            {"color": "@muted", "width": 2, "dash": "dash"},
            "JSD / (β(1−β))",
        ),
        _line(BETAS, as_defined, ink, "JSD(β)"),
        _points(
            [0, 1],
            [0, 0],
            {"color": "@ground", "size": 11, "line": {"color": "@ink", "width": 2.5}},
            "JSD's limit",
        ),
        _points(
            [0, 1], ends, {"color": "@ink", "size": 11}, minus(f"KL: {ends[0]:.3g} forward, {ends[1]:.3g} reverse")
        ),
        _points(
            [beta],
            [here],
            {"color": _STUDENT.colour, "size": 14, "line": {"color": "@ground", "width": 2}},
            f"β = {beta:g}",
        ),
    ]
    top = float(continuous.max()) * 1.08 + 1e-6
    layout = {
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {
            "range": [-0.05, 1.05],
            "tickvals": [0, 0.25, 0.5, 0.75, 1],
            "title": {"text": "β"},
            "fixedrange": True,
        },
        "yaxis": {"range": [-0.04 * top, top], "nticks": 5, "title": {"text": "nats"}, "fixedrange": True},
    }
    return {"data": traces, "layout": layout}


def _line(x: np.ndarray, y: np.ndarray, line: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x.round(7).tolist(),
        "y": y.round(7).tolist(),
        "name": name,
        "line": line,
        "hovertemplate": f"{name}, β = %{{x:.3g}}: %{{y:.3g}}<extra></extra>",
    }


def _points(x: list[float], y: list[float], marker: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "marker": marker,
        "name": name,
        "cliponaxis": False,
        "hovertemplate": f"{name}: %{{y:.3g}}<extra></extra>",
    }
