"""The section "Estimator bench": what samples make of a KL, as a value and as a gradient, while the student leaves its teacher."""

from __future__ import annotations

import streamlit as st

from kdlab.ui.language.estimator_bench import STUDENT_PLACE, TEACHER_PLACE, WORDS, Bench, bench, tokens
from kdlab.ui.language.estimator_charts import (
    HEIGHT,
    both_say,
    gradient_lengths,
    value_and_direction,
    words_height,
)
from kdlab.ui.language.estimator_words import (
    ASKED,
    INTRODUCTION,
    bench_alt,
    bench_words,
    both_say_alt,
    lengths_alt,
    lengths_words,
    reading_words,
    source_words,
)
from kdlab.ui.url_state import publish, url_choice
from kdlab.ui.widgets.live_plot import live_plot
from kdlab.ui.widgets.live_slider import live_slider

DISTANCE, STEP = 0.75, 0.01
SAMPLES = {"16": "16", "256": "256", "4096": "4,096"}
USUAL = "256"
BESIDE_MS = 120  # value and direction answer every step of a drag, what stands below eight times a second


def show_estimators() -> None:
    """The whole section: value and direction under the slider, lengths, what both models say, and who asked."""
    st.header("Estimator bench", anchor=False)
    st.write(INTRODUCTION)
    st.fragment(_under_the_hand)()
    st.caption(ASKED)


def _under_the_hand() -> None:
    """All that moves with the distance. Nothing else runs again during a drag."""
    asked, shown = st.columns([1, 2.6], gap="large")
    with asked:
        distance = live_slider(
            "Distance from the teacher",
            key="distance",
            min_value=0,
            max_value=1,
            value=DISTANCE,
            step=STEP,
            help="The part of the student’s logits that comes from the other place of the text. At 0 it is the teacher.",
        )
        samples = _samples()
        st.caption(source_words())
    now = bench(distance, int(samples))
    with shown:
        live_plot(
            value_and_direction(now),
            key="estimators",
            height=HEIGHT,
            alt=bench_alt(now),
            sentence=bench_words(now),
            caption=reading_words(),
        )
    left, right = st.columns(2, gap="large")
    with left:
        live_plot(
            gradient_lengths(now),
            key="estimator-lengths",
            height=HEIGHT,
            alt=lengths_alt(now),
            title="How hard each pulls",
            sentence=lengths_words(now),
            every_ms=BESIDE_MS,
        )
    with right:
        _what_both_say(now)


def _samples() -> str:
    notice = url_choice("drawn", SAMPLES, USUAL)
    samples = st.segmented_control(
        "Samples in a batch", list(SAMPLES), key="drawn", format_func=SAMPLES.get, required=True, wrap=True
    )
    publish("drawn", None if samples == USUAL else samples)
    if notice:
        st.warning(notice, icon=":material/link_off:")
    return samples


def _what_both_say(now: Bench) -> None:
    words = [*WORDS.values(), f"{tokens() - len(WORDS)} others"]
    teacher, student = ([*shares, 1 - sum(shares)] for shares in (now.exact.teacher.tolist(), now.exact.student.tolist()))
    live_plot(
        both_say(words, teacher, student),
        key="estimator-words",
        height=words_height(len(words)),
        alt=both_say_alt(words, teacher, student),
        title="What both say next",
        caption=f"The five likeliest words after “{TEACHER_PLACE}”, then the five after “{STUDENT_PLACE}”.",
        every_ms=BESIDE_MS,
    )
