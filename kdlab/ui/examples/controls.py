"""What the soft-targets page asks for: data and teacher, an example, and the cell of the class map."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import streamlit as st

from kdlab.data import text as characters
from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.lessons.cards import data_words, size_words, teacher_words
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import get_teacher, teacher_card, teacher_logits
from kdlab.server.picture_source import picture
from kdlab.ui.examples.own_numbers import OwnNumbers, read_numbers
from kdlab.ui.examples.subjects import (
    Subject,
    behind_cell,
    dataset_of,
    example_name,
    showcase,
    test_subject,
    typed_subject,
    vector_subject,
)
from kdlab.ui.examples.words import read_as
from kdlab.ui.own import examples_on_offer, teachers_with_doubts
from kdlab.ui.page_frame import freeze_imports
from kdlab.ui.url_state import (
    adopt,
    arriving,
    as_it_is,
    forget,
    literal,
    place_of,
    publish,
    remembered,
    shortened,
    url_choice,
)
from kdlab.ui.widgets.tiles import Tile, tiles

OWN = "own"
DEFAULT_DATA = "fashion"
PRESETS = {"[.7 .2 .1]": "0.7, 0.2, 0.1", "[.99 .01]": "0.99, 0.01"}
DEFAULT_VECTOR = PRESETS["[.7 .2 .1]"]
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
_VECTOR_ON_SHOW = "own-numbers-on-show"  # as they were typed, whether they are logits, and what the address says of that
PROBABILITIES, LOGITS = "probabilities", "logits"
READINGS = {PROBABILITIES: "Probabilities", LOGITS: "Logits"}
LONGEST_TEXT = 200
LONGEST_VECTOR = 400


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


def choose_teacher() -> str | None:
    """Data, then teacher. None where the visitor wants numbers of their own."""
    offered = examples_on_offer()
    titles = {name: shortened(title) for name, title in offered.items()} | {OWN: "Own numbers"}
    if arriving("data") and st.query_params.get("data") not in (None, remembered("data") or DEFAULT_DATA):
        for key in _OF_THE_DATA:
            forget(key)
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
        teacher = None if data == OWN else _teacher_of(data, notices)
    if data != OWN:
        for key in ("p", "numbers"):
            publish(key, None)
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


def _forget_example() -> None:
    for key in _OF_THE_DATA:
        forget(key)
        publish(key, None)


def choose_example(teacher: str, default: int) -> None:
    """A test example from the gallery, at first the default one; another one's number may stand in the URL."""
    dataset, rest = dataset_of(teacher), showcase(teacher)

    def number(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdigit() and int(text[:9]) < dataset.test_size else None

    rejected = adopt("example", default, number)
    if rejected is not None:
        st.warning(
            f"The link asked for example “{literal(rejected)}”; {dataset.title} has 0 to {dataset.test_size - 1:,}.",
            icon=":material/link_off:",
        )
    example = st.session_state["example"]
    publish("example", None if example == default else str(example), carried=str(example))
    shown = rest if example in rest else (example, *rest)
    tiles("Examples", [_tile(teacher, i) for i in shown], key="gallery", chosen=example, on_pick=_pick)


def _pick(number: int) -> None:
    st.session_state["example"] = number
    st.session_state["text"] = ""


def _pick_behind(number: int) -> None:
    _pick(number)
    # The gallery stands outside the fragment that the tiles behind a cell belong to.
    st.rerun()


def _tile(teacher: str, index: int, note: str = "") -> Tile:
    dataset = dataset_of(teacher)
    name = example_name(teacher, index)
    if dataset.kind == "image":
        return Tile(index, name, picture=picture(dataset.name, index), note=note)
    texts = dataset.load().text_test
    text = texts[index] if texts else ""
    return Tile(index, f"{name}: {text}", text=shortened(text, 48), note=note)


def choose_subject(teacher: str | None) -> Subject:
    """The example that was picked, or what the visitor types in its place."""
    if teacher is None:
        return _own_vector()
    subject = test_subject(teacher, st.session_state["example"])
    return (_typed_text(teacher) if subject.text else None) or subject


def _typed_text(teacher: str) -> Subject | None:
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
        on_change=_cut,
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


def _cut(key: str, longest: int) -> None:
    """Keeps the beginning of what came too long: the field takes no more, another sender might."""
    st.session_state[key] = st.session_state[key][:longest]


def _own_vector() -> Subject:
    adopt("p", DEFAULT_VECTOR, lambda text: text[:LONGEST_VECTOR])
    given = st.text_input(
        f"The teacher's answer: a number a class, with names if you like, up to {LONGEST_VECTOR} characters",
        key="p",
        live=True,
        on_change=_cut,
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
        kept, as_logits, reading = st.session_state.get(_VECTOR_ON_SHOW, (DEFAULT_VECTOR, False, None))
        still = "still " if _VECTOR_ON_SHOW in st.session_state else ""
        notes.warning(f"{problem} Here is {still}{literal(shortened(kept))}.", icon=":material/edit_off:")
        _publish_vector(kept, reading)
        return vector_subject(read_numbers(kept), as_logits)
    notes.caption(read_as(numbers.classes, numbers.values, as_logits))
    reading = st.query_params.get("numbers")
    st.session_state[_VECTOR_ON_SHOW] = given, as_logits, reading
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


def choose_cell(classes: tuple[str, ...], default: tuple[int, int]) -> tuple[int, int]:
    """A true class and what its examples are taken for: two lists that read as a sentence."""
    names = {name: name for name in classes}
    notes = st.container()
    for key, index in zip(("of", "as"), default, strict=True):
        notice = url_choice(key, names, classes[index])
        if notice:
            notes.warning(notice, icon=":material/link_off:")
    with st.container(horizontal=True):
        true_class = st.selectbox("Examples of", classes, place_of("of", classes), key="of", width=240)
        place = place_of("as", classes)
        seen_as = st.selectbox("in which the teacher sees most of", classes, place, key="as", width=240)
    for key, value, index in (("of", true_class, default[0]), ("as", seen_as, default[1])):
        publish(key, None if value == classes[index] else value)
    return classes.index(true_class), classes.index(seen_as)


def set_cell(classes: tuple[str, ...], clicked: dict[str, int]) -> None:
    """Moves both lists to a cell of the class map that was clicked."""
    st.session_state["of"], st.session_state["as"] = classes[clicked["y"]], classes[clicked["x"]]


def show_cell(teacher: str, cell: tuple[int, int], soft_targets: np.ndarray) -> None:
    """The examples behind a cell, most of the other class first; one click puts an example under the slider."""
    found = behind_cell(teacher, *cell, soft_targets, most=14 if dataset_of(teacher).kind == "image" else 6)
    notes = [_tile(teacher, i, note=f"{soft_targets[i, cell[1]]:.0%}") for i in found]
    tiles("Examples behind the cell", notes, key="behind", chosen=None, on_pick=_pick_behind, wrap=True)
