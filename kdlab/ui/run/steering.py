"""Steering: temperature and KD weight, moved while one's own run goes on, act on it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from kdlab.runs.known_recipes import launched_with
from kdlab.runs.ladder import Ladder
from kdlab.runs.recipes import Recipe
from kdlab.runs.store import NotYoursError, Run, Store
from kdlab.server.identity import visitor_id
from kdlab.ui.run.keys import key_of

_STEERED = ("temperature", "kd_weight")
_PREFIX = "steered-"  # + run id: where this tab's sliders stood when they were last looked at
_KNOWN = "known-"  # + run id: what this tab last knew the run to be set to


def steer(store: Store | None, run_id: str | None, settings: Recipe) -> Run | None:
    """Passes the two sliders on to the run where they have been moved since it was first on show.

    Where they stand when a page opens steers nothing: a link must not change the run it leads to.
    Returns the run as it now is. Raises StoreError; what was not passed on then is at the next call.
    """
    if store is None or run_id is None:
        return None
    now = {name: getattr(settings, name) for name in _STEERED}
    key = f"{_PREFIX}{run_id}"
    known = st.session_state.setdefault(key, now)
    moved = {name: value for name, value in now.items() if value != known[name]}
    run = store.get(run_id)
    if run is not None and moved and in_hand(run) and not _differs(run, settings):
        wanted = steered_values(run) | moved
        try:
            taken = store.steer(run_id, visitor_id(), wanted)
        except NotYoursError as error:
            st.toast(str(error))
            taken = False
        if taken:
            run = replace(run, asked=wanted)
            st.session_state[f"{_KNOWN}{run_id}"] = wanted
    st.session_state[key] = now
    return run


def whom_it_steers(run: Run | None, settings: Recipe) -> str:
    """What the two sliders act on, in a sentence that stands beside them."""
    if run is None or not run.active:
        return "These two are for your next run."
    if run.owner != visitor_id():
        return "These two are for your next run: the one on show is another visitor's, who alone steers it."
    if not run.under_way:
        return "These two are for your next run: the one on show still waits, with its own settings."
    if differs := _differs(run, settings):
        return f"These two are for your next run: the one at work has another {differs}."
    now = steered_values(run)
    return f"These two **steer your run at work**: it holds T {now['temperature']:g}, w {now['kd_weight']:g}."


def in_hand(run: Run | None) -> bool:
    """Whether the run is under way and this visitor's own."""
    return run is not None and run.under_way and run.owner == visitor_id()


def steered_values(run: Run) -> dict[str, float]:
    """Temperature and kd_weight as they are now, or were at the run's end; empty for a run that has no such sliders."""
    launched = launched_with(run.spec)
    if launched is None or isinstance(launched, Ladder):
        return {}
    steering = run.asked if run.active else run.steering
    return {name: steering.get(name, getattr(launched, name)) for name in _STEERED}


def drifted(run: Run) -> bool:
    """Whether another tab of this visitor has steered the run since this one last looked."""
    return in_hand(run) and st.session_state.get(f"{_KNOWN}{run.id}", steered_values(run)) != steered_values(
        run
    )


def follow(run: Run | None) -> None:
    """Sets the two sliders as another tab has steered the run. Call it before the controls are drawn."""
    if run is None:
        return
    if drifted(run):
        launched = launched_with(run.spec)
        assert launched is not None, "a run that drifted has sliders"
        for name, value in steered_values(run).items():
            st.session_state[key_of(type(launched), name)] = value
        st.session_state[f"{_PREFIX}{run.id}"] = steered_values(run)
    st.session_state[f"{_KNOWN}{run.id}"] = steered_values(run)


def forget_slider_positions() -> None:
    """The controls were set by something other than a hand on them: where they stand now steers nothing."""
    for key in [key for key in st.session_state if str(key).startswith(_PREFIX)]:
        del st.session_state[key]


def _differs(run: Run, settings: Recipe) -> str:
    """What keeps these settings from steering the run: the first that is another, empty where none is."""
    launched = launched_with(run.spec)
    if type(launched) is not type(settings):
        return "kind of experiment"
    names = (name for name in ("dataset", "student", "objective") if hasattr(settings, name))
    return next((name for name in names if getattr(settings, name) != getattr(launched, name)), "")
