"""Temperature and KD weight as a rudder: moved while one's own run goes on, they act on it."""

from __future__ import annotations

import streamlit as st

from kdlab.runs.spec import RunSpec
from kdlab.runs.store import AT_WORK, NotYoursError, Run, Store
from kdlab.ui.identity import visitor_id

_STEERED = ("temperature", "kd_weight")
_PREFIX = "steered-"


def steer(store: Store, run_id: str, spec: RunSpec) -> None:
    """Passes the two sliders on to the run where they have been moved since it was first on show.

    Where they stand when a page opens steers nothing: a link must not change the run it leads to.
    """
    now = {name: getattr(spec, name) for name in _STEERED}
    key = f"{_PREFIX}{run_id}"
    known = st.session_state.setdefault(key, now)
    moved = {name: value for name, value in now.items() if value != known[name]}
    if not moved:
        return
    st.session_state[key] = now
    run = store.get(run_id)
    if run is None or run.state not in AT_WORK or run.owner != visitor_id():
        return
    if any(getattr(spec, name) != getattr(run.spec, name) for name in ("dataset", "student", "objective")):
        return  # these controls prepare another run
    try:
        store.steer(run_id, visitor_id(), held(run) | moved)
    except NotYoursError as error:
        st.toast(str(error))


def held(run: Run) -> dict[str, float]:
    """Temperature and kd_weight as they are now, or were at the run's end."""
    return {name: run.steering.get(name, getattr(run.spec, name)) for name in _STEERED}


def forget_rudder() -> None:
    """The controls were set by something other than a hand on them: where they stand now steers nothing."""
    for key in [key for key in st.session_state if str(key).startswith(_PREFIX)]:
        del st.session_state[key]
