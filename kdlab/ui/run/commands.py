"""What a visitor asks of a run: it goes on waiting while the store refuses it."""

from __future__ import annotations

import streamlit as st

from kdlab.runs.spec import RunSpec
from kdlab.runs.store import NotYoursError, Store, StoreError, TooManyRunsError
from kdlab.server.identity import visitor_id
from kdlab.ui.run.on_show import put_on_show
from kdlab.ui.widgets.ask_button import asked

COMMAND, LAUNCH, AGAIN = "command", "launch", "again"
_FAULT = "launch-fault"


def carry_out(store: Store | None) -> None:
    """Does what waits; call it at every look at the store. What the store refuses now goes on waiting."""
    if store is None:
        return
    if AGAIN in asked():
        launch(store, asked()[AGAIN], AGAIN)
    if COMMAND not in asked():
        return
    run_id, command = asked()[COMMAND]
    try:
        store.command(run_id, visitor_id(), command)
    except NotYoursError as error:
        st.toast(str(error))
    except StoreError:
        return
    asked().pop(COMMAND, None)


def still_waits(run_id: str) -> str | None:
    """The command that the store has not taken yet, None where nothing waits."""
    about, command = asked().get(COMMAND, ("", None))
    return command if about == run_id else None


def launch(store: Store, spec: RunSpec, what: str) -> None:
    """Queues the run and puts it on show. Where this is cut off it is done again, and the store has the run once."""
    try:
        put_on_show(store.enqueue(spec, visitor_id()), launched=True)
    except (StoreError, TooManyRunsError) as error:
        st.session_state[_FAULT] = str(error)
    asked().pop(what, None)
    st.rerun()  # the run on show is another


def launch_fault() -> str | None:
    """Why the last launch failed; said once."""
    return st.session_state.pop(_FAULT, None)
