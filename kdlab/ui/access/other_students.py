"""From a claim about small students to the runs that answer it: ladders that differ in their student and keep the rung."""

from __future__ import annotations

from itertools import combinations

import streamlit as st

from kdlab.data.registry import get_dataset
from kdlab.lessons.path import RUNS
from kdlab.lessons.presets import PRESETS
from kdlab.models.catalogue import student_title, students_for
from kdlab.runs.ladder import INSIDE, Ladder
from kdlab.runs.listing import Which
from kdlab.runs.recipes import settings_of
from kdlab.runs.store import Run, StoreError
from kdlab.ui.run.controls import set_controls
from kdlab.ui.run.store import lab_store
from kdlab.ui.url_state import as_it_is


def lead_to_other_students(run: Run) -> None:
    """Draws a button a student that sets the ladder to it, and a link to a comparison where two such runs have ended."""
    settings, rung = settings_of(run.spec, Ladder), rung_in_question(run)
    if settings is None:
        return
    offered = with_other_students(settings, rung)
    named = next((arm.label.removeprefix("+ ") for arm in run.spec.arms if arm.key == rung), "hidden states")
    if offered:
        st.markdown(f"With these students the rung **{named}** stays open: set the ladder to one, then launch it.")
    else:
        offered = with_other_students(_ON_DIGITS, "hidden")
        st.markdown(
            f"On {as_it_is(get_dataset(run.spec.dataset).title)} no other student of the lab has the rung **{named}**. On the "
            "handwritten digits two have hidden states: set the ladder to one, launch it, then the other."
        )
    with st.container(horizontal=True):
        for other in offered:
            st.button(
                as_it_is(student_title(other.student)),
                key=f"ladder-of-{other.student}",
                on_click=set_controls,
                args=(other, {"dataset": "data"}),
            )
    if pair := _ended_pair(run):
        names = " with ".join(as_it_is(student_title(one.spec.student)) for one in pair)
        ids = ",".join(one.id for one in pair)
        st.page_link(RUNS.script, label=f"Compare {names}", icon=RUNS.icon, query_params={"compare": ids})


def rung_in_question(run: Run) -> str:
    """The key of the first arm that looks inside the teacher; of a run without one the rung that most students have."""
    return next((arm.key for arm in run.spec.arms if arm.key in INSIDE), "hidden")


def with_other_students(settings: Ladder, rung: str) -> list[Ladder]:
    """The same ladder with each other student of the lab that keeps the rung."""
    others = [
        settings.model_copy(update={"student": shape.name})
        for shape in students_for(settings.dataset)
        if shape.name != settings.student
    ]
    return [other for other in others if rung in _arms(other)]


def _arms(settings: Ladder) -> set[str]:
    try:
        return {arm.key for arm in settings.spec().arms}
    except ValueError:  # a stored run's data may be gone
        return set()


def _ended_pair(run: Run) -> tuple[Run, Run] | None:
    """Two ended ladders of this lab, on the run's data or the digits, that differ in their student alone; newest first."""
    store = lab_store()
    if store is None:
        return None
    try:
        found = [
            one
            for data in dict.fromkeys((run.spec.dataset, _ON_DIGITS.dataset))
            for one in store.page(Which(state="done", dataset=data))
            if isinstance(one, Run) and one.spec.recipe.name == Ladder.recipe and any(arm.key in INSIDE for arm in one.spec.arms)
        ]
    except StoreError:
        return None
    ours_first = sorted(found, key=lambda one: one.id != run.id)
    return next((pair for pair in combinations(ours_first, 2) if _differ_in_student_alone(*pair)), None)


def _differ_in_student_alone(first: Run, second: Run) -> bool:
    ours, theirs = settings_of(first.spec, Ladder), settings_of(second.spec, Ladder)
    if ours is None or theirs is None or ours.student == theirs.student or first.steering or second.steering:
        return False
    kept = rung_in_question(first) in {arm.key for arm in second.spec.arms}
    return kept and ours == theirs.model_copy(update={"student": ours.student})


_ON_DIGITS = Ladder.model_validate(PRESETS["Digits"].values | {"teacher": "digits", "student": "cnn-small"})
"""Where no other student fits: data that train in seconds, with two students that have a hidden layer alike their teacher's."""
