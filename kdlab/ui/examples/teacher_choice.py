"""Whose answers are looked at: the data and their teacher, or numbers of one's own."""

from __future__ import annotations

import streamlit as st

from kdlab.data.registry import DATASETS, get_dataset
from kdlab.lessons.cards import data_words, size_words, teacher_words
from kdlab.models.catalogue import get_teacher, teacher_card, teacher_logits
from kdlab.ui.own import examples_on_offer, teachers_with_doubts
from kdlab.ui.url_state import (
    as_it_is,
    forget,
    place_of,
    publish,
    remembered,
    shortened,
    url_choice,
)

OWN = "own"
DEFAULT_DATA = "fashion"
# Counted: the tests count again.
OVERLAP = {
    "languages": "131 of 1,920 test snippets also stand inside a longer training snippet of the lab (exact "
    "duplicates: none). 107 of the test snippets stand in the teacher's own paragraphs too, mostly one or two words "
    "long.",
    "glosses": "No gloss is in two of these sets. One of the 2,000 test glosses also stands inside a longer training gloss "
    "of the lab, and two inside one of the teacher's own.",
}
_OF_THE_DATA = ("teacher", "example", "text", "of", "as")
"""What belongs to one data set and means nothing, or another thing, with the next."""
_ON_SHOW = "data-on-show"


def choose_teacher() -> str | None:
    """Data, then teacher. None where the visitor wants numbers of their own."""
    offered = examples_on_offer()
    own = {name: as_it_is(shortened(file)) for name, file in offered.items() if name not in DATASETS}
    titles = {**offered, **own, OWN: "Own numbers"}
    before = st.session_state.get("data")
    notices = [url_choice("data", titles, DEFAULT_DATA)]
    if before is not None and before not in titles:  # taken away meanwhile, perhaps in another tab
        _forget_example()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        data = st.segmented_control(
            "Data",
            list(titles),
            key="data",
            format_func=titles.get,
            required=True,
            on_change=_forget_example,
            label_visibility="collapsed",
            wrap=True,
        )
        publish("data", None if data == DEFAULT_DATA else data)
        _forget_what_is_of_other_data(data)
        teacher = None if data == OWN else _teacher_of(data, notices)
    if data != OWN:
        for key in ("p", "numbers"):
            publish(key, None, carried=remembered(key))  # they are there again with *Own numbers*
    for notice in filter(None, notices):
        st.warning(notice, icon=":material/link_off:")
    return teacher


def _teacher_of(data: str, notices: list[str | None]) -> str:
    fitting = {entry.name: entry for entry in teachers_with_doubts(data)}
    default = next(iter(fitting))
    notices.append(url_choice("teacher", fitting, default))
    if len(fitting) > 1:
        place = place_of("teacher", fitting)
        st.selectbox("Teacher", list(fitting), place, key="teacher", format_func=lambda name: fitting[name].title)
    teacher = st.session_state["teacher"]
    publish("teacher", None if teacher == default else teacher)
    try:
        card = teacher_card(teacher)
        teacher_logits(teacher)
    except ValueError as fault:
        st.error(str(fault), icon=":material/error:")
        st.stop()
    st.caption(
        f"Teacher: **{as_it_is(get_teacher(teacher).title)}**, {size_words(card)}, "
        f"{card['test_accuracy']:.1%} of {card['test_size']:,} tests right",
        help="\n\n".join(
            filter(
                None,
                (get_teacher(teacher).what, teacher_words(teacher), data_words(get_dataset(data)), OVERLAP.get(teacher)),
            )
        ),
    )
    return teacher


def _forget_what_is_of_other_data(data: str) -> None:
    """Other data may have come by a link, by the back button, or from a page that shows no examples."""
    if st.session_state.get(_ON_SHOW, data) != data:
        for key in _OF_THE_DATA:
            if key != "teacher":  # it may have been chosen with the data, and is dropped where it does not fit them
                forget(key)
    st.session_state[_ON_SHOW] = data


def _forget_example() -> None:
    for key in _OF_THE_DATA:
        forget(key)
        publish(key, None)
