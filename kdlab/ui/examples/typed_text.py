"""A text that the visitor types, for the teacher to read in place of an example."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from kdlab.data import text as characters
from kdlab.data import word_pieces
from kdlab.models.added_teachers import is_added
from kdlab.ui.examples.subjects import Subject, dataset_of, typed_subject
from kdlab.ui.page_frame import freeze_imports
from kdlab.ui.url_state import adopt, at_most, publish

LONGEST_TEXT = 200


class TextField(NamedTuple):
    """How the field for a text of one's own speaks: what to type, an example, the most that is read, the notes' icon."""

    asks: str
    such_as: str
    most: str
    is_cut: Callable[[str], bool]
    icon: str
    wakes: str
    """The module that the first text of a process loads, which takes seconds."""


TEXT_FIELDS = {
    "character": TextField(
        "Type in any language",
        "gdzie jest dworzec?",
        f"{characters.SEEN} characters",
        characters.is_cut,
        ":material/translate:",
        "torch",
    ),
    "token": TextField(
        "Say in English what a noun means",
        "a small bird that cannot fly",
        f"{word_pieces.WINDOW} word pieces, its two marks at the ends included",
        word_pieces.is_cut,
        ":material/edit_off:",
        "kdlab.models.bert",
    ),
}


def typed_text(teacher: str) -> Subject | None:
    """The teacher's answer to what was typed; None where nothing was, or nothing that this teacher can read."""
    if is_added(teacher):
        publish("text", None)
        st.caption("This teacher answered the texts of your file once and is not here to be asked about another.")
        return None
    kind = dataset_of(teacher).kind
    if kind == "token" and not word_pieces.model_installed():
        publish("text", None)
        st.caption(f"A gloss of your own needs the teacher itself (84 MB), which is not installed here: `{word_pieces.INSTALL}`")
        return None
    field = TEXT_FIELDS[kind]
    adopt("text", "", lambda text: text[:LONGEST_TEXT])
    typed = st.text_input(
        f"{field.asks}, up to {LONGEST_TEXT} characters",
        key="text",
        on_change=at_most,
        args=("text", LONGEST_TEXT),
        max_chars=LONGEST_TEXT,
        live=True,
        placeholder=field.such_as,
    )
    publish("text", typed or None)
    notes = st.container()  # always there, so that what follows keeps its place
    if not typed.strip():
        return None
    try:
        if field.wakes in sys.modules:
            subject = typed_subject(teacher, typed)
        else:
            with notes, st.spinner("Waking the teacher…"):
                subject = typed_subject(teacher, typed)
                freeze_imports(field.wakes)
    except ValueError as problem:
        notes.warning(f"{problem} Here is an example instead.", icon=field.icon)
        return None
    if field.is_cut(typed):
        notes.caption(f"The teacher reads the first {field.most}.")
    return subject
