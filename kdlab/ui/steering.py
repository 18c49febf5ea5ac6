"""Temperature and KD weight as a rudder: moved while one's own run goes on, they act on it."""

from __future__ import annotations

import streamlit as st

from kdlab.runs.spec import RunSpec
from kdlab.runs.store import AT_WORK, NotYoursError, Store
from kdlab.ui.identity import visitor_id

_STEERED = ("temperature", "kd_weight")


def steer(store: Store, run_id: str, spec: RunSpec) -> None:
    """Passes the two sliders on to the run where they have been moved since it was first on show.

    Where they stand when a page opens steers nothing: a link must not change the run it leads to.
    """
    now = {name: getattr(spec, name) for name in _STEERED}
    key = f"steered-{run_id}"
    known = st.session_state.setdefault(key, now)
    moved = {name: value for name, value in now.items() if value != known[name]}
    if not moved:
        return
    st.session_state[key] = now
    run = store.get(run_id)
    if run is None or run.state not in AT_WORK or run.owner != visitor_id():
        return
    held = {name: run.steering.get(name, getattr(run.spec, name)) for name in _STEERED}
    try:
        store.steer(run_id, visitor_id(), held | moved)
    except NotYoursError as error:
        st.toast(str(error))
