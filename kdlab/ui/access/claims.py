"""The lesson's claims as questions: what the run on show says to each, and what was published."""

from __future__ import annotations

import numpy as np
import streamlit as st

from kdlab.lessons.ablations import ABLATIONS
from kdlab.lessons.claims import CLAIMS
from kdlab.models.catalogue import student_title
from kdlab.runs.comparison import Comparison, compare, diverged, in_words
from kdlab.runs.ladder import ALL, INSIDE
from kdlab.runs.rare_words import ByFrequency, by_frequency, has_words
from kdlab.runs.recorded import OWNER
from kdlab.runs.store import Run
from kdlab.ui.access.other_students import lead_to_other_students
from kdlab.ui.access.rare_words import helping, rare_words, rare_words_pictures
from kdlab.ui.look.numbers import minus
from kdlab.ui.run.titles import why_no_end
from kdlab.ui.run.verdict_words import left_out
from kdlab.ui.url_state import as_it_is


def show_claims(run: Run, answers: np.ndarray | None) -> None:
    """Draws the questions; a run that has not ended answers none.

    answers (arms, seeds, N): the students' classes on the test set; None where they were not kept.
    """
    rare = _where_words_are_rare(run, answers)
    st.header("What the lesson claims", anchor=False)
    for claim in CLAIMS:
        with st.container(border=True):
            st.markdown(f"**{claim.question}**")
            st.markdown(answer(claim.key, run, rare))
            if claim.key == "small":
                lead_to_other_students(run)
            if claim.key == "rare" and rare is not None:
                rare_words_pictures(run.spec, rare)
            if claim.published:
                st.caption(f"Published: {claim.published}")
    _show_ablations(run)


def _where_words_are_rare(run: Run, answers: np.ndarray | None) -> ByFrequency | None:
    if run.result is None or answers is None or not has_words(run.spec):
        return None
    try:
        return by_frequency(run.spec, answers, diverged(run.spec, run.result))
    except ValueError:
        return None


def _show_ablations(run: Run) -> None:
    """What the papers say that each part of a recipe is worth, for those recipes that the run follows."""
    keys = {arm.key for arm in run.spec.arms}
    for paper in (paper for paper in ABLATIONS if paper.arm in keys):
        parts = "; ".join(f"{part} {minus(f'{value:g}')}" for part, value in paper.parts)
        st.caption(f"Published, {paper.title}: {paper.measured}. Without {parts} ({paper.source}).")


_NONE_INSIDE = "This run has no arm that looks inside the teacher: it is closed, or does not fit the student"


def answer(key: str, run: Run, rare: ByFrequency | None = None) -> str:
    """What a run says to a claim, in a sentence or two; Markdown. rare: its students where words are rare and common."""
    if run.result is None:
        return f"This run {why_no_end(run)}: it answers nothing."
    match key:
        case "accuracy":
            return _accuracy(run)
        case "small":
            return (
                f"One run has one student, here {as_it_is(student_title(run.spec.student))}: it cannot say. Launch the ladder with another student "
                "and compare the two on Runs."
            )
        case "cost":
            return _cost(run)
        case "api":
            return _api(run)
    if not has_words(run.spec):
        return "This run's data are no words: it cannot say. Choose the glosses above and launch a ladder on them."
    if rare is None:
        return "The answers of this run's students, or of their teacher, are not here: it cannot say."
    return rare_words(run.spec, rare)


def _accuracy(run: Run) -> str:
    assert run.result is not None
    found = compare(run.spec, run.result)
    told = [
        (one.contrast.label.removeprefix("+ "), one.difference)
        for one in found.found
        if one.contrast.minuend in INSIDE and one.contrast.subtrahend == ALL and one.difference.n
    ]
    if not told:
        return f"{_NONE_INSIDE}: it cannot say."
    said = "; ".join(f"{name} {in_words(difference)}" for name, difference in told)
    verdict = helping([name for name, difference in told if difference.low > 0], [one.n for _, one in told], "")
    placebo = found.between("hidden", "hidden_untrained")
    against = (
        "" if placebo is None else f" The teacher's hidden states against an untrained teacher's: {in_words(placebo)}."
    )
    return f"{verdict} On top of its softened logits: {said}.{against}{_together(run, found)}"


def _together(run: Run, found: Comparison) -> str:
    """For what the intervals hold, and who is left out."""
    many = found.together > 1
    held = f" These are the intervals of this run's {found.together} contrasts, whose 95 % is for all together." if many else ""
    return f"{held}{left_out(run)}"


def _cost(run: Run) -> str:
    costs = run.costs
    inside = [arm for arm in run.spec.arms if arm.key in INSIDE and arm.key in costs]
    if ALL not in costs:
        return "This run did not measure what its rungs cost."
    if not inside:
        return f"{_NONE_INSIDE}: it cannot say."
    base = costs[ALL]
    said = "; ".join(
        f"{arm.label.removeprefix('+ ')} {costs[arm.key]['student_seconds'] / base['student_seconds']:.1f} times the time of a "
        f"student's step and {costs[arm.key]['bytes'] / base['bytes']:,.0f} times the bytes of an answer"
        for arm in inside
    )
    when = "when the run was recorded" if run.owner == OWNER else "here"
    return f"Against logits, measured {when}: {said}."


def _api(run: Run) -> str:
    assert run.result is not None
    found = compare(run.spec, run.result)
    label, rest = found.between("label", "labels_only"), found.between(ALL, "label")
    if label is None:
        return "This run has no arm with the teacher's label alone."
    more = "" if rest is None else f" What an API that shows no probabilities keeps back: {in_words(rest)}."
    return f"The teacher's labels alone, against labels only: {in_words(label)}.{more}{_together(run, found)}"
