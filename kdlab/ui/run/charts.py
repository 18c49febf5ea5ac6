"""Figures of a run under way: the learning curves, the terms, their gradients, fidelity to the teacher."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.distill.arms import Arm
from kdlab.distill.metrics import Metric
from kdlab.runs.curves import Curves, Line
from kdlab.ui.look.series import Range, line_with_band, spread_labels
from kdlab.ui.look.style import ROLES, Figure, Role, arm_role


def learning_curves(curves: Curves, arms: tuple[Arm, ...], metric: Metric, teacher_score: float | None) -> Figure:
    """The main score of every arm along the run, 95 % bands over seeds, and the teacher's line where its score is known."""
    teacher, end = ROLES["teacher"], curves.axis.end
    traces: list[dict[str, Any]] = []
    ends: list[tuple[float, str, Role]] = []
    later: list[np.ndarray] = []
    if teacher_score is not None:
        line = {"x": [0, end], "y": [teacher_score] * 2, "mode": "lines", "line": teacher.line(2), "hoverinfo": "skip"}
        traces.append(line)
        ends.append((teacher_score, teacher.name, teacher))
        later.append(np.array([teacher_score]))
    for role, arm in drawn_as(arms):
        score = curves.line(metric.name, arm.key)
        hover = f"{arm.label} %{{y:{metric.form}}}"
        traces += line_with_band(curves.x, score.mean, score.half, role, hover, metric.range, curves.axis.hover)
        ends.append((float(score.mean[-1]), arm.label, role))
        half = np.nan_to_num(score.half)
        later += [part[-max(1, len(curves) // 2) :] for part in (score.mean - half, *(() if metric.is_share else (score.mean + half,)))]
    low, high = _seen(metric, np.concatenate(later))
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": curves.axis.title}, "range": [0, end * 1.01], "fixedrange": False},
            "yaxis": {"title": {"text": metric.axis_title}, "tickformat": metric.tick_form, "range": [low, high]},
            "margin": {"r": "@labels"},
            "annotations": spread_labels(ends, end, low, high) + _mark_labels(curves, end),
            "shapes": _mark_lines(curves),
            "dragmode": "zoom",
        },
    }


def _seen(metric: Metric, later: np.ndarray) -> tuple[float, float]:
    """The axis of the learning curves, from what the later half of the run holds: of a share up to all of it."""
    low, high = _span(later)
    if metric.is_share:
        return max(0.0, min(0.9, low - 0.05)), 1.0
    room = 0.08 * (high - low or 1)
    return max(metric.range[0], low - room), high + room


def drawn_as(arms: tuple[Arm, ...]) -> list[tuple[Role, Arm]]:
    """How each arm looks in a picture, everywhere alike."""
    return [(arm_role(arm.hue, arm.label, place), arm) for place, arm in enumerate(arms)]


def fidelity(curves: Curves, arms: tuple[Arm, ...], metric: Metric) -> Figure:
    """A further score of every arm on the test set, such as agreement with the teacher, or KL from it."""
    lines = [(curves.line(metric.name, arm.key), role, arm.label) for role, arm in drawn_as(arms)]
    return _several(curves, lines, metric.axis_title, metric.tick_form, metric.range)


def terms(curves: Curves, arm: Arm, control: Arm | None) -> Figure:
    """An arm's two terms, unweighted, and the supervised term of its control."""
    return _several(curves, _terms(curves, arm, control), "Loss term, nats", ".2f")


def term_lines(curves: Curves, arm: Arm, control: Arm | None) -> list[tuple[str, np.ndarray]]:
    """What `terms` draws: names and means (points,)."""
    return [(name, line.mean) for line, _, name in _terms(curves, arm, control)]


def _terms(curves: Curves, arm: Arm, control: Arm | None) -> list[tuple[Line, Role, str]]:
    drawn = [(curves.line("supervised", arm.key), ROLES["supervised"], "Cross-entropy")]
    if arm.objective is not None:
        drawn.append((curves.line("distillation", arm.key), ROLES["distillation"], arm.objective.term))
    return drawn + _control(curves, "supervised", control)


def _control(curves: Curves, metric: str, control: Arm | None) -> list[tuple[Line, Role, str]]:
    if control is None:
        return []
    return [(curves.line(metric, control.key), arm_role(control.hue, control.label), f"CE, {control.in_a_sentence}")]


def gradient_budget(curves: Curves, arm: Arm, control: Arm | None) -> Figure:
    """One picture: the two weighted terms' gradient norms over the epochs, and both as arrows with their sum.

    The norm of the arm's control stands beside them. The arrows' angle is the gradients' own, from their cosine.
    """
    shown = _norms(curves, arm, control)
    figure = _several(curves, shown, "Gradient norm", ".2f")
    layout = figure["layout"]
    cosine = float(curves.line("gradient_cosine", arm.key).mean[-1])
    lengths = [float(line.mean[-1]) for line, *_ in shown[:2]]
    if len(lengths) < 2 or not np.isfinite([cosine, *lengths]).all() or min(lengths) == 0:
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


def gradient_lines(curves: Curves, arm: Arm, control: Arm | None) -> list[tuple[str, np.ndarray]]:
    """The norms that `gradient_budget` draws: names and means (points,)."""
    return [(name, line.mean) for line, _, name in _norms(curves, arm, control)]


def _norms(curves: Curves, arm: Arm, control: Arm | None) -> list[tuple[Line, Role, str]]:
    drawn = [(curves.line("gradient_supervised", arm.key), ROLES["supervised"], "(1 − w) · CE")]
    if arm.objective is not None:
        line = curves.line("gradient_distillation", arm.key)
        drawn.append((line, ROLES["distillation"], f"w · {arm.objective.term}"))
    return drawn + _control(curves, "gradient_supervised", control)


def _several(
    curves: Curves, shown: list[tuple[Line, Role, str]], title: str, form: str, within: Range | None = None
) -> Figure:
    traces, labels = [], []
    for line, role, name in shown:
        traces += line_with_band(curves.x, line.mean, line.half, role, f"{name} %{{y:{form}}}", within, curves.axis.hover)
        labels.append((float(line.mean[-1]), name, role))
    return _small(curves, traces, labels, title, form)


def _small(
    curves: Curves, traces: list[dict[str, Any]], ends: list[tuple[float, str, Role]], title: str, form: str
) -> Figure:
    low, high = _span(np.concatenate([[], *(trace["y"] for trace in traces)]))
    pad = 0.06 * (high - low or 1)
    low, high = low - pad, high + pad
    last = float(curves.x[-1]) or 1.0
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": curves.axis.title}, "range": [0, last]},
            "yaxis": {"title": {"text": title}, "tickformat": form, "range": [low, high]},
            "margin": {"r": "@labels"},
            "annotations": spread_labels(ends, last, low, high),
            "shapes": _mark_lines(curves),
        },
    }


def _span(values: np.ndarray) -> tuple[float, float]:
    """The least and the largest finite value; 0 and 1 where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _mark_lines(curves: Curves) -> list[dict[str, Any]]:
    return [
        {
            "type": "line",
            "x0": curves.place(mark),
            "x1": curves.place(mark),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": "@muted", "width": 1, "dash": "dot"},
        }
        for mark in curves.marks
    ]


def _mark_labels(curves: Curves, end: float) -> list[dict[str, Any]]:
    """Of marks that stand close together only the last is named."""
    marks = curves.marks
    named = [
        mark
        for i, mark in enumerate(marks)
        if i + 1 == len(marks) or curves.place(marks[i + 1]) - curves.place(mark) > 0.12 * end
    ]
    return [
        {
            "x": curves.place(mark),
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
