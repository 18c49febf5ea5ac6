"""A Plotly figure that keeps its node: new numbers redraw it, zoom and hover stay.

`st.plotly_chart` mounts a new chart for every change of its data. This component calls
``Plotly.react`` on the one it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from kdlab.server.plotly_source import plotly_address
from kdlab.ui.look.style import styled
from kdlab.ui.widgets.component_source import component
from kdlab.ui.widgets.frame_tools import projector

_HTML = """
<figure class="kdlab-figure">
  <h3></h3>
  <div class="kdlab-plot" role="img"></div>
  <div class="kdlab-tools">
    <button type="button" hidden>Show all</button><button type="button" disabled>Save picture</button>
  </div>
  <p></p>
  <figcaption></figcaption>
</figure>
"""
# Plotly writes its style sheet into the document's head, which a shadow root does not see.
_plot = component("live_plot", html=_HTML, isolate_styles=False)


def live_plot(
    figure: Any,
    *,
    key: str,
    height: int,
    alt: str,
    title: str = "",
    level: int = 3,
    sentence: str = "",
    caption: str = "",
    on_click: bool | Callable[[dict[str, Any]], None] = False,
    every_ms: int = 0,
    plays: bool = False,
) -> dict[str, Any] | None:
    """Draws the figure; returns the point that was just clicked, else None.

    figure: ``{"data": [...], "layout": {...}}`` of plain numbers and lists, or a plotly Figure; it is
    given the lab's style. height: pixels; more of them on the projector. alt: what the picture shows, for those who do not see it.
    title stands above it, a heading of that level; below it the sentence that says what is seen, with **bold** words, and a
    caption. As parts of the figure they cost a drag less than Streamlit elements of their own.
    With on_click, a click gives ``{"curve": int, "x": ..., "y": ..., "customdata": ...}``; a function
    is called with it before the script runs again, when widgets may still be set. every_ms: the least
    time between two drawings, for a costly figure beside the one that the visitor looks at. plays: it moves by
    itself; whoever wants less motion then sees still pictures, two seconds apart. A right margin of "@labels" is
    as wide as the labels beside the lines' ends.
    """

    def clicked() -> None:
        point = st.session_state[key].clicked
        if callable(on_click) and point:
            on_click(point)

    answer = _plot(
        key=key,
        data={
            # One string: Streamlit looks into nested data for tables, which takes longer than the drawing.
            "figure": json.dumps(_short(styled(figure)), allow_nan=False, separators=(",", ":")),
            "height": height,
            "alt": alt,
            "title": title,
            "level": level,
            "sentence": sentence,
            "caption": caption,
            "clickable": bool(on_click),
            "every_ms": every_ms,
            "plays": plays,
            "large": projector(),
            "plotly": plotly_address(),
        },
        on_clicked_change=clicked,
    )
    return answer.clicked if on_click else None


def _short(value: Any) -> Any:
    """The same as JSON can hold it, with numbers of six digits: no screen shows more, and all of them travel."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _short(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_short(entry) for entry in value]
    return _short(value.tolist()) if isinstance(value, np.ndarray | np.generic) else value
