"""Soft targets: what a teacher says beyond its answer, and how temperature brings it out."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdlab.core import class_similarity, entropy, softmax
from kdlab.lessons.path import LOSS
from kdlab.models.catalogue import teacher_logits
from kdlab.runs.recipes import ThreeArms
from kdlab.ui.examples.cell import choose_cell, set_cell, show_cell
from kdlab.ui.examples.gallery import choose_example, choose_subject
from kdlab.ui.examples.subjects import Subject, dataset_of, woken_by_heat
from kdlab.ui.examples.teacher_choice import choose_teacher
from kdlab.ui.examples.words import hint
from kdlab.ui.soft_targets.charts import BRIGHTEST, bars_height, class_map, entropy_curve, soft_target_bars
from kdlab.ui.soft_targets.notes import (
    bars_in_words,
    beside_the_bars,
    cell_words,
    entropy_in_words,
    heated,
    map_in_words,
    strongest_pair,
)
from kdlab.ui.way import next_page
from kdlab.ui.widgets.field_slider import field_slider
from kdlab.ui.widgets.live_plot import live_plot

TEMPERATURES = np.geomspace(0.5, 20, 120)
BESIDE_MS = 200  # the bars are drawn at every step of a drag, the figures below them five times a second

st.title("Soft targets")
st.write(
    "A label names one class. A teacher's **soft targets** also say what else an example resembles. "
    "Drag the temperature and hear the quiet part of its answer."
)
teacher = choose_teacher()
if teacher is not None:
    choose_example(teacher, woken_by_heat(teacher))


@st.fragment
def under_the_hand() -> None:
    """All that moves with the temperature. Nothing else runs again during a drag."""
    asked, answered = st.columns([1, 2.6], gap="large")
    with asked:
        subject = choose_subject(teacher)
    with answered.container(gap="xsmall"):
        temperature = field_slider(
            ThreeArms.model_fields["temperature"],
            "T",
            value=4,
            title="Temperature T",
            help="Divides the teacher's logits before the softmax. T = 1 is how the teacher was trained.",
        )
        soft_targets = subject.soft_targets(temperature)
        show_answer(subject, soft_targets, temperature)
    asked.html(beside_the_bars(subject, soft_targets))
    with st.container(key="below"):
        show_below(subject, temperature, soft_targets)


def show_below(subject: Subject, temperature: float, soft_targets: np.ndarray) -> None:
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        show_entropy(subject, temperature, float(entropy(soft_targets)))
    if teacher is not None:
        show_dark_knowledge(teacher, temperature, right)
    else:
        with right.container(key="heated"):
            st.header("The same answer, heated", anchor=False)
            st.markdown(heated(subject))
            st.caption("The order of the classes never changes; how loud the lower ones are does.")


def show_answer(subject: Subject, soft_targets: np.ndarray, temperature: float) -> None:
    order = subject.order()
    names = [subject.classes[k] for k in order]
    label = None if subject.label is None else int(np.flatnonzero(order == subject.label)[0])
    figure = soft_target_bars(
        names, subject.soft_targets(1.0)[order], soft_targets[order], temperature, label
    )
    live_plot(
        figure,
        key="bars",
        height=bars_height(len(names)),
        alt=bars_in_words(subject, temperature),
        sentence=hint(subject.classes, soft_targets, subject.label, subject.soft_targets(1.0)),
    )


def show_entropy(subject: Subject, temperature: float, bits: float) -> None:
    curve = entropy(subject.soft_targets(TEMPERATURES[:, None]))
    live_plot(
        entropy_curve(TEMPERATURES, curve, temperature, bits, len(subject.classes)),
        key="entropy",
        height=330,
        alt=entropy_in_words(subject, temperature, bits),
        title="How undecided, in bits",
        level=2,
        every_ms=BESIDE_MS,
        caption="Entropy of this answer against temperature. A hard label has 0 bits. At T = 1 (dotted) the teacher "
        "speaks as it was trained; far to the right it says nothing any more.",
    )


def show_dark_knowledge(teacher: str, temperature: float, beside: DeltaGenerator) -> None:
    classes = dataset_of(teacher).classes
    logits, labels = teacher_logits(teacher).test, dataset_of(teacher).load().y_test
    soft_targets = softmax(logits, temperature)
    similarity = class_similarity(soft_targets, labels)
    at_one = class_similarity(softmax(logits), labels)
    cell = choose_cell(classes, strongest_pair(at_one))
    show_cell(teacher, cell, soft_targets)
    with beside:
        live_plot(
            class_map(classes, similarity, cell),
            key="map",
            height=430,
            alt=map_in_words(classes, similarity, cell),
            title="Dark knowledge: what the teacher finds alike",
            level=2,
            every_ms=BESIDE_MS,
            sentence=cell_words(classes, similarity, cell, temperature),
            caption="Each row: the test examples of one class, and the mean probability they give the others, in "
            f"percent; full colour is {BRIGHTEST:.0%} or more. Click a cell for the examples behind it.",
            on_click=partial(set_cell, classes),
        )


under_the_hand()
next_page(LOSS)
