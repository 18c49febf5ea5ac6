"""The section "Unlike vocabularies": one sentence under two tokenizers, aligned by bytes, and what ULD compares at each common end."""

from __future__ import annotations

import html
from functools import partial

import streamlit as st

from kdlab.ui.language.estimator_bench import TEACHER_PLACE, WORDS
from kdlab.ui.language.estimator_charts import both_say, words_height
from kdlab.ui.language.estimator_words import both_say_alt
from kdlab.ui.language.vocabulary_boxes import STYLE, boxes
from kdlab.ui.language.vocabulary_charts import HEIGHT, rank_pairs
from kdlab.ui.language.vocabulary_readers import Readers, Reading, compare, exchange, lab_readers, read
from kdlab.ui.language.vocabulary_words import (
    INTRODUCTION,
    SOURCES,
    blind_words,
    compared_alt,
    compared_words,
    group_words,
    silent_words,
)
from kdlab.ui.url_state import adopt, as_it_is, at_most, forget, publish
from kdlab.ui.widgets.live_plot import live_plot
from kdlab.ui.widgets.live_slider import live_slider

SENTENCE = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife."
)
LONGEST = 160


def show_vocabularies(readers: Readers | None = None, sentence: str = SENTENCE) -> None:
    """The whole section. readers: teacher and student; without them SmolLM2 and the pocket teacher. sentence: shown at first."""
    st.header("Unlike vocabularies", anchor=False)
    st.write(INTRODUCTION)
    try:
        readers = readers or lab_readers()
    except ValueError as fault:  # a tokenizer's file is missing or damaged
        st.warning(str(fault), icon=":material/error:")
        return
    st.html(STYLE)
    st.fragment(partial(_under_the_hand, readers, sentence))()
    _show_blindness()
    st.caption(SOURCES)


def _under_the_hand(readers: Readers, sentence: str) -> None:
    """What moves with the sentence and the slider. Nothing else runs again."""
    reading = _sentence(readers, sentence)
    asked, shown = st.columns([1, 2.6], gap="large")
    with asked:
        group = _group(reading)
    with shown:
        st.html(f"{boxes(reading, group)}<p class='kd-cut-words'>{html.escape(group_words(reading, group))}</p>")
    try:
        compared = compare(reading)
    except ValueError as fault:  # a model's file is damaged
        st.warning(as_it_is(str(fault)), icon=":material/error:")
        return
    if compared is None:
        st.caption(as_it_is(silent_words(reading)))
        return
    live_plot(
        rank_pairs(reading, compared[group]),
        key="vocabulary-ranks",
        height=HEIGHT,
        alt=compared_alt(reading, compared[group]),
        title="What ULD compares there",
        sentence=compared_words(reading, compared, group),
    )


def _sentence(readers: Readers, usual: str) -> Reading:
    """The visitor's sentence under both tokenizers; the usual one where none was typed, or one that cannot be written."""
    adopt("sentence", "", lambda text: text[:LONGEST])
    typed = st.text_input(
        f"A sentence of your own, up to {LONGEST} characters",
        key="sentence",
        on_change=_other_sentence,
        max_chars=LONGEST,
        live=True,
        placeholder=usual,
    )
    publish("sentence", typed or None)
    notes = st.container()  # always there, so that what follows keeps its place
    if typed.strip():
        try:
            return read(typed, readers)
        except ValueError as problem:
            notes.warning(as_it_is(f"{problem} Here is the sentence that stood here first."), icon=":material/edit_off:")
    return read(usual, readers)


def _other_sentence() -> None:
    """Another sentence is looked at from its own first place on."""
    at_most("sentence", LONGEST)
    publish("end", None)
    forget("end")


def _group(reading: Reading) -> int:
    """The number of the group that is looked at, from 0."""
    groups = len(reading.groups)
    usual = next((one for one in range(groups) if max(map(len, reading.parts(one))) > 1), 0)
    if groups < 2:
        return 0
    chosen = live_slider(
        "Common end",
        key="end",
        min_value=1,
        max_value=groups,
        value=usual + 1,
        step=1,
        help="Where tokens of both end at the same byte. At first: the first group in which one of them needs several tokens.",
    )
    return int(chosen) - 1


def _show_blindness() -> None:
    found = exchange()
    words = list(WORDS.values())
    live_plot(
        both_say(words, found.before, found.after),
        key="vocabulary-exchange",
        height=words_height(len(words)),
        alt=both_say_alt(words, found.before, found.after),
        title="Blind to who is who",
        sentence=blind_words(found),
        caption=f"Teacher: SmolLM2-135M-Instruct after “{TEACHER_PLACE}”, over 1,000 of its tokens; student: the same probabilities, "
        "with these ten exchanged.",
    )
