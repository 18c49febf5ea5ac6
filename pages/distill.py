"""Distill: choose a teacher and a student, launch, and watch three arms race."""

from __future__ import annotations

import streamlit as st
from pydantic import ValidationError

from kdlab.runs.comparison import no_verdict
from kdlab.runs.spec import RunSpec, explain
from kdlab.runs.store import StoreError
from kdlab.ui.controls import PRESETS, apply_preset, run_controls
from kdlab.ui.identity import visitor_id
from kdlab.ui.lab_store import lab_store
from kdlab.ui.run_on_show import put_on_show, run_on_show
from kdlab.ui.run_source import answers_of
from kdlab.ui.run_view import live_view
from kdlab.ui.steering import steer
from kdlab.ui.verdict import verdict

store = lab_store()
run_id = run_on_show(store)

st.title("Distill")
st.markdown(
    "Three students start from the same weights and see the same batches. One learns from **labels only**, one from "
    "the **teacher's answers**, one from its **soft targets**. What does each of these add?"
)


def launch(spec: RunSpec) -> None:
    """Queues the run and puts its id into the URL, where a refresh or another browser finds it."""
    if store is None:
        return
    try:
        put_on_show(store.enqueue(spec, visitor_id()))
    except StoreError as error:
        st.session_state["launch-fault"] = str(error)


def controls() -> None:
    """The settings; a drag reruns only this."""
    button = st.container()  # above the settings, so that it is seen without scrolling
    values = run_controls()
    try:
        spec = RunSpec.model_validate(values)
    except ValidationError as error:
        spec = None
        for sentence in explain(error):
            st.warning(sentence, icon=":material/tune:")
    if store is not None and run_id and spec is not None:
        steer(store, run_id, spec)
    pressed = button.button(
        "Launch",
        type="primary",
        icon=":material/rocket_launch:",
        key="launch",
        width="stretch",
        disabled=store is None or spec is None,
    )
    if pressed and spec is not None:
        launch(spec)
        st.rerun()  # the whole page: the run on show is another
    if spec is not None:
        if nothing := no_verdict(spec):
            button.warning(nothing, icon=":material/block:")
        st.caption(
            f"{len(spec.arms) * spec.seeds} students × {spec.total_steps:,} steps. While a run of yours with this "
            "dataset, student and objective goes on, temperature and KD weight act on it."
        )


with st.container(horizontal=True):
    for name, preset in PRESETS.items():
        st.button(name, key=f"preset-{name}", help=preset.question, on_click=apply_preset, args=(name,))

left, right = st.columns([1, 2.2], gap="large")
with left:
    st.fragment(controls)()
with right:
    if fault := st.session_state.pop("launch-fault", None):
        st.error(fault, icon=":material/error:")
    if run_id and store is not None and store.get(run_id) is None:
        st.info("The run in this link is not in this lab's store (any more). Here is a recorded one.")
    again = st.container(horizontal=True, horizontal_alignment="right")
    shown = live_view(run_id, store)

if shown.run.result is not None and not shown.moving:
    verdict(shown.run, answers_of(shown))
if shown.run.state in ("lost", "failed", "cancelled") and store is not None:
    again.button(
        "Run again",
        icon=":material/restart_alt:",
        key="again",
        help="Launches the run on show once more, with its own settings.",
        on_click=launch,
        args=(shown.run.spec,),
    )
