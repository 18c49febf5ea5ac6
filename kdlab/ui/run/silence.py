"""A run at work of which nothing is heard: its store takes no word of it, or its process is held up."""

from __future__ import annotations

import time

import streamlit as st

from kdlab.runs.store import Run, Store, StoreError

_SEEN = "heartbeat-seen"  # of which run, its last value, and since when it stands still
_LONG = 4.0  # seconds; workers beat every second


def silent_because(run: Run, store: Store | None) -> str | None:
    """Why nothing is heard of the run, in a sentence; None while it is, and for a run that does not train."""
    if store is None or run.state != "running":
        return None
    seen, now = (run.id, run.heartbeat), time.monotonic()
    last, since = st.session_state.get(_SEEN, (seen, now))
    if last != seen:
        since = now
    st.session_state[_SEEN] = (seen, since)
    if now - since < _LONG:
        return None
    try:
        store.touch()
    except StoreError as error:
        return f"{error} The run goes on meanwhile, and what it finds waits to be written."
    return f"Nothing is heard of this run since {now - since:.0f} s: its process is held up. It may come back."
