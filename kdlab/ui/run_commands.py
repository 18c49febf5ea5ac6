"""What a visitor asks of a run: kept until the store has taken it, so that no click is lost."""

from __future__ import annotations

import streamlit as st

from kdlab.runs.store import NotYoursError, Store, StoreError
from kdlab.ui.identity import visitor_id

_ASKED = "asked-of-run"


def ask(store: Store, run_id: str, command: str) -> None:
    """Asks for pause, resume, step or cancel."""
    st.session_state[_ASKED] = (run_id, command)
    carry_out(store)


def carry_out(store: Store | None) -> None:
    """Passes on what was asked last; call it at every look at the store. What the store refuses now waits."""
    if store is None or _ASKED not in st.session_state:
        return
    run_id, command = st.session_state[_ASKED]
    try:
        store.command(run_id, visitor_id(), command)
    except NotYoursError as error:
        st.toast(str(error))
    except StoreError:
        return
    del st.session_state[_ASKED]


def still_waits(run_id: str) -> str | None:
    """The command that the store has not taken yet, None where nothing waits."""
    asked = st.session_state.get(_ASKED)
    return asked[1] if asked and asked[0] == run_id else None
