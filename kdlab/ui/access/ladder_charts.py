"""The ladder as a figure: how good each arm's students are, against what the teacher revealed to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.distill.arms import Arm
from kdlab.distill.metrics import Metric
from kdlab.runs.curves import Curves
from kdlab.ui.look.style import ROLES, Figure, direct_label
from kdlab.ui.run.charts import drawn_as

RUNGS, BYTES, SECONDS = "Rungs", "Bytes a query", "Seconds"


def heights(
    arms: tuple[Arm, ...], against: str, costs: dict[str, dict[str, float]], steps: int, queries: int
) -> list[float]:
    """Where each arm stands on the upright axis: its number from the top, or what it cost. NaN where that is unknown.

    costs: by an arm's key, as `kdlab.runs.rung_costs.rung_costs` gives them. Seconds are of teacher and student.
    """
    if against == RUNGS:
        return [float(-place) for place in range(len(arms))]
    found = []
    for arm in arms:
        cost = costs.get(arm.key)
        if cost is None:
            found.append(float("nan"))
        elif against == BYTES:
            found.append(cost["bytes"] or float("nan"))
        else:
            found.append(cost["teacher_seconds"] * queries + cost["student_seconds"] * steps)
    return found


def ladder_figure(
    curves: Curves,
    arms: tuple[Arm, ...],
    metric: Metric,
    teacher: float | None,
    where: list[float],
    against: str,
) -> Figure:
    """The arms' means now, with 95 % intervals over seeds; the teacher as a line where it has this number.

    where: each arm's height, as `heights` gives it. Against rungs each arm is a row with its name.
    """
    rows = against == RUNGS
    traces: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for (role, arm), y in zip(drawn_as(arms), where, strict=True):
        line = curves.line(metric.name, arm.key)
        mean, half = float(line.mean[-1]), float(np.nan_to_num(line.half[-1]))
        if not np.isfinite(mean) or not np.isfinite(y):
            continue
        traces.append(
            {
                "x": [mean],
                "y": [y],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 12},
                "error_x": {
                    "type": "data",
                    "array": [half],
                    "color": role.colour,
                    "thickness": 3,
                    "width": 0,
                },
                "hovertemplate": f"{arm.label} %{{x:{metric.form}}} ± {half:{metric.form}}<extra></extra>",
            }
        )
        if not rows:
            labels.append(
                direct_label(
                    mean,
                    np.log10(y) if against == BYTES else y,
                    arm.label,
                    role,
                    yshift=12,
                    xshift=0,
                    xanchor="center",
                )
            )
    upright: dict[str, Any] = {
        "title": {"text": "" if rows else f"{against}, all told" if against == SECONDS else against}
    }
    if rows:
        upright |= {
            "tickvals": where,
            "ticktext": [arm.label for arm in arms],
            "range": [min(where) - 0.6, max(where) + 0.6],
            "showgrid": False,
        }
    elif against == BYTES:
        upright |= {"type": "log"}
    shapes = []
    if teacher is not None:
        shapes.append(
            {
                "type": "line",
                "x0": teacher,
                "x1": teacher,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": ROLES["teacher"].line(2),
            }
        )
        labels.append(
            direct_label(
                teacher, 1, "Teacher", "teacher", yref="paper", yanchor="bottom", xanchor="right", xshift=0
            )
        )
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "title": {"text": metric.title + (f", {metric.unit}" if metric.unit else "")},
                "tickformat": metric.form if metric.unit else ".0%", "nticks": 5, "tickangle": 0,
            },
            "yaxis": upright,
            "annotations": labels,
            "shapes": shapes,
            "margin": {"t": 24},
        },
    }
