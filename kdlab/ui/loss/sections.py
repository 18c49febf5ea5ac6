"""The loss page's three pictures of one example: the microscope, why T², and the triangle."""

from __future__ import annotations

import numpy as np
import streamlit as st

from kdlab.core.probability import softmax
from kdlab.core.simplex import gradient_descent, optimum
from kdlab.runs.recipes import ThreeArms
from kdlab.ui.loss.charts import pushes, pushes_height, triangle, why_t_squared
from kdlab.ui.loss.example import LossExample, MeanNorms, choose_start, limit_norm, mean_norms, soft_norms
from kdlab.ui.loss.words import (
    TRIANGLE_WORDS,
    LossAndGradients,
    formula,
    loss_and_gradients,
    norms_alt,
    pull,
    pushes_alt,
    squared_words,
    triangle_alt,
    triangle_words,
)
from kdlab.ui.url_state import adopt, publish
from kdlab.ui.widgets.field_slider import field_slider
from kdlab.ui.widgets.live_bars import Series, live_bars
from kdlab.ui.widgets.live_plot import live_plot

PITCH, WIDE_PITCH = 32, 44  # pixels a row, the wider where there are few
FEW = 5
BESIDE_MS = 120  # bars, formula and arrows answer every step of a drag, the triangle eight times a second
BELOW_MS = 240  # and the curves over T, which a drag of the bars hardly moves, four times
TEMPERATURES = np.concatenate(
    [np.geomspace(0.5, 1, 7)[:-1], np.geomspace(1, 100, 44)]
)  # with 1 itself, of which is spoken
DESCENT_STEPS = 40


def choose_temperature() -> float:
    """T of the soft term."""
    return field_slider(
        ThreeArms.model_fields["temperature"],
        "T",
        value=4,
        title="Temperature T",
        help="Divides both models' logits before the softmax of the soft term. The supervised term has no T.",
    )


def choose_kd_weight() -> float:
    """w: the soft term's share."""
    return field_slider(
        ThreeArms.model_fields["kd_weight"],
        "w",
        value=0.5,
        title="KD weight w",
        help="Share of the distillation term: 0 learns from the label alone, 1 from the teacher alone.",
    )


def choose_t_squared() -> bool:
    """Whether the soft term has its factor T²."""
    adopt("square", True, {"0": False, "1": True}.get)
    kept = st.toggle("Factor T² in the soft term", key="square")
    publish("square", None if kept else "0")
    return kept


def choose_logits(example: LossExample, start: str) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's and the student's logits, as they came or as they were dragged: (K,) each."""
    teacher, student = live_bars(
        "Logits of teacher and student",
        key="logits",
        classes=example.classes,
        series=(
            Series("zt", "Teacher", "teacher", example.teacher),
            Series("zs", "Student", "soft_targets", example.student(start)),
        ),
        hard_label=example.label,
        label_words="hard label" if example.labelled else "taken as label",
        unit="logits",
        pitch=pitch(example),
    )
    return teacher, student


def pitch(example: LossExample) -> int:
    """Height of a class's row, the same for bars and arrows."""
    return WIDE_PITCH if len(example.classes) <= FEW else PITCH


def show_pushes(example: LossExample, now: LossAndGradients) -> None:
    live_plot(
        pushes(example.classes, now.supervised_gradient, now.distillation_gradient, pitch(example)),
        key="pushes",
        height=pushes_height(len(example.classes), pitch(example)),
        alt=pushes_alt(example.classes, now),
        sentence=pull(now),
        caption=f"The {len(example.classes)} likeliest of {len(example.classes) + example.left_out} classes; every softmax "
        "here is over these."
        if example.left_out
        else "",
    )


def show_t_squared(
    example: LossExample, teacher: np.ndarray, student: np.ndarray, now: LossAndGradients
) -> None:
    # The present temperature goes along at the end.
    heat = np.append(TEMPERATURES, now.temperature)
    on, off = (soft_norms(student, teacher, heat, t_squared) for t_squared in (True, False))
    at, limit = (float(on[-1]), float(off[-1])), limit_norm(student, teacher)
    hard = np.linalg.norm(softmax(student) - np.eye(len(student))[example.label])
    live_plot(
        why_t_squared(
            TEMPERATURES, on[:-1], off[:-1], limit, float(hard), now.temperature, at, now.t_squared
        ),
        key="norms",
        height=330,
        alt=norms_alt("for this example", now.temperature, at, limit, float(hard)),
        title="This example",
        sentence=squared_words(*at, limit, now.temperature),
        every_ms=BELOW_MS,
    )


def show_mean_t_squared(teacher_name: str, now: LossAndGradients) -> None:
    mean = mean_norms(teacher_name, tuple(TEMPERATURES.tolist()))
    at = tuple(
        float(np.interp(np.log(now.temperature), np.log(TEMPERATURES), line))
        for line in (mean.with_t_squared, mean.without)
    )
    live_plot(
        why_t_squared(
            TEMPERATURES,
            mean.with_t_squared,
            mean.without,
            mean.limit,
            mean.supervised,
            now.temperature,
            at,
            now.t_squared,
        ),
        key="mean-norms",
        height=330,
        alt=norms_alt("mean over the test set", now.temperature, at, mean.limit, mean.supervised),
        title=f"Mean over {mean.examples:,} test examples",
        sentence=swing_words(mean),
        caption="The student knows nothing here: all its logits are 0. Lengths before the weights w and 1 − w.",
        every_ms=BELOW_MS,
    )


def swing_words(mean: MeanNorms) -> str:
    """How much the pull changes with the temperature, with T² and without. mean: at `TEMPERATURES`."""
    told = TEMPERATURES >= 1
    with_t_squared, without = mean.with_t_squared[told], mean.without[told]
    return (
        f"From T = {TEMPERATURES[told][0]:g} to {TEMPERATURES[-1]:g} the pull with T² changes "
        f"{with_t_squared.max() / with_t_squared.min():.1f}-fold, without it "
        f"**{without.max() / without.min():,.0f}-fold**: a weight w tuned at one temperature would mean something else "
        "at the next."
    )


def show_triangle(
    example: LossExample, teacher: np.ndarray, student: np.ndarray, now: LossAndGradients
) -> None:
    corners = example.corners
    names = [example.classes[k] for k in corners]
    z_t, z_s, label = teacher[corners], student[corners], corners.index(example.label)
    setting = (now.temperature, now.kd_weight, now.t_squared)
    best = optimum(z_t, label, *setting)
    path = softmax(gradient_descent(z_s, z_t, label, *setting, steps=DESCENT_STEPS))
    live_plot(
        triangle(names, label, z_t, softmax(z_t, now.temperature), best, path, setting),
        key="triangle",
        height=460,
        alt=triangle_alt(names, label, softmax(z_t, now.temperature), best, path),
        sentence=triangle_words(names, best, now),
        every_ms=BESIDE_MS,
    )


def show_on_the_triangle(
    example: LossExample, teacher: np.ndarray, student: np.ndarray, now: LossAndGradients
) -> None:
    """The triangle and how to read it."""
    picture, words = st.columns([1.7, 1], gap="large", vertical_alignment="center")
    with picture:
        show_triangle(example, teacher, student, now)
    words.markdown(TRIANGLE_WORDS)


def microscope(example: LossExample) -> tuple[np.ndarray, np.ndarray, LossAndGradients]:
    """Sliders, formula, bars and arrows. Returns teacher's and student's logits and the loss there."""
    heat, weight, said = st.columns([1, 1, 2.55], gap="medium")
    with heat:
        temperature = choose_temperature()
    with weight:
        kd_weight = choose_kd_weight()
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        start = choose_start()
    with right:
        t_squared = choose_t_squared()
    bars, arrows = st.columns([1.2, 1], gap="medium")
    with bars:
        teacher, student = choose_logits(example, start)
    now = loss_and_gradients(student, teacher, example.label, temperature, kd_weight, t_squared)
    with arrows:
        show_pushes(example, now)
    said.html(formula(now))
    return teacher, student, now
