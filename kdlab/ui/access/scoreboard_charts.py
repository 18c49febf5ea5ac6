"""The scoreboard's picture: how much of its teacher's accuracy each arm's student keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.distill.arms import Arm
from kdlab.runs.comparison import Comparison
from kdlab.ui.look.numbers import interval_words
from kdlab.ui.look.series import error_bar
from kdlab.ui.look.style import ROLES, Figure, direct_label
from kdlab.ui.run.charts import drawn_as


def accuracy_kept(found: Comparison, arms: tuple[Arm, ...]) -> Figure:
    """A row an arm: its mean share of the teacher's accuracy, with the 95 % interval over seeds; the teacher at 100 %."""
    traces: list[dict[str, Any]] = []
    lowest = highest = 1.0
    for place, (role, arm) in enumerate(drawn_as(arms)):
        kept = found.kept(arm.key)
        mean = float(kept.mean)
        if not np.isfinite(mean):
            continue
        low, high = (mean, mean) if kept.n < 2 else (float(kept.low), float(kept.high))
        lowest, highest = min(lowest, low), max(highest, high)
        traces.append(
            {
                "x": [mean],
                "y": [place],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 12},
                "error_x": error_bar(kept.mean, kept.low, kept.high, color=role.colour, thickness=3, width=0),
                "hovertemplate": f"{arm.label} %{{x:.1%}}{interval_words(float(kept.low), float(kept.high), '.1%')}<extra></extra>",
            }
        )
    ends = {"x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1}
    above = {"yref": "paper", "yanchor": "bottom", "xanchor": "right", "xshift": 0}
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "title": {"text": "Kept of the teacher's accuracy"},
                "tickformat": ".0%",
                "nticks": 5,
                "tickangle": 0,
                "range": [lowest - 0.02, highest + 0.02],
            },
            "yaxis": {
                "tickvals": list(range(len(arms))),
                "ticktext": [arm.label for arm in arms],
                "range": [len(arms) - 0.4, -0.6],
                "showgrid": False,
            },
            "shapes": [{"type": "line", **ends, "line": ROLES["teacher"].line(2)}],
            "annotations": [direct_label(1, 1, "Teacher", "teacher", **above)],
            "margin": {"t": 24},
        },
    }
