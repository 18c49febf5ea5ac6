"""Access: what a teacher reveals, from black box to white box, and what that buys a student."""

from __future__ import annotations

from functools import partial

import streamlit as st

from kdlab.lessons.path import TEACHERS
from kdlab.models.catalogue import get_teacher
from kdlab.runs.ladder import Ladder
from kdlab.runs.recorded import recording_of
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import StoreError
from kdlab.ui.access.claims import show_claims
from kdlab.ui.access.ladder_settings import ladder_settings
from kdlab.ui.access.ladder_view import ladder_picture, tell_of_stand_in
from kdlab.ui.access.leak import show_leak
from kdlab.ui.access.look_inside import show_look_inside
from kdlab.ui.access.reveals import show_reveals
from kdlab.ui.access.scoreboard import show_scoreboard
from kdlab.ui.examples.gallery import choose_example, choose_subject
from kdlab.ui.examples.subjects import hesitant
from kdlab.ui.examples.teacher_choice import choose_teacher
from kdlab.ui.run.commands import carry_out
from kdlab.ui.run.launching import head_of, launch_pad
from kdlab.ui.run.on_show import run_on_show
from kdlab.ui.run.source import absent_because, answers_of, on_show, recorded
from kdlab.ui.run.store import lab_store
from kdlab.ui.run.verdict import verdict
from kdlab.ui.run.view import live_view
from kdlab.ui.way import next_page

store = lab_store()
carry_out(store)
run_id = run_on_show(store, Ladder, {"dataset": "data"})

st.title("Access")
st.markdown(
    "A teacher behind an API shows its answer: a **black box**. One in your own hands shows everything: a **white box**. "
    "Between them lie rungs. What does each reveal, what does it cost, and what does a student make of it?"
)
st.header("What one query reveals", anchor=False)
teacher = choose_teacher()
if teacher is not None:
    choose_example(teacher, hesitant(teacher))
subject = choose_subject(teacher)
example = st.session_state["example"] if teacher is not None and subject.name else None
show_reveals(teacher, example, subject)
dataset = "fashion" if teacher is None else get_teacher(teacher).dataset
stand_in = recording_of(Ladder.recipe, dataset)
try:
    shown = on_show(run_id, store, stand_in)
    absent = absent_because(run_id, shown, store)
except StoreError as error:
    st.error(str(error), icon=":material/folder_off:")
    store, shown, absent = None, recorded(stand_in), None


def settings() -> RunSpec | None:
    """The ladder's settings; a drag reruns only this."""
    return ladder_settings(dataset, teacher)


st.header("Run the ladder", anchor=False)
left, right = st.columns([1, 2.2], gap="large")
with left:
    launch_pad(store, settings)
with right:
    head_of(shown, store, absent)
    tell_of_stand_in(shown, dataset)
    live_view(shown, store, "", partial(ladder_picture, store=store))

if shown.run.result is not None and not shown.moving:
    verdict(shown.run, answers_of(shown))
show_claims(shown.run, answers_of(shown))
show_leak()
show_look_inside(shown, teacher, example)
show_scoreboard(shown.run)
next_page(TEACHERS)
