"""The head of the run on show: its state, and the buttons that hold it in hand.

The buttons stand outside the fragment that polls: a tab that has just found its server again may click them
before that fragment is known there.
"""

from __future__ import annotations

import time

import streamlit as st

from kdlab.runs.store import Run, Store
from kdlab.server.identity import visitor_id
from kdlab.ui.run.commands import AGAIN, COMMAND, still_waits
from kdlab.ui.run.source import REPLAY, Shown
from kdlab.ui.run.titles import run_title, state_words
from kdlab.ui.widgets.ask_button import ask_button, asked


def run_head(shown: Shown, store: Store | None) -> None:
    """Draws the head."""
    run = shown.run
    with st.container(key="run-head", horizontal=True, vertical_alignment="center"):
        words = st.container(width="stretch")
        buttons = st.container(horizontal=True, horizontal_alignment="right", width="content")
    words.markdown(_state(shown))
    with buttons:
        if shown.recorded:
            ask_button("Replay", REPLAY, shown.stand_in, icon=":material/replay:", key="replay")
            if REPLAY in asked():  # pressed on a server that had just started
                st.rerun()
        elif store is None:
            return
        elif run.active and run.owner == visitor_id():
            _hold_buttons(run)
        elif run.state in ("lost", "failed", "cancelled"):
            ask_button(
                "Run again",
                AGAIN,
                run.spec,
                icon=":material/restart_alt:",
                key="again",
                help="Launches the run on show once more, with its own settings.",
            )


def _state(shown: Shown) -> str:
    if not shown.recorded:
        return f"**{state_words(shown.run)}**"
    ended = time.gmtime(shown.run.ended or 0)
    return (
        f"**A run recorded on {ended.tm_mday} {time.strftime('%B %Y', ended)}**, with "
        f"{'the default settings' if 'default settings' in run_title(shown.run) else 'the settings that its name tells'}. Launch for yours."
    )


def _hold_buttons(run: Run) -> None:
    stopping = "cancel" in (run.command, still_waits(run.id))
    offers = {"running": ("pause",), "paused": ("resume", "step")}.get(run.state, ())
    for command in (*offers, "cancel"):
        label, icon = _OFFERS[command]
        ask_button(label, COMMAND, (run.id, command), icon=icon, key=f"ask-{command}", disabled=stopping)


_OFFERS = {
    "pause": ("Pause", ":material/pause:"),
    "resume": ("Resume", ":material/play_arrow:"),
    "step": ("One step", ":material/skip_next:"),
    "cancel": ("Stop", ":material/stop:"),
}
