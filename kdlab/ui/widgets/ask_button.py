"""What a visitor asks of the lab: noted at the press and kept until it is done, so that no click is lost.

Streamlit may end a run of the script at any of its calls, because a slider has moved meanwhile, and the value of
a pressed button goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st


def asked() -> dict[str, Any]:
    """What waits to be done: what is asked for, and about what."""
    return st.session_state.setdefault("asked", {})


def ask_button(label: str, what: str, about: Any, draws: Callable[..., bool] = st.button, **button: Any) -> None:
    """A button that notes ``asked()[what] = about``: who does it takes the note away. draws: Streamlit's button."""
    notes = asked()
    # The callback calls nothing of Streamlit: it is done whole or not at all. A server that has just started knows
    # no callback of a button that the tab still shows, only its value.
    if draws(label, on_click=notes.__setitem__, args=(what, about), **button):
        notes[what] = about
