"""The ladder as a figure: how good each arm's students are, a row an arm, in the order of rungs or of what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kdlab.distill.arms import Arm
from kdlab.distill.metrics import Metric
from kdlab.ui.look.numbers import interval_words, size
from kdlab.ui.look.series import error_bar
from kdlab.ui.look.style import ROLES, Figure, direct_label
from kdlab.ui.run.charts import drawn_as

RUNGS, BYTES, SECONDS = "Rungs", "Bytes a query", "Seconds"


class Level(NamedTuple):
    """A mean over seeds and half its 95 % interval; NaN where there is none."""

    mean: float
    half: float


class Row(NamedTuple):
    """An arm's key, and its name with what it cost."""

    key: str
    name: str


def rows(
    arms: tuple[Arm, ...], against: str, costs: Mapping[str, Mapping[str, float]], steps: int, queries: int
) -> list[Row]:
    """The arms from the top down: as they stand in the run, or the cheapest first.

    costs: by an arm's key, as `kdlab.runs.rung_costs.rung_costs` gives them. Seconds are of teacher and student.
    """
    if against == RUNGS:
        return [Row(arm.key, arm.label) for arm in arms]
    spent = {
        arm.key: costs[arm.key]["bytes"]
        if against == BYTES
        else costs[arm.key]["teacher_seconds"] * queries + costs[arm.key]["student_seconds"] * steps
        for arm in arms
    }
    ordered = sorted(arms, key=lambda arm: spent[arm.key])
    said = {key: size(8 * cost) if against == BYTES else f"{cost:,.1f} s" for key, cost in spent.items()}
    return [Row(arm.key, f"{arm.label} · {said[arm.key]}") for arm in ordered]


def ladder_figure(
    levels: Mapping[str, Level],
    arms: tuple[Arm, ...],
    metric: Metric,
    teacher: float | None,
    drawn: list[Row],
) -> Figure:
    """The arms' means, by key, with 95 % intervals over seeds; the teacher as a line where it has this number."""
    roles = {arm.key: role for role, arm in drawn_as(arms)}
    traces: list[dict[str, Any]] = []
    for place, row in enumerate(drawn):
        (mean, half), role = levels[row.key], roles[row.key]
        if not np.isfinite(mean):
            continue
        low, high = np.clip([mean - half, mean + half], *metric.range)
        traces.append(
            {
                "x": [mean],
                "y": [place],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 12},
                "error_x": error_bar(mean, low, high, color=role.colour, thickness=3, width=0),
                "hovertemplate": f"{row.name} %{{x:{metric.form}}}{interval_words(low, high, metric.form)}<extra></extra>",
            }
        )
    shapes, labels = [], []
    if teacher is not None:
        ends = {"x0": teacher, "x1": teacher, "yref": "paper", "y0": 0, "y1": 1}
        shapes.append({"type": "line", **ends, "line": ROLES["teacher"].line(2)})
        above = {"yref": "paper", "yanchor": "bottom", "xanchor": "right", "xshift": 0}
        labels.append(direct_label(teacher, 1, "Teacher", "teacher", **above))
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "title": {"text": metric.title + (f", {metric.unit}" if metric.unit else "")},
                "tickformat": metric.form if metric.unit else ".0%",
                "nticks": 5,
                "tickangle": 0,
            },
            "yaxis": {
                "tickvals": list(range(len(drawn))),
                "ticktext": [row.name for row in drawn],
                "range": [len(drawn) - 0.4, -0.6],
                "showgrid": False,
            },
            "annotations": labels,
            "shapes": shapes,
            "margin": {"t": 24},
        },
    }
