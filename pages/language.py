"""Language: a real language model as teacher, tokens in place of classes, students that one can hear talk."""

from __future__ import annotations

from functools import partial

import streamlit as st

from kdlab.lessons.path import TEACHERS
from kdlab.runs.store import StoreError
from kdlab.runs.text_recipes import TEXT_RECIPES
from kdlab.ui.language.claims import show_text_claims
from kdlab.ui.language.estimators import show_estimators
from kdlab.ui.language.experiment import choose_experiment
from kdlab.ui.language.run_pictures import experiment_picture
from kdlab.ui.language.settings import text_settings
from kdlab.ui.language.token_text import show_token_text
from kdlab.ui.language.vocabularies import show_vocabularies
from kdlab.ui.run.commands import carry_out
from kdlab.ui.run.downloads import take_a_student
from kdlab.ui.run.launching import head_of, launch_pad
from kdlab.ui.run.on_show import run_on_show
from kdlab.ui.run.source import absent_because, answers_of, on_show, recorded
from kdlab.ui.run.steering import follow
from kdlab.ui.run.store import lab_store
from kdlab.ui.run.verdict import verdict
from kdlab.ui.run.verdict_words import headline
from kdlab.ui.run.view import live_view
from kdlab.ui.way import next_page

store = lab_store()
carry_out(store)

st.title("Language")
st.markdown(
    "A language model gives, at every place in a text, a probability to each token that may follow. A student can learn from "
    "the **text** alone, from **tokens that the teacher draws**, or from its **whole distribution**. What does each add, and what "
    "must be stored of the teacher for it?"
)
reading, experiments = st.container(), st.container()
with experiments:
    st.header("Let students learn it", anchor=False)
    experiment = choose_experiment(store)
recipe = TEXT_RECIPES[experiment]
run_id = run_on_show(store, recipe)
try:
    shown = on_show(run_id, store, experiment)
    absent = absent_because(run_id, shown, store)
except StoreError as error:
    experiments.error(str(error), icon=":material/folder_off:")
    store, shown, absent = None, recorded(experiment), None
follow(shown.run)
with reading:  # above the run whose students stand beside the teacher
    show_token_text(shown.run)

left, right = st.columns([1, 2.2], gap="large")
with left:
    launch_pad(store, partial(text_settings, recipe, shown, store, run_id))
with right:
    head_of(shown, store, absent)
    ended = shown.run.result is not None and not shown.moving
    if ended:
        st.markdown(headline(shown.run))
    live_view(shown, store, headline(shown.run) if ended and not shown.recorded else "", experiment_picture)

if ended:
    verdict(shown.run, answers_of(shown))
    take_a_student(shown.run)
show_text_claims(shown.run)
show_estimators()
show_vocabularies()
next_page(TEACHERS)
