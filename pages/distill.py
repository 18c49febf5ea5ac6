"""Distill: choose a teacher and a student, launch, and watch three arms race."""

from __future__ import annotations

import streamlit as st
from pydantic import ValidationError

from kdlab.core.counted import counted
from kdlab.lessons.path import ACCESS
from kdlab.lessons.presets import PRESETS
from kdlab.runs.comparison import no_verdict
from kdlab.runs.recipes import ThreeArms
from kdlab.runs.spec import RunSpec, explain
from kdlab.runs.store import StoreError
from kdlab.ui.run.commands import carry_out
from kdlab.ui.run.controls import apply_preset, run_controls
from kdlab.ui.run.launching import head_of, launch_pad
from kdlab.ui.run.on_show import run_on_show
from kdlab.ui.run.source import absent_because, answers_of, on_show, recorded
from kdlab.ui.run.steering import follow, in_hand, steer, whom_it_steers
from kdlab.ui.run.store import lab_store
from kdlab.ui.run.verdict import verdict
from kdlab.ui.run.verdict_words import headline
from kdlab.ui.run.view import live_view
from kdlab.ui.way import next_page

store = lab_store()
carry_out(store)
run_id = run_on_show(store)
try:
    shown = on_show(run_id, store)
    absent = absent_because(run_id, shown, store)
except StoreError as error:
    st.error(str(error), icon=":material/folder_off:")
    store, shown, absent = None, recorded(), None
follow(shown.run)

st.title("Distill")
st.markdown(
    "Students start from the same weights and see the same batches. They learn from **labels only**, from the "
    "**teacher's answers**, or from its **soft targets**. What does each of these add?"
)


def controls() -> RunSpec | None:
    """The settings; a drag reruns only this. None where they do not fit together."""
    values, beside_steering = run_controls(steers=in_hand(shown.run))
    try:
        settings = ThreeArms.model_validate(values)
    except ValidationError as error:
        for sentence in explain(error):
            st.warning(sentence, icon=":material/tune:")
        return None
    spec = settings.spec()
    try:
        beside_steering.caption(whom_it_steers(steer(store, run_id, settings), settings))
    except StoreError as error:  # the next move is told again
        beside_steering.warning(str(error), icon=":material/sync_problem:")
    if nothing := no_verdict(spec):
        st.warning(nothing, icon=":material/block:")
    st.caption(f"{counted(len(spec.arms) * spec.seeds, 'students')} × {counted(spec.total_steps, 'steps')}.")
    return spec


with st.container(horizontal=True):
    for name, preset in PRESETS.items():
        st.button(name, key=f"preset-{name}", help=preset.question, on_click=apply_preset, args=(name,))

left, right = st.columns([1, 2.2], gap="large")
with left:
    launch_pad(store, controls)
with right:
    head_of(shown, store, absent)
    ended = shown.run.result is not None and not shown.moving
    if ended:
        st.markdown(headline(shown.run))
    live_view(shown, store, headline(shown.run) if ended and not shown.recorded else "")

if ended:
    verdict(shown.run, answers_of(shown))

next_page(ACCESS)
