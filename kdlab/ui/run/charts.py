"""Figures of a run under way: the race, the terms, their gradients, fidelity to the teacher."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.distill.arms import Arm
from kdlab.distill.objective_catalogue import ForwardKL
from kdlab.runs.curves import Curves
from kdlab.ui.look.series import line_with_band, spread_labels
from kdlab.ui.look.style import ROLES, Figure, Role

_PERCENT = ".0%"


def race(curves: Curves, arms: tuple[Arm, ...], epochs: int, teacher_accuracy: float) -> Figure:
    """Test accuracy of every arm over the epochs, 95 % bands over seeds, and the teacher's line."""
    teacher = ROLES["teacher"]
    traces: list[dict[str, Any]] = [
        {
            "x": [0, epochs],
            "y": [teacher_accuracy] * 2,
            "mode": "lines",
            "line": teacher.line(2),
            "hoverinfo": "skip",
        }
    ]
    ends: list[tuple[float, str, Role]] = [(teacher_accuracy, teacher.name, teacher)]
    for i, arm in enumerate(arms):
        role, values = ROLES[arm.role], curves.values["accuracy"][:, i]
        traces += line_with_band(curves.epoch, values, role, f"{arm.name} %{{y:.1%}}")
        ends.append((_last(values), arm.name, role))
    low = max(0.0, min(0.9, _span(curves.values["accuracy"][-max(1, len(curves) // 2) :])[0] - 0.05))
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "Epochs"}, "range": [0, epochs * 1.01], "fixedrange": False},
            "yaxis": {"title": {"text": "Test accuracy"}, "tickformat": _PERCENT, "range": [low, 1.0]},
            "margin": {"r": "@labels"},
            "annotations": spread_labels(ends, epochs, low, 1.0) + _mark_labels(curves, epochs),
            "shapes": _mark_lines(curves),
            "dragmode": "zoom",
        },
    }


def fidelity(curves: Curves, arms: tuple[Arm, ...], metric: str) -> Figure:
    """Agreement with the teacher, or KL from it, of every arm on the test set."""
    title, form = {
        "agreement": ("Agreement with the teacher", ".0%"),
        "kl": ("KL from the teacher, nats", ".2f"),
    }[metric]
    traces, labels = [], []
    for i, arm in enumerate(arms):
        role, values = ROLES[arm.role], curves.values[metric][:, i]
        traces += line_with_band(curves.epoch, values, role, f"{arm.name} %{{y:{form}}}")
        labels.append((_last(values), arm.name, role))
    return _small(curves, traces, labels, title, form)


def terms(curves: Curves, arms: tuple[Arm, ...]) -> Figure:
    """The soft arm's two terms, unweighted, and the supervised term of labels only as their control."""
    return _several(curves, _terms(curves, arms), "Loss term, nats", ".2f")


def term_lines(curves: Curves, arms: tuple[Arm, ...]) -> list[tuple[str, np.ndarray]]:
    """What `terms` draws: names and values (points, seeds)."""
    return [(name, values) for values, _, name in _terms(curves, arms)]


def _terms(curves: Curves, arms: tuple[Arm, ...]) -> list[tuple[np.ndarray, Role, str]]:
    soft, control = _index(arms, "soft_targets"), _index(arms, "labels_only")
    return [
        (curves.values["supervised"][:, soft], ROLES["supervised"], "Cross-entropy"),
        (curves.values["distillation"][:, soft], ROLES["distillation"], _term(arms[soft])),
        (curves.values["supervised"][:, control], ROLES["labels_only"], "CE, labels only"),
    ]


def gradient_budget(curves: Curves, arms: tuple[Arm, ...]) -> Figure:
    """One picture: the two weighted terms' gradient norms over the epochs, and both as arrows with their sum.

    The norm of labels only is their control. The arrows' angle is the gradients' own, from their cosine.
    """
    soft, shown = _index(arms, "soft_targets"), _norms(curves, arms)
    figure = _several(curves, shown, "Gradient norm", ".2f")
    layout = figure["layout"]
    cosine = _last(curves.values["gradient_cosine"][:, soft])
    lengths = [_last(values) for values, *_ in shown[:2]]
    if not np.isfinite([cosine, *lengths]).all() or min(lengths) == 0:
        return figure  # a term that is silent makes no angle with the other
    layout["xaxis"]["domain"] = [0, 0.46]
    layout["margin"]["r"] = 16
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    ends = [(lengths[0], 0.0), (lengths[1] * np.cos(angle), lengths[1] * np.sin(angle))]
    ends.append((ends[0][0] + ends[1][0], ends[1][1]))
    reach = 1.15 * max(max(abs(x), abs(y)) for x, y in ends)
    shown_ends = (
        ("supervised", ROLES["supervised"], {"yshift": -12}),
        ("distillation", ROLES["distillation"], {"xanchor": "right", "xshift": -8}),
        ("both", None, {"xanchor": "left", "xshift": 10}),
    )
    for (x, y), (name, role, beside) in zip(ends, shown_ends, strict=True):
        colour = role.colour if role else "@ink"
        figure["data"].append(
            {
                "x": [0, x],
                "y": [0, y],
                "xaxis": "x2",
                "yaxis": "y2",
                "mode": "lines+markers",
                "line": {"color": colour, "width": 3, "dash": "solid" if role else "dot"},
                "marker": {"symbol": "arrow", "size": [0, 14], "angleref": "previous", "color": colour},
                "hovertemplate": f"{name} %{{customdata:.3f}}<extra></extra>",
                "customdata": [float(np.hypot(x, y))] * 2,
            }
        )
        ink = role.ink if role else "@ink"
        layout["annotations"].append(
            {
                "x": float(x),
                "y": float(y),
                "xref": "x2",
                "yref": "y2",
                "text": name,
                "showarrow": False,
                "font": {"color": ink, "size": 13},
                **beside,
            }
        )
    bare = {"showgrid": False, "showticklabels": False, "zeroline": True, "zerolinecolor": "@grid"}
    layout["xaxis2"] = {"domain": [0.66, 1], "anchor": "y2", "range": [-0.5 * reach, 1.2 * reach], **bare}
    layout["yaxis2"] = {"anchor": "x2", "range": [-0.3 * reach, reach], "scaleanchor": "x2", **bare}
    return figure


def gradient_lines(curves: Curves, arms: tuple[Arm, ...]) -> list[tuple[str, np.ndarray]]:
    """The norms that `gradient_budget` draws: names and values (points, seeds)."""
    return [(name, values) for values, _, name in _norms(curves, arms)]


def _norms(curves: Curves, arms: tuple[Arm, ...]) -> list[tuple[np.ndarray, Role, str]]:
    soft, control = _index(arms, "soft_targets"), _index(arms, "labels_only")
    return [
        (curves.values["gradient_supervised"][:, soft], ROLES["supervised"], "(1 − w) · CE"),
        (curves.values["gradient_distillation"][:, soft], ROLES["distillation"], f"w · {_term(arms[soft])}"),
        (curves.values["gradient_supervised"][:, control], ROLES["labels_only"], "CE, labels only"),
    ]


def _term(arm: Arm) -> str:
    return "T² · KL" if isinstance(arm.objective, ForwardKL) else arm.objective.title


def _several(curves: Curves, shown: list[tuple[np.ndarray, Role, str]], title: str, form: str) -> Figure:
    traces, labels = [], []
    for values, role, name in shown:
        traces += line_with_band(curves.epoch, values, role, f"{name} %{{y:{form}}}")
        labels.append((_last(values), name, role))
    return _small(curves, traces, labels, title, form)


def _small(
    curves: Curves, traces: list[dict[str, Any]], ends: list[tuple[float, str, Role]], title: str, form: str
) -> Figure:
    low, high = _span(np.concatenate([[], *(trace["y"] for trace in traces)]))
    pad = 0.06 * (high - low or 1)
    low, high = low - pad, high + pad
    last = float(curves.epoch[-1]) or 1.0
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "Epochs"}, "range": [0, last]},
            "yaxis": {"title": {"text": title}, "tickformat": form, "range": [low, high]},
            "margin": {"r": "@labels"},
            "annotations": spread_labels(ends, last, low, high),
            "shapes": _mark_lines(curves),
        },
    }


def _last(values: np.ndarray) -> float:
    """values (points, seeds) → the mean at the last point; NaN where it is not finite for every seed."""
    return float(values[-1].mean()) if np.isfinite(values[-1]).all() else float("nan")


def _span(values: np.ndarray) -> tuple[float, float]:
    """The least and the largest finite value; 0 and 1 where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _mark_lines(curves: Curves) -> list[dict[str, Any]]:
    return [
        {
            "type": "line",
            "x0": mark.epoch,
            "x1": mark.epoch,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": "@muted", "width": 1, "dash": "dot"},
        }
        for mark in curves.marks
    ]


def _mark_labels(curves: Curves, epochs: int) -> list[dict[str, Any]]:
    """Of marks that stand close together only the last is named."""
    marks = curves.marks
    named = [
        mark
        for i, mark in enumerate(marks)
        if i + 1 == len(marks) or marks[i + 1].epoch - mark.epoch > 0.12 * epochs
    ]
    return [
        {
            "x": mark.epoch,
            "yref": "paper",
            "y": 0.02 + 0.07 * (i % 3),
            "text": f"T {mark.temperature:g}, w {mark.kd_weight:g}",
            "showarrow": False,
            "xanchor": "left",
            "xshift": 4,
            "font": {"color": "@muted", "size": 12},
        }
        for i, mark in enumerate(named)
    ]


def _index(arms: tuple[Arm, ...], role: str) -> int:
    return next(i for i, arm in enumerate(arms) if arm.role == role)
