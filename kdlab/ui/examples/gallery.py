"""Examples to choose from as tiles, and what is looked at in the end: one of them, or what the visitor types."""

from __future__ import annotations

import re

import streamlit as st

from kdlab.server.picture_source import picture
from kdlab.ui.examples.own_vector import own_vector
from kdlab.ui.examples.subjects import Subject, dataset_of, example_name, showcase, test_subject
from kdlab.ui.examples.typed_text import typed_text
from kdlab.ui.url_state import adopt, literal, publish, shortened
from kdlab.ui.widgets.tiles import Tile, tiles


def choose_example(teacher: str, default: int) -> None:
    """A test example from the gallery, at first the default one; another one's number may stand in the URL."""
    dataset, rest = dataset_of(teacher), showcase(teacher)

    def number(text: str) -> int | None:
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) and int(text) < dataset.test_size else None

    rejected = adopt("example", default, number)
    if rejected is not None:
        st.warning(
            f"The link asked for example “{literal(rejected)}”; {dataset.title} has 0 to {dataset.test_size - 1:,}.",
            icon=":material/link_off:",
        )
    example = st.session_state["example"]
    publish("example", None if example == default else str(example), carried=str(example))
    shown = rest if example in rest else (example, *rest)
    tiles("Examples", [tile(teacher, i) for i in shown], key="gallery", chosen=example, on_pick=pick)


def choose_subject(teacher: str | None) -> Subject:
    """The example that was picked, or what the visitor types in its place."""
    if teacher is None:
        return own_vector()
    subject = test_subject(teacher, st.session_state["example"])
    return (typed_text(teacher) if subject.text else None) or subject


def pick(number: int) -> None:
    """Looks at this test example from the next run on, and no longer at a text that was typed."""
    st.session_state["example"] = number
    st.session_state["text"] = ""


def tile(teacher: str, index: int, note: str = "") -> Tile:
    """A test example as its picture or the beginning of its text."""
    dataset = dataset_of(teacher)
    name = example_name(teacher, index)
    if dataset.kind == "image":
        return Tile(index, name, picture=picture(dataset.name, index), note=note)
    texts = dataset.load().text_test
    text = texts[index] if texts else ""
    return Tile(index, f"{name}: {text}", text=shortened(text, 48), note=note)
