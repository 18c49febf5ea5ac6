"""Loss: what the two terms want of a student, logit by logit, and what other divergences would want."""

from __future__ import annotations

import streamlit as st

from kdlab.lessons.path import DISTILL
from kdlab.ui.examples.gallery import choose_example, choose_subject
from kdlab.ui.examples.subjects import hesitant
from kdlab.ui.examples.teacher_choice import choose_teacher
from kdlab.ui.look.folded import folded
from kdlab.ui.loss.conventions_view import conventions
from kdlab.ui.loss.example import FLOOR, example_of, forget_moves_of_another_example
from kdlab.ui.loss.race import race
from kdlab.ui.loss.sections import microscope, show_mean_t_squared, show_on_the_triangle, show_t_squared
from kdlab.ui.loss.words import FORMULA_STYLE
from kdlab.ui.way import next_page

st.html(FORMULA_STYLE)
st.title("Loss")
st.write(
    "A student is pulled by two teachers at once: the **label** and the **soft targets**. "
    "Drag the bars and watch the formula, term by term."
)
teacher = choose_teacher()
if teacher is not None:
    choose_example(teacher, hesitant(teacher))
subject = choose_subject(teacher)
example = example_of(subject)
if not subject.is_logits and (subject.answer <= 0).any():
    st.caption(
        f"A probability of 0 has no logit: 1/{1 / FLOOR:,.0f} stands in its place, and the numbers below depend on it."
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
        show_on_the_triangle(example, teacher_logits, student_logits, now)
    in_code = folded("Conventions: what your library calls alpha", key="conventions", opened_by=("lib",), lazy=True)
    if in_code.open:
        with in_code:
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
