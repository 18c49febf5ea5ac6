"""A teacher's answer that the visitor types: a number a class, probabilities or logits."""

from __future__ import annotations

import streamlit as st

from kdlab.ui.examples.own_numbers import OwnNumbers, read_numbers
from kdlab.ui.examples.subjects import Subject, vector_subject
from kdlab.ui.examples.words import read_as
from kdlab.ui.url_state import adopt, at_most, literal, publish, shortened, url_choice

PRESETS = {"[.7 .2 .1]": "0.7, 0.2, 0.1", "[.99 .01]": "0.99, 0.01"}
DEFAULT_VECTOR = PRESETS["[.7 .2 .1]"]
LONGEST_VECTOR = 400
PROBABILITIES, LOGITS = "probabilities", "logits"
READINGS = {PROBABILITIES: "Probabilities", LOGITS: "Logits"}
_ON_SHOW = "own-numbers-on-show"  # as they were typed, whether they are logits, and what the address says of that


def own_vector() -> Subject:
    """What the visitor typed; where that cannot be read, what was shown before, and why."""
    adopt("p", DEFAULT_VECTOR, lambda text: text[:LONGEST_VECTOR])
    given = st.text_input(
        f"The teacher's answer: a number a class, with names if you like, up to {LONGEST_VECTOR} characters",
        key="p",
        live=True,
        on_change=at_most,
        args=("p", LONGEST_VECTOR),
        max_chars=LONGEST_VECTOR,
        placeholder="cat 0.7, dog 0.2, fox 0.1",
    )
    with st.container(horizontal=True, gap="small"):
        for name, vector in PRESETS.items():
            chosen = "primary" if given == vector else "secondary"
            st.button(name, on_click=_set_vector, args=(vector,), type=chosen)
    asked, notes = st.container(), st.container()  # always there, so that what follows keeps its place
    try:
        numbers = read_numbers(given)
        with asked:
            as_logits = _are_logits(numbers)
        subject = vector_subject(numbers, as_logits)
    except ValueError as problem:  # what was shown last stays on show, and in the address
        kept, as_logits, reading = st.session_state.get(_ON_SHOW, (DEFAULT_VECTOR, False, None))
        still = "still " if _ON_SHOW in st.session_state else ""
        notes.warning(f"{problem} Here is {still}{literal(shortened(kept))}.", icon=":material/edit_off:")
        _publish_vector(kept, reading)
        return vector_subject(read_numbers(kept), as_logits)
    notes.caption(read_as(numbers.classes, numbers.values, as_logits))
    reading = st.query_params.get("numbers")
    st.session_state[_ON_SHOW] = given, as_logits, reading
    _publish_vector(given, reading)
    return subject


def _publish_vector(given: str, reading: str | None) -> None:
    publish("p", None if given == DEFAULT_VECTOR else given)
    publish("numbers", reading)


def _are_logits(numbers: OwnNumbers) -> bool:
    """Whether the numbers are logits: asked only where they may be either."""
    if numbers.surely_logits or numbers.surely_probabilities:
        publish("numbers", None)
        return numbers.surely_logits
    notice = url_choice("numbers", READINGS, PROBABILITIES)
    chosen = st.segmented_control(
        f"They add up to {numbers.values.sum():g}. What are they?",
        list(READINGS),
        key="numbers",
        format_func=READINGS.get,
        required=True,
    )
    if notice:
        st.warning(notice, icon=":material/link_off:")
    publish("numbers", None if chosen == PROBABILITIES else chosen)
    return chosen == LOGITS


def _set_vector(vector: str) -> None:
    st.session_state["p"] = vector
