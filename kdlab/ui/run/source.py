"""The run on show: from the store by the id in the URL, or the recorded one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from kdlab.runs import artifacts
from kdlab.runs.curves import Curves, asked_so_far, curves
from kdlab.runs.points import LIVE, Row
from kdlab.runs.recorded import OWNER, recorded_run
from kdlab.runs.store import Run, Store
from kdlab.ui.widgets.ask_button import asked

REPLAY = "replay"
_REPLAY_SECONDS = 12.0  # a replay takes this long, however long the run took
_LONGEST_LOOK = 1.0  # seconds that it goes on by, at most, between two looks: a busy browser sees all of it, slower


@dataclass(frozen=True)
class Shown:
    """A run with its curves. ``share`` is how far it is, in whatever time it is shown."""

    run: Run
    curves: Curves | None
    share: float
    moving: bool
    stand_in: str = "three_arms"
    """The recorded run that the page shows where there is no other (`kdlab.runs.recorded.recording_of`)."""
    asked: float | None = None
    """Of what its teacher is asked before the first step, the share that it has answered."""

    @property
    def recorded(self) -> bool:
        return self.run.owner == OWNER

    @property
    def replayed(self) -> bool:
        """Whether what moves was over long ago."""
        return self.recorded and self.moving


def stored(store: Store, run_id: str, stand_in: str = "three_arms") -> Shown | None:
    """A run of the store; its points are fetched only as far as they are new. None where there is none."""
    run = store.get(run_id)
    if run is None:
        return None
    kept: dict[str, list[Any]] = st.session_state.setdefault("points-of-runs", {})
    rows = kept.setdefault(run_id, [])
    rows += store.points(run_id, after=rows[-1][0] if rows else -1, kinds=LIVE)
    for other in [other for other in kept if other != run_id][:-3]:
        del kept[other]
    share = run.step / run.steps if run.steps else 0.0
    return Shown(run, curves(rows, run.spec), share, run.active, stand_in, asked_so_far(rows))


def on_show(run_id: str | None, store: Store | None, stand_in: str = "three_arms") -> Shown:
    """The run of this id where the store has it, else the recorded one of this name. Raises StoreError."""
    found = stored(store, run_id, stand_in) if run_id and store else None
    return found or recorded(stand_in)


def absent_because(run_id: str | None, shown: Shown, store: Store | None) -> str | None:
    """Why the run of this id is not the one on show, in a sentence; None where it is. Raises StoreError."""
    if not run_id or store is None or shown.run.id == run_id:
        return None
    if store.unreadable(run_id):
        return "The run in this link cannot be read by this lab; Runs says why. Here is a recorded one."
    return "The run in this link is not in this lab's store (any more). Here is a recorded one."


def recorded(name: str = "three_arms") -> Shown:
    """The recorded run of this name, whole, or as far as its replay has come."""
    run, rows, _ = recorded_run(name)
    whole = curves(rows, run.spec)
    share = _replayed(name)
    if share is None or whole is None:
        return Shown(run, whole, 1.0, False, name)
    return Shown(run, whole.until(share * float(whole.seconds[-1])), share, True, name)


def _replayed(name: str) -> float | None:
    """How far the run's replay has come, None where none goes on."""
    replays: dict[str, tuple[float, float]] = st.session_state.setdefault("replays", {})  # seconds seen, last look
    notes, now = asked(), time.monotonic()
    if notes.get(REPLAY) == name:
        replays[name] = 0.0, now
        del notes[REPLAY]
    if name not in replays:
        return None
    seen, looked = replays[name]
    seen += min(now - looked, _LONGEST_LOOK)
    replays[name] = seen, now
    if seen >= _REPLAY_SECONDS:
        del replays[name]
        return None
    return seen / _REPLAY_SECONDS


def answers_of(shown: Shown) -> np.ndarray | None:
    """(arms, seeds, N) classes that the students gave on the test set; None for a run that did not end."""
    return recorded_run(shown.stand_in)[2] if shown.recorded else artifacts.load_answers(shown.run.id)


def seed_rows(shown: Shown, store: Store | None) -> list[Row]:
    """The run's rows with every seed's numbers, which are too many to be fetched at each look. Raises StoreError."""
    if shown.recorded:
        return recorded_run(shown.stand_in)[1]
    return [] if store is None else store.points(shown.run.id, kinds=("columns", "seeds", "point"))
