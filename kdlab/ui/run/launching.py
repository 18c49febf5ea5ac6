"""Settings and the button that launches them, and the head of the run on show: what pages that train have in common."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Store
from kdlab.ui.run.commands import LAUNCH, launch, launch_fault
from kdlab.ui.run.head import run_head
from kdlab.ui.run.source import Shown
from kdlab.ui.widgets.ask_button import ask_button, asked


def launch_pad(store: Store | None, settings: Callable[[], RunSpec | None]) -> None:
    """Draws *Launch* and, below it, the settings in a fragment of their own.

    settings: draws them and gives the run that they ask for, None where they do not fit together.
    """
    # Above the settings, so that it is seen without scrolling; outside their fragment, so that no click is lost.
    button = st.container()
    spec = st.fragment(settings)()
    with button:
        ask_button(
            "Launch",
            LAUNCH,
            True,
            type="primary",
            icon=":material/rocket_launch:",
            key="launch",
            width="stretch",
            disabled=store is None,
        )
    if LAUNCH in asked() and store is not None and spec is not None:
        launch(store, spec, LAUNCH)
    asked().pop(LAUNCH, None)  # these settings do not fit together


def head_of(shown: Shown, store: Store | None, absent: str | None) -> None:
    """Draws what went wrong with a launch, why the run that was asked for is not here, and the head of the one on show."""
    if fault := launch_fault():
        st.error(fault, icon=":material/error:")
    if absent:
        st.info(absent)
    run_head(shown, store)
