"""The figure of ULD: the likeliest tokens of two models, rank by rank, whatever tokens these are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kdlab.ui.language.vocabulary_readers import Compared, Reading, seen
from kdlab.ui.look.style import ROLES, Figure

RANKS = 10
PITCH = 38
HEIGHT = (RANKS + 1) * PITCH + 44
_OFF = 0.2
_SPANS = (0.05, 0.1, 0.2, 0.4, 0.6, 1.0)
_ROOM = 1.75  # of the longest bar: for the token's name beside it


def ranked(probabilities: np.ndarray, pieces: Sequence[bytes], ranks: int = RANKS) -> list[tuple[str, float]]:
    """The likeliest tokens with their probabilities, the first first."""
    order = np.argsort(-probabilities, kind="stable")[:ranks]
    return [(seen(pieces[i]) or "end of text", float(probabilities[i])) for i in order]


def rank_pairs(reading: Reading, compared: Compared) -> Figure:
    """A row a rank: the teacher's bar and the student's, each with the token whose probability it is."""
    sides = (
        ("teacher", ROLES["teacher"], reading.readers.teacher, compared.p, -_OFF),
        ("student", ROLES["soft_targets"], reading.readers.student, compared.q, _OFF),
    )
    highest = max(float(compared.p.max()), float(compared.q.max()))
    span = next(span for span in _SPANS if highest <= span + 1e-9)
    traces: list[dict[str, Any]] = []
    for who, role, reader, probabilities, off in sides:
        tokens = ranked(probabilities, reader.names())
        rows = [row + off for row in range(len(tokens))]
        shares = [share for _, share in tokens]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": rows,
                "x": shares,
                "width": 0.36,
                "marker": {"color": role.colour},
                "customdata": [f"rank {i + 1}, {who}: “{_plain(name)}”" for i, (name, _) in enumerate(tokens)],
                "hovertemplate": "%{customdata} %{x:.2%}<extra></extra>",
            }
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": shares,
                "y": rows,
                "text": [f" {_plain(name)}" for name, _ in tokens],
                "textposition": "middle right",
                "textfont": {"color": role.ink, "size": 13},
                "hoverinfo": "skip",
                "cliponaxis": False,
            }
        )
    ticks = [0, span / 2, span]
    layout = {
        "barmode": "overlay",
        "margin": {"l": 8, "r": 4, "t": 2, "b": 44},
        "xaxis": {
            "range": [0, span * _ROOM],
            "tickvals": ticks,
            "ticktext": [f"{100 * tick:g} %" for tick in ticks],
            "title": {"text": "probability", "standoff": 4},
            "fixedrange": True,
        },
        "yaxis": {
            "range": [RANKS - 0.4, -0.7],
            "tickvals": list(range(RANKS)),
            "ticktext": [str(rank + 1) for rank in range(RANKS)],
            "title": {"text": "rank", "standoff": 4},
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return {"data": traces, "layout": layout}


def _plain(name: str) -> str:
    """A name that Plotly takes for words and not for markup, nor for a colour of the theme; cut where it is long."""
    cut = name if len(name) <= 14 else f"{name[:13]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;")
