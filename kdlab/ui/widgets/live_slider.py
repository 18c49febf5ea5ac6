"""A slider that answers while it is dragged, at most thirty times a second.

`st.slider` reruns the script only when it is released. Draw what depends on the value in the same
`st.fragment` as the slider: then a drag reruns nothing else. What has been sent its picture for every value of the slider
follows it in the browser (`sliding.js`), and the script runs when the hand rests.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import streamlit as st

from kdlab.core.counted import singular
from kdlab.ui.look.numbers import minus
from kdlab.ui.url_state import adopt, publish
from kdlab.ui.widgets.component_source import component

Scale = Literal["linear", "log"]

_HTML = """
<div class="slider">
  <div class="head">
    <label for="range"></label>
    <span class="hint" tabindex="0" hidden>?<span class="tip" role="tooltip" id="tip"></span></span>
    <output for="range"></output>
  </div>
  <div class="rail"><input id="range" type="range" disabled /></div>
  <div class="ends" aria-hidden="true"><span class="low"></span><span class="high"></span></div>
  <div class="notice" role="status" hidden></div>
</div>
"""
_slider = component("live_slider", html=_HTML)


def live_slider(
    label: str,
    *,
    key: str,
    min_value: float,
    max_value: float,
    value: float,
    step: float | None = None,
    scale: Scale = "linear",
    help: str = "",
    unit: str = "",
    disabled: bool = False,
    at_rest: bool = False,
) -> float:
    """The slider's value now, always within its range.

    at_rest: it is told only when the hand rests, for what follows in the browser. value: the default. step: the grain of the values; on a log scale they are rounded to two
    significant digits too. The value lives in ``st.session_state[key]``, which a callback may set,
    and in the URL's parameter ``key``: read when the slider is first shown, written when it is
    released, absent at the default. What the URL holds and does not fit gives the default and a
    short notice under the slider.
    """
    span = _Span(min_value, max_value, step, scale)
    value = span.snap(value)
    name, taken = f"slider-{key}", f"taken-{key}"
    rejected = adopt(key, value, span.read)

    def moved() -> None:
        move = _move(name)
        if move is not None:
            st.session_state[key] = span.snap(move["value"])
            st.session_state[taken] = move["count"]

    now = span.snap(st.session_state.get(key, value))
    st.session_state[key] = now
    move = _move(name)
    _slider(
        key=name,
        data={
            "key": key,
            "at_rest": at_rest,
            "label": label,
            "value": now,
            "taken": st.session_state.get(taken, 0),
            "min": min_value,
            "max": max_value,
            "step": step or 0,
            "log": scale == "log",
            "help": help,
            "unit": unit,
            "one": singular(unit),
            "disabled": disabled,
            "notice": rejected and f"The link asked for “{rejected}”, {span.words}. Here is {minus(f'{value:g}')}.",
        },
        on_move_change=moved,
    )
    if move is None or move["settled"]:
        publish(key, None if now == value else f"{now:g}")
    return now


def slider_values(
    min_value: float, max_value: float, step: float, scale: Scale = "linear", **_: object
) -> list[float]:
    """All values that a slider with a step can take, in order: what follows it in the browser needs a picture of each."""
    span = _Span(min_value, max_value, step, scale)
    steps = range(math.floor(min_value / step), math.ceil(max_value / step) + 1)
    return sorted({span.snap(count * step) for count in steps})


class _Span:
    """The values that a slider may take."""

    def __init__(self, low: float, high: float, step: float | None, scale: Scale) -> None:
        if not low < high:
            raise ValueError(f"min_value must be below max_value, got {low} and {high}")
        if scale == "log" and low <= 0:
            raise ValueError(f"a log scale needs min_value above 0, got {low}")
        self.low, self.high, self.step, self.scale = low, high, step, scale

    @property
    def words(self) -> str:
        """What a number is that is none of the slider's."""
        low, high = self.snap(self.low), self.snap(self.high)
        return minus(f"not a number from {low:g} to {high:g}" if low < high else f"but only {low:g} fits")

    def snap(self, value: float) -> float:
        """The nearest value of the slider."""
        value = min(max(float(value), self.low), self.high)
        if self.scale == "log":
            value = float(f"{value:.1e}")
        if self.step:
            # The text form drops the binary noise of a sum of steps.
            value = float(f"{round(value / self.step) * self.step:.12g}")
        return min(max(value, self.low), self.high)

    def read(self, text: str) -> float | None:
        """A number out of a URL, None when it is no number or lies outside."""
        try:
            value = float(text)
        except ValueError:
            return None
        return self.snap(value) if math.isfinite(value) and self.low <= value <= self.high else None


def _move(name: str) -> dict[str, Any] | None:
    """What the browser told last, None before the first move or where it is not what our slider sends."""
    state = st.session_state.get(name)
    move = state.get("move") if state is not None else None
    match move:
        case {"value": int() | float() as value, "count": int(), "settled": bool()} if math.isfinite(value):
            return move
    return None
