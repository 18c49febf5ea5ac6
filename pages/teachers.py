"""Teachers: where teachers and students come from, and what it takes to use them."""

from __future__ import annotations

import streamlit as st

from kdlab.lessons.path import RUNS
from kdlab.ui.teachers.catalogue import show_catalogue
from kdlab.ui.teachers.endpoint import show_endpoint
from kdlab.ui.teachers.own_texts import own_texts
from kdlab.ui.way import next_page

st.title("Teachers")
st.markdown(
    "A **teacher** is large and in somebody's hands; a **student** has to fit yours. These are the systems that a lesson on "
    "distillation names, beside the ones that this lab brings."
)
show_catalogue()
own_texts()
show_endpoint()
next_page(RUNS)
