"""Loss: what the two terms want of a student, logit by logit, and what other divergences would want."""

from __future__ import annotations

import streamlit as st

from kdlab.ui import soft_target_controls as controls
from kdlab.ui.conventions_view import conventions
from kdlab.ui.loss_example import FLOOR, example_of, forget_moves_of_another_example
from kdlab.ui.loss_race import race
from kdlab.ui.loss_sections import microscope, show_mean_t_squared, show_t_squared, show_triangle
from kdlab.ui.loss_words import FORMULA_STYLE
from kdlab.ui.subjects import hesitant
from kdlab.ui.way import DISTILL, next_page

st.html(FORMULA_STYLE)
st.title("Loss")
st.write(
    "A student is pulled by two teachers at once: the **label** and the **soft targets**. "
    "Drag the bars and watch the formula, term by term."
)
teacher = controls.choose_teacher()
if teacher is not None:
    controls.choose_example(teacher, hesitant(teacher))
subject = controls.choose_subject(teacher)
example = example_of(subject)
if not subject.is_logits and (subject.answer <= 0).any():
    st.caption(
        f"A probability of 0 has no logit: {FLOOR:g} stands in its place, and the numbers below hang on it."
    )
forget_moves_of_another_example(example)


@st.fragment
def under_the_hand() -> None:
    """All that moves with the bars, T and w. Nothing else runs again during a drag."""
    teacher_logits, student_logits, now = microscope(example)
    st.header("Why T²", anchor=False)
    one, mean = st.columns(2, gap="large")
    with one:
        show_t_squared(example, teacher_logits, student_logits, now)
    if teacher is not None:
        with mean:
            show_mean_t_squared(teacher, now)
    if len(example.classes) >= 3:
        st.header("On the triangle", anchor=False)
        picture, words = st.columns([1.7, 1], gap="large", vertical_alignment="center")
        with picture:
            show_triangle(example, teacher_logits, student_logits, now)
        words.markdown(
            "Every point is one answer that a student may give if there were only these three classes; a corner "
            "is full certainty. Bright is a low loss.\n\n"
            "- **Green**: the student, and its way in 40 steps of gradient descent.\n"
            "- **Blue squares**: the teacher, open at T = 1, filled at T.\n"
            "- **Star**: the optimum. Move **w**: it slides from the label's corner to the teacher.\n\n"
            "T makes the soft target flatter, yet a student that matches it at T also matches the teacher at 1: "
            "both are heated alike."
        )
    st.header("Conventions", anchor=False)
    st.write("What your library calls alpha: which term it weighs, whether T² is there, and how it averages.")
    conventions(
        student_logits, teacher_logits, example.label, example.classes, now.temperature, now.kd_weight
    )


under_the_hand()
st.header("Race of the divergences", anchor=False)
st.write(
    "What if the student **cannot** match its teacher? This teacher has two humps, the student only one. "
    "Which hump, or both, is the divergence's choice."
)
race()
next_page(DISTILL)
