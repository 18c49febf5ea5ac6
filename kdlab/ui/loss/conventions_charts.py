"""The figure of the conventions: a library's loss beside ours, as bars of their terms."""

from __future__ import annotations

from collections.abc import Sequence

from kdlab.core.convention_terms import Terms
from kdlab.ui.look.numbers import minus
from kdlab.ui.look.style import ROLES, Figure

ROW_PIXELS = 62
READABLE = 0.14
"""A part of the longest bar below which a number has no room in it."""


def loss_bars(rows: Sequence[tuple[str, Terms]], third: str) -> Figure:
    """One bar a loss, cut into its terms, with its total in nats at the end. third: what the other term is."""
    names = [name for name, _ in rows]
    y = list(range(len(rows)))
    parts = (
        ("cross-entropy term", ROLES["supervised"].colour, [terms.supervised for _, terms in rows]),
        ("distillation term", ROLES["distillation"].colour, [terms.distillation for _, terms in rows]),
        (third, ROLES["hard_labels"].colour, [terms.other for _, terms in rows]),
    )
    ends = [sum(max(part, 0.0) for part in (t.supervised, t.distillation, t.other)) for _, t in rows]
    lowest = min(min(t.supervised, t.distillation, t.other, 0.0) for _, t in rows)
    most = max(*ends, 1e-3)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "x": values,
            "y": y,
            "width": 0.42,
            "marker": {"color": colour},
            # Where a number does not fit into its bar it is left out; the hover has it.
            "text": [minus(f"{value:.3f}") if abs(value) > READABLE * most else "" for value in values],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "textfont": {"color": "#14171C", "size": 12},
            "constraintext": "none",
            "hovertemplate": f"{name}: %{{x}} nats<extra></extra>",
        }
        for name, colour, values in parts
    ]
    notes = [
        {
            "x": min(0.0, lowest),
            "y": row,
            "text": name,
            "showarrow": False,
            "xanchor": "left",
            "yshift": 25,
            "font": {"color": "@ink", "size": 13},
        }
        for row, name in enumerate(names)
    ]
    notes += [
        {
            "x": end,
            "y": row,
            "text": minus(f"<b>{terms.total:.3f}</b>"),
            "showarrow": False,
            "xanchor": "left",
            "xshift": 6,
            "font": {"color": "@ink", "size": 14},
        }
        for row, (end, (_, terms)) in enumerate(zip(ends, rows, strict=True))
    ]
    layout = {
        "barmode": "relative",
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "xaxis": {
            "range": [lowest * 1.05, most * 1.22],
            "title": {"text": "loss, nats"},
            "hoverformat": ".3f",  # as the axis writes it: a format in the template would leave the hyphen of d3
            "nticks": 6,
            "fixedrange": True,
        },
        "yaxis": {
            "range": [len(rows) - 0.55, -0.75],
            "showticklabels": False,
            "showgrid": False,
            "fixedrange": True,
        },
        "annotations": notes,
    }
    return {"data": traces, "layout": layout}
