"""Home: what distillation is, shown on one example on which its teacher hesitates, and the way through the lab."""

from __future__ import annotations

import streamlit as st

from kdlab.lessons.path import SOFT_TARGETS
from kdlab.ui.examples.subjects import hesitant, test_subject
from kdlab.ui.examples.words import hint
from kdlab.ui.home.pieces import ACROSS, WAY, answer_card, device_line, picked_for_doubt, strongest
from kdlab.ui.home.pipeline import pipeline
from kdlab.ui.way import next_page

TEACHER = "fashion"
TEMPERATURE = 4.0

try:
    example = test_subject(TEACHER, hesitant(TEACHER))
except ValueError as fault:
    st.error(str(fault), icon=":material/error:")
    st.stop()

told, shown = st.columns([1, 1.15], gap="large", vertical_alignment="center")
with told:
    st.title("A small model learns from a large one")
    st.markdown(
        "The **teacher** is large and answers well. The **student** is small, quick and cheap. In knowledge "
        "distillation the student learns not only what the right answer is, but how sure the teacher is and what "
        "else the example resembles. In this lab you do it, with real teachers, and find out what is true."
    )
    with st.container(key="start"):
        st.page_link(SOFT_TARGETS.script, label="Start with soft targets", icon=":material/arrow_forward:")
with shown:
    st.html(answer_card(example))
    st.markdown(hint(example.classes, example.soft_targets(1.0), example.label))
    st.caption(picked_for_doubt(TEACHER))

st.header("1 · Core components")
pipeline(example.picture, example.classes[example.label or 0], strongest(example, TEMPERATURE, 6))
st.caption(
    f"The bars are the teacher's real soft targets for the example at T = {TEMPERATURE:g}. T, the temperature, "
    "softens them; w weighs the two terms against each other."
)

st.header("The way through the lab")
for first in range(0, len(WAY), ACROSS):
    row = WAY[first : first + ACROSS]
    for number, (column, stop) in enumerate(zip(st.columns(ACROSS), row, strict=False), start=first + 2):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{number} · {stop.title}**")
            st.markdown(stop.what)
            st.page_link(
                stop.page.script, label=stop.link, icon=stop.icon or stop.page.icon, query_params=stop.query
            )

st.caption(device_line())
next_page(SOFT_TARGETS)
