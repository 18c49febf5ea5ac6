"""The end of a run: its differences as a picture, its classes, its price, the examples where two students differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.counted import counted
from kdlab.data.registry import DATASETS, Dataset, get_dataset
from kdlab.distill.metrics import Metric
from kdlab.runs.comparison import Comparison, Found, compare, diverged, in_words, no_verdict, void_because
from kdlab.runs.recorded import OWNER
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run
from kdlab.ui.look.numbers import share
from kdlab.ui.look.style import arm_role
from kdlab.ui.own import texts_hidden_because
from kdlab.ui.run import result_charts
from kdlab.ui.run.differences import paired_differences
from kdlab.ui.run.verdict_words import (
    by_class,
    by_frequency,
    contrast_sentence,
    left_out,
    sampled,
    scores,
    sentences,
)
from kdlab.ui.url_state import literal, shortened
from kdlab.ui.widgets.live_plot import live_plot

_EXAMPLES = 8
_LONGEST = 160  # characters of a visitor's text


def verdict(run: Run, answers: np.ndarray | None) -> None:
    """Draws the end of a run. answers (arms, seeds, N): the students' classes on the test set."""
    assert run.result is not None
    found = compare(run.spec, run.result)
    st.header("What this run shows")
    if run.steering:
        st.info(
            "Temperature or KD weight was moved while this run went on: its settings alone do not give these numbers.",
            icon=":material/tune:",
        )
    nothing = no_verdict(run.spec, run.steering)
    if nothing:
        st.info(nothing, icon=":material/block:")
    shown = [
        one
        for one in found.found
        if one.difference.n and void_because(run.spec, one.contrast, run.steering) is None
    ]
    if not nothing and shown:
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            _differences(run, found, shown)
        with right:
            st.markdown(sentences(run, found, shown, sampled(run, shown[0], answers if _examples_are_here(run) else None)))
    elif shown:
        st.markdown("\n\n".join(contrast_sentence(one, found) for one in shown))
    if isinstance(run.spec, RunSpec):
        _of_classes(run, found, answers, nothing)
    else:
        _of_tokens(run)


def _examples_are_here(run: Run) -> bool:
    return isinstance(run.spec, RunSpec) and not get_dataset(run.spec.dataset).taken_away


def _of_tokens(run: Run) -> None:
    """How often students and teacher are right about tokens that the text has often and seldom."""
    assert run.result is not None
    live_plot(
        result_charts.per_frequency(run.spec, run.result),
        key="frequencies",
        height=90 + 40 * len(run.result["frequency_bins"]),
        alt=f"Tokens that are the likeliest where they stand, by how often the training text has them. {by_frequency(run)}",
        title="Frequent and rare tokens",
        level=3,
    )


def _of_classes(run: Run, found: Comparison, answers: np.ndarray | None, nothing: str | None) -> None:
    """Tabs: the classes, what teacher and student cost, the examples on which two students differ."""
    assert run.result is not None
    data = get_dataset(run.spec.dataset)
    classes, price, changed = st.tabs(
        ["By class", "What it costs", "Where they differ"], key="result", bind="query-params"
    )
    if classes.open:
        with classes:
            live_plot(
                result_charts.per_class(run.spec, run.result, data.classes),
                key="classes",
                height=90 + 32 * len(data.classes),
                alt=f"Accuracy of each class. {by_class(run, data)}",
            )
            left_out = len(run.spec.arms) - len(result_charts.told_by_class(run.spec))
            if left_out:
                st.caption(f"The first arm and those of the run's question. Not drawn: {counted(left_out, 'more arms')}.")
    if price.open:
        with price:
            _price(run, found)
    if changed.open:
        with changed:
            if nothing or not run.spec.contrasts:
                st.caption("No example differs by distillation: this run has none.")
            elif hidden := texts_hidden_because(data.name):
                st.caption(hidden)
            elif answers is None:
                st.caption("The students' answers of this run were not kept.")
            else:
                _changed(run, data, answers)


def _differences(run: Run, found: Comparison, shown: list[Found]) -> None:
    """The picture of the contrasts: the question in its parts, or, where there are more, a row for each."""
    question, *others = shown
    if all(one.contrast.key in question.contrast.parts for one in others):
        said = "; ".join(f"{one.contrast.words} {in_words(one.difference, one.metric.name)}" for one in others or [question])
        figure = result_charts.gain_split(run.spec, found, question.contrast)
        live_plot(figure, key="gain", height=340, alt=f"{scores(run, found)} {said}.")
        return
    metric = found.metric if any(one.metric == found.metric for one in shown) else question.metric
    rows = {one.contrast.key: one.difference for one in shown if one.metric == metric}
    roles = {arm.key: arm_role(arm.hue, arm.label, place) for place, arm in enumerate(run.spec.arms)}
    named = {one.contrast.key: replace(roles[one.contrast.minuend], name=one.contrast.label) for one in shown}
    said = "; ".join(f"{one.contrast.words}: {in_words(one.difference, one.contrast.metric)}" for one in shown)
    live_plot(
        paired_differences(rows, named, metric, sides=_sides(metric), axis=_differing(metric)),
        key="gain",
        height=110 + 60 * len(rows),
        alt=f"{scores(run, found)} {said}.",
    )


def _sides(metric: Metric) -> tuple[str, str]:
    """What lies to the left of no difference, and to the right."""
    return {"more": ("← worse", "better →"), "less": ("← better", "worse →"), None: ("← less", "more →")}[metric.better]


def _differing(metric: Metric) -> str:
    """What an axis of differences in a metric is called."""
    return f"Percentage points of {metric.in_a_sentence}" if metric.is_share else f"Difference in {metric.in_a_sentence}, {metric.unit}"


def _price(run: Run, found: Comparison) -> None:
    result: dict[str, Any] = run.result or {}
    when = "Measured when the run was recorded," if run.owner == OWNER else "Measured here once,"
    profiles = result["profiles"]
    if not profiles["teacher"]:
        student = profiles["student"]
        st.markdown(
            f"What its teacher costs to run, its provider knows: behind an API nothing of that is seen. {when} on "
            f"{result['device']['name']}: a student has {student['parameters']:,.0f} parameters and answers "
            f"{student['throughput']:,.0f} examples a second in batches of 256."
        )
        return
    live_plot(
        result_charts.costs(profiles),
        key="costs",
        height=240,
        alt=f"The student beside the teacher. {result_charts.costs_in_words(profiles)}",
    )
    teacher, student = profiles["teacher"], profiles["student"]
    asked = run.spec.contrasts[0].minuend if run.spec.contrasts else run.spec.arms[-1].key
    st.markdown(
        f"{when} on {result['device']['name']}: a student answers {student['throughput']:,.0f} examples a second in "
        f"batches of 256, the teacher {teacher['throughput']:,.0f}. All arms' students cost the same; "
        f"the {run.spec.arm(asked).its_student} keeps {share(found.kept(asked).mean)} of the teacher's accuracy."
    )


def _changed(run: Run, data: Dataset, answers: np.ndarray) -> None:
    """Test examples on which only one of the two students that the run asks about is right, by most of their seeds."""
    arrays, question = data.load(), run.spec.contrasts[0]
    first, second = run.spec.arm(question.subtrahend), run.spec.arm(question.minuend)
    place, gone = [arm.key for arm in run.spec.arms], diverged(run.spec, run.result or {"arms": []})
    ends = [place.index(first.key), place.index(second.key)]
    if gone[ends].all(axis=1).any():
        st.caption("Every student on one side diverged in training: its answers are none.")
        return
    control, taught = (most_frequent(answers[end], len(data.classes), gone[end]) for end in ends)
    mended = np.flatnonzero((control != arrays.y_test) & (taught == arrays.y_test))
    spoilt = np.flatnonzero((control == arrays.y_test) & (taught != arrays.y_test))
    st.markdown(
        f"Two students, each by the answer that most of its seeds give: on **{len(mended)}** of the "
        f"{len(control):,} test examples only the {second.its_student} is right, on **{len(spoilt)}** only the "
        f"{first.its_student}.{left_out(run)}"
    )
    for arm, picked in ((second, mended), (first, spoilt)):
        if len(picked):
            st.caption(f"Only the {arm.its_student} is right, the first {min(_EXAMPLES, len(picked))}")
            _gallery(data, picked[:_EXAMPLES], {first.in_a_sentence: control, second.in_a_sentence: taught})


def _gallery(data: Dataset, picked: np.ndarray, said: dict[str, np.ndarray]) -> None:
    """said: a student's name → its classes (N,) on the test set."""
    arrays = data.load()
    with st.container(horizontal=True):
        for n in picked:
            with st.container(width=128):
                truth = data.classes[arrays.y_test[n]]
                if arrays.text_test is not None:
                    # Of a visitor's text every sign stands for itself.
                    text = arrays.text_test[n]
                    st.markdown(f"“{text}”" if data.name in DATASETS else literal(shortened(text, _LONGEST)))
                else:
                    image = np.kron(arrays.x_test[n], np.ones((4, 4)))  # whole pixels, not smoothed ones
                    st.image((255 * image).astype(np.uint8), width=96)
                answers = "  \n".join(f"{name}: {data.classes[classes[n]]}" for name, classes in said.items())
                st.caption(f"truth: {truth}  \n{answers}")


def most_frequent(answers: np.ndarray, classes: int, diverged: np.ndarray) -> np.ndarray:
    """answers (seeds, N), diverged (seeds,) → (N,): the class that most seeds name, those that diverged left out."""
    return np.eye(classes, dtype=int)[answers[~diverged]].sum(0).argmax(-1)
