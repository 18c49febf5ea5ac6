"""Which of the experiments with language models is on show."""

from __future__ import annotations

import streamlit as st

from kdlab.runs.store import Store, StoreError
from kdlab.runs.text_recipes import TEXT_RECIPES
from kdlab.ui.language.claims import EXPERIMENTS
from kdlab.ui.run.on_show import put_aside
from kdlab.ui.url_state import arriving, publish, url_choice

_QUESTIONS = {
    "race": "Three kinds of student read the same text. What do the teacher's tokens and its soft targets add?",
    "economy": "A signal is stored for every token of a text. From one drawn token to all probabilities: how few bytes are enough?",
    "prefixes": "Whose text is read while learning, the teacher's or the student's own, and which KL is asked? All begin as "
    "students of the text alone.",
}


def choose_experiment(store: Store | None) -> str:
    """The experiment's recipe by name. A run in the address brings its own."""
    asked = st.query_params.get("run")
    if asked and "experiment" not in st.query_params and store is not None and arriving("experiment"):
        try:
            run = store.get(asked)
        except StoreError:
            run = None
        if run is not None and run.spec.recipe.name in TEXT_RECIPES:
            st.query_params["experiment"] = run.spec.recipe.name
    notice = url_choice("experiment", EXPERIMENTS, "race")
    chosen = st.segmented_control(
        "Experiment",
        list(EXPERIMENTS),
        format_func=EXPERIMENTS.__getitem__,
        key="experiment",
        required=True,
        label_visibility="collapsed",
        on_change=put_aside,
    )
    if notice:
        st.caption(notice)
    publish("experiment", None if chosen == "race" else chosen)
    st.markdown(_QUESTIONS[chosen])
    return str(chosen)
