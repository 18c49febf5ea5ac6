"""Which run a page shows: the one in the address, else the one that this visit showed there last."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import streamlit as st

from kdlab.lessons.path import ACCESS, DISTILL, LabPage
from kdlab.runs.ladder import Ladder
from kdlab.runs.recipes import Recipe, ThreeArms, settings_of
from kdlab.runs.store import Run, Store, StoreError
from kdlab.ui.run.controls import names_settings, set_controls
from kdlab.ui.run.steering import steered_values
from kdlab.ui.url_state import arrivals, page_on_show

_PARAMETER = "run"
_LAST = "run-shown-last"
_LAUNCHED = "run-just-launched"
_STAY = "run-stay"


def put_on_show(run_id: str, *, launched: bool = False) -> None:
    """Shows this run from now on; the controls stay as they are. launched: by this visitor, a moment ago."""
    st.session_state[_here(_LAST)] = run_id
    st.query_params[_PARAMETER] = run_id
    st.session_state[_LAUNCHED] = run_id if launched else None


def page_of(run: Run) -> LabPage:
    """The page that shows such a run best."""
    return ACCESS if run.spec.recipe.name == Ladder.recipe else DISTILL


def just_launched() -> str | None:
    """The id of the run that this visit launched last."""
    return st.session_state.get(_LAUNCHED)


def run_on_show(
    store: Store | None, of: type[Recipe] = ThreeArms, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """The run's id, None for the recorded one. Call it before the controls are drawn.

    A run that comes on show with nothing said of the settings brings its own: the controls stand as it does. They are
    those of a recipe; elsewhere: those that the page calls otherwise, as for `set_controls`.
    """
    last = st.session_state.get(_here(_LAST))
    run_id = st.query_params.get(_PARAMETER)
    # While the page stays only a launch changes the run: another address was sent by the browser before it knew.
    stays = st.session_state.get(_here(_STAY)) == arrivals()
    comes_back = run_id is None and not names_settings(st.query_params, of, elsewhere)
    if last is not None and run_id != last and (stays or comes_back):
        run_id = last
        st.query_params[_PARAMETER] = run_id
    st.session_state[_here(_STAY)] = arrivals()
    if run_id is None or store is None or run_id == last:
        return run_id
    st.session_state[_here(_LAST)] = run_id
    try:
        run = store.get(run_id)
    except StoreError:
        return run_id
    settings = None if run is None else settings_of(run.spec, of)
    if run is not None and settings is not None and not names_settings(st.query_params, of, elsewhere):
        set_controls(settings.model_copy(update=steered_values(run)), elsewhere)
    return run_id


def _here(key: str) -> str:
    """Each page has a run of its own on show."""
    return f"{key}-{page_on_show()}"
