"""Bars that are dragged: one value a class and a series, moved with the mouse, a finger or the arrow keys.

Like `live_slider`: it answers at most thirty times a second while it is dragged, and what was moved
lives in the URL, so that a link reproduces the view.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from kdlab.ui.look.style import ROLES
from kdlab.ui.look.tokens import ROLE_INKS
from kdlab.ui.url_state import adopt, publish, shortened
from kdlab.ui.widgets.component_source import component
from kdlab.ui.widgets.frame_tools import projector

_HTML = """
<div class="bars">
  <div class="head"><span class="keys"></span><button class="reset" type="button" disabled>Reset</button></div>
  <div class="rows" role="group"></div>
  <div class="notice" role="status" hidden></div>
</div>
"""
_bars = component("live_bars", html=_HTML)
LIMIT = 12.0
Moves = tuple[float | None, ...]
"""One entry a class: where its bar was moved to, None where it stands as it came."""


@dataclass(frozen=True)
class Series:
    """One bar a class: its parameter in the URL, its name and role, and where the bars stand at first (K,)."""

    key: str
    name: str
    role: str
    start: np.ndarray


def live_bars(
    label: str,
    *,
    key: str,
    classes: Sequence[str],
    series: Sequence[Series],
    hard_label: int | None = None,
    label_words: str = "",
    unit: str = "",
    pitch: int = 34,
) -> list[np.ndarray]:
    """The values of every series now, each (K,), from −limit to limit; limit is `LIMIT`, or what a start needs.

    A moved value is rounded to 0.1; one that was not moved is exactly its start. pitch: pixels a row.
    The URL holds a series' moves as "_"-joined numbers, empty where nothing was moved. What a link holds
    and does not fit is told under the bars. Moves stay until `forget_moves`: whoever shows other classes
    or starts calls it.
    """
    limit = bar_limit(*(one.start for one in series))
    notices = [_adopted(one, len(classes), limit) for one in series]
    shown = repr((list(classes), [one.start.tolist() for one in series]))
    subject = f"{zlib.crc32(shown.encode()):x}"
    move, taken = _move(key, len(series), len(classes)), f"taken-{key}"

    def moved() -> None:
        move = _move(key, len(series), len(classes))
        # The browser may still send a move of the bars that were there before.
        if move is None or move["subject"] != subject:
            return
        for one, values in zip(series, move["values"], strict=True):
            st.session_state[one.key] = moves_between(one.start, values, limit)
        st.session_state[taken] = move["count"]

    now = [_applied(one.start, st.session_state[one.key]) for one in series]
    inks = {role: f"light-dark({ROLE_INKS['light'][role]}, {ROLE_INKS['dark'][role]})" for role in ROLES}
    _bars(
        key=key,
        data={
            "name": label,
            "classes": list(classes),
            "series": [
                {
                    "name": one.name,
                    "colour": ROLES[one.role].colour,
                    "ink": inks[one.role],
                    "start": one.start.tolist(),
                    "values": values.tolist(),
                }
                for one, values in zip(series, now, strict=True)
            ],
            "subject": subject,
            "taken": st.session_state.get(taken, 0),
            "limit": limit,
            "label": -1 if hard_label is None else hard_label,
            "label_words": label_words,
            "unit": unit,
            "pitch": pitch,
            "large": projector(),
            "notice": " ".join(filter(None, notices)),
        },
        on_move_change=moved,
    )
    if move is None or move["settled"]:
        for one in series:
            publish(one.key, written(st.session_state[one.key]))
    return now


def forget_moves(*keys: str) -> None:
    """Lets the bars of these series stand as they came, before they are shown."""
    for key in keys:
        st.session_state[key] = None
        publish(key, None)


def bar_limit(*starts: np.ndarray) -> float:
    """How far a bar may go: `LIMIT`, or the next whole number that no start exceeds."""
    return max(LIMIT, *(math.ceil(np.abs(start).max()) for start in starts))


def read_moves(text: str, classes: int, limit: float) -> tuple[Moves, bool] | None:
    """Moves out of a URL, and whether one had to be cut to the limit; None where the text means none."""
    parts = re.split(r"\s*[,;_]\s*|\s+", text[:400].strip())
    if len(parts) != classes:
        return None
    try:
        values = [None if part == "" else float(part) for part in parts]
    except ValueError:
        return None
    if any(value is not None and math.isnan(value) for value in values):
        return None
    cut = [None if value is None else _on_grain(value, limit) for value in values]
    return tuple(cut), any(value is not None and abs(value) > limit for value in values)


def written(moves: Moves | None) -> str | None:
    """Moves as they stand in a URL; None where there are none."""
    if moves is None or all(value is None for value in moves):
        return None
    return "_".join("" if value is None else f"{value:g}" for value in moves)


def moves_between(start: np.ndarray, values: Sequence[float], limit: float) -> Moves:
    """What was moved: values that differ from the start, on the grain of 0.1 and within the limit."""
    return tuple(
        None if value == at_first else _on_grain(value, limit)
        for value, at_first in zip(values, start.tolist(), strict=True)
    )


def _on_grain(value: float, limit: float) -> float:
    # + 0.0 turns −0.0 into 0.0.
    return round(min(max(value, -limit), limit), 1) + 0.0


def _applied(start: np.ndarray, moves: Moves | None) -> np.ndarray:
    if moves is None:
        return start.copy()
    return np.array(
        [at_first if value is None else value for at_first, value in zip(start, moves, strict=True)]
    )


def _adopted(one: Series, classes: int, limit: float) -> str:
    """Sets the session's moves of a series from the URL where it is to; returns a notice."""
    cut = False

    def read(text: str) -> Moves | None:
        nonlocal cut
        found = read_moves(text, classes, limit)
        if found is None:
            return None
        moves, cut = found
        return moves

    rejected = adopt(one.key, None, read)
    moves = st.session_state[one.key]
    if moves is not None and len(moves) != classes:
        st.session_state[one.key] = None
    if rejected is not None:
        return (
            f"The link asked for “{shortened(rejected)}” as {one.name.lower()} logits: not {classes} numbers. "
            "They stand as they came."
        )
    return f"The link asked for logits beyond ±{limit:g}; they were cut to it." if cut else ""


def _move(name: str, series: int, classes: int) -> dict[str, Any] | None:
    """What the browser told last, None before the first move or where it is not what our bars send."""
    state = st.session_state.get(name)
    move = state.get("move") if state is not None else None
    match move:
        case {"values": list() as values, "count": int(), "settled": bool(), "subject": str()} if len(
            values
        ) == series and all(_row(row, classes) for row in values):
            return move
    return None


def _row(row: Any, classes: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == classes
        and all(isinstance(value, int | float) and math.isfinite(value) for value in row)
    )
