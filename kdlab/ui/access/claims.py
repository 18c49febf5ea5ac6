"""The lesson's claims as questions: what the run on show says to each, and what was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.intervals import Interval, paired_difference
from kdlab.lessons.ablations import ABLATIONS
from kdlab.lessons.claims import CLAIMS
from kdlab.models.catalogue import student_title
from kdlab.runs.comparison import compare, in_words
from kdlab.runs.ladder import ALL, INSIDE
from kdlab.runs.rare_words import ByFrequency, by_frequency, has_words
from kdlab.runs.recorded import OWNER
from kdlab.runs.store import Run
from kdlab.ui.access.rare_words import rare_words, rare_words_pictures
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
            if claim.key == "rare" and rare is not None:
                rare_words_pictures(run.spec, rare)
            if claim.published:
                st.caption(f"Published: {claim.published}")
    _show_ablations(run)


def _where_words_are_rare(run: Run, answers: np.ndarray | None) -> ByFrequency | None:
    if run.result is None or answers is None or not has_words(run.spec):
        return None
    try:
        return by_frequency(run.spec, answers)
    except ValueError:
        return None


def _show_ablations(run: Run) -> None:
    """What the papers say that each part of a recipe is worth, for those recipes that the run follows."""
    keys = {arm.key for arm in run.spec.arms}
    for paper in (paper for paper in ABLATIONS if paper.arm in keys):
        parts = "; ".join(f"{part} {value:g}".replace("-", "−") for part, value in paper.parts)
        st.caption(f"Published, {paper.title}: {paper.measured}. Without {parts} ({paper.source}).")


_NONE_INSIDE = "This run has no arm that looks inside the teacher: it is closed, or does not fit the student"


def answer(key: str, run: Run, rare: ByFrequency | None = None) -> str:
    """What a run says to a claim, in a sentence or two; Markdown. rare: its students where words are rare and common."""
    if run.result is None:
        return "This run has not ended: it answers nothing yet."
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
        if one.contrast.minuend in INSIDE and one.difference.n
    ]
    if not told:
        return f"{_NONE_INSIDE}: it cannot say."
    gains = [name for name, difference in told if difference.low > 0]
    said = "; ".join(f"{name} {in_words(difference)}" for name, difference in told)
    verdict = (
        f"**Here {' and '.join(gains)} help.**"
        if gains
        else "**Here nothing inside the teacher is shown to help.**"
    )
    return f"{verdict} On top of its softened logits: {said}.{_placebo(run)}"


def _placebo(run: Run) -> str:
    pair = _between(run, "hidden", "hidden_untrained")
    return (
        ""
        if pair is None
        else f" The teacher's hidden states against an untrained teacher's: {in_words(pair)}."
    )


def _cost(run: Run) -> str:
    costs: dict[str, dict[str, float]] = (run.result or {}).get("costs", {})
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
    label = _between(run, "label", "labels_only")
    if label is None:
        return "This run has no arm with the teacher's label alone."
    rest = _between(run, ALL, "label")
    more = "" if rest is None else f" What an API that shows no probabilities keeps back: {in_words(rest)}."
    return f"The teacher's labels alone, against labels only: {in_words(label)}.{more}"


def _between(run: Run, minuend: str, subtrahend: str) -> Interval | None:
    """The paired difference of two arms' accuracies; None where the run lacks one, or a student diverged."""
    arms: dict[str, Any] = {arm["key"]: arm["accuracy"] for arm in (run.result or {}).get("arms", ())}
    if minuend not in arms or subtrahend not in arms or None in (*arms[minuend], *arms[subtrahend]):
        return None
    return paired_difference(arms[minuend], arms[subtrahend])
