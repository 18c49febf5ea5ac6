"""What a finished run showed: differences in words, the gain in two parts, the price, what changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.intervals import Interval
from kdlab.data.registry import DATASETS, Dataset
from kdlab.distill.arms import Arm
from kdlab.distill.metrics import metrics_of
from kdlab.runs.comparison import (
    Comparison,
    Found,
    best_supported,
    compare,
    in_points,
    in_words,
    no_verdict,
    sampling_error,
    void_because,
)
from kdlab.runs.recorded import OWNER
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run
from kdlab.ui.look.numbers import share
from kdlab.ui.look.style import arm_role
from kdlab.ui.run import result_charts
from kdlab.ui.run.differences import paired_differences
from kdlab.ui.run.result_charts import class_means
from kdlab.ui.widgets.live_plot import live_plot

_EXAMPLES = 8


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
            st.markdown(_sentences(run, found, shown, _sampled(run, shown[0], answers)))
    elif shown:
        st.markdown("\n\n".join(map(_contrast_sentence, shown)))
    data = DATASETS[run.spec.dataset]
    classes, price, changed = st.tabs(
        ["By class", "What it costs", "Where they differ"], key="result", bind="query-params"
    )
    if classes.open:
        with classes:
            live_plot(
                result_charts.per_class(run.spec, run.result, data.classes),
                key="classes",
                height=90 + 32 * len(data.classes),
                alt=f"Accuracy of each class. {_by_class(run, data)}",
            )
    if price.open:
        with price:
            _price(run, found)
    if changed.open:
        with changed:
            if nothing or not run.spec.contrasts:
                st.caption("No example differs by distillation: this run has none.")
            elif answers is None:
                st.caption("The students' answers of this run were not kept.")
            else:
                _changed(run, data, answers)


def _differences(run: Run, found: Comparison, shown: list[Found]) -> None:
    """The picture of the contrasts: the question in its parts, or, where there are more, a row for each."""
    question, *others = shown
    if all(one.contrast.key in question.contrast.parts for one in others):
        said = "; ".join(f"{one.contrast.words} {in_words(one.difference)}" for one in others or [question])
        figure = result_charts.gain_split(run.spec, found, question.contrast)
        live_plot(figure, key="gain", height=340, alt=f"{_accuracies(run, found)} {said}.")
        return
    rows = {one.contrast.key: one.difference for one in shown if one.contrast.metric == "accuracy"}
    roles = {arm.key: arm_role(arm.hue, arm.label, place) for place, arm in enumerate(run.spec.arms)}
    named = {one.contrast.key: replace(roles[one.contrast.minuend], name=one.contrast.label) for one in shown}
    said = "; ".join(f"{one.contrast.words}: {in_words(one.difference, one.contrast.metric)}" for one in shown)
    live_plot(
        paired_differences(rows, named, sides=("← worse", "better →"), axis="Percentage points of test accuracy"),
        key="gain",
        height=110 + 60 * len(rows),
        alt=f"{_accuracies(run, found)} {said}.",
    )


def headline(run: Run) -> str:
    """Which student to take, and why, in a sentence or two. Markdown."""
    assert run.result is not None
    if nothing := no_verdict(run.spec, run.steering):
        return f"**No verdict on distillation.** {nothing}"
    spec, found = run.spec, compare(run.spec, run.result)
    if not found.found:
        return _accuracies(run, found)
    question = found.found[0]
    minuend, subtrahend = spec.arm(question.contrast.minuend), spec.arm(question.contrast.subtrahend)
    if question.difference.n == 0:
        return f"**No verdict.** {question.contrast.words}: {in_words(question.difference)}."
    if question.difference.n < 2:
        return (
            f"**No difference shown.** The {minuend.its_student} ended {in_points(question.difference.mean)} points "
            f"against {subtrahend.in_a_sentence}, but one seed tells nothing of chance: run at least two."
        )
    best = best_supported(spec, found)
    if best is None:
        return _each_beside_its_control(spec, found)
    return _the_one_to_take(spec, found, best)


def _the_one_to_take(spec: RunSpec, found: Comparison, best: str) -> str:
    """Of a run that compares every two arms: the simplest that no other is shown to beat."""
    first, arm = spec.arms[0], spec.arm(best)
    if arm.key != first.key:
        others = [one for one in spec.arms if one.key not in (best, first.key)]
        simpler = [one for one in others if spec.arms.index(one) < spec.arms.index(arm)]
        said = [_beside(found.between(best, one.key), one.in_a_sentence) for one in (first, *simpler)]
        words = f"**Take the {arm.its_student}.** It {', and it '.join(said)}."
        for one in others:
            if one not in simpler:
                difference = found.between(one.key, best)
                assert difference is not None
                more = _payload_of(one, spec) > _payload_of(arm, spec)
                less = ", though the teacher sends it more for each example" if difference.contains_zero and more else ""
                words += f" The {one.its_student} {_beside(difference, arm.in_a_sentence)}{less}."
        return words
    beside = [(one, found.between(one.key, first.key)) for one in reversed(spec.arms[1:])]
    harms = [(one, d) for one, d in beside if d is not None and not d.contains_zero]
    if harms:
        said = ", and ".join(f"the {one.its_student} {_beside(d, first.in_a_sentence)}" for one, d in harms)
        return f"**Take the {first.its_student},** which needs no teacher: {said}."
    question = found.found[0]
    minuend, subtrahend = spec.arm(question.contrast.minuend), spec.arm(question.contrast.subtrahend)
    compared = f"{minuend.label}: no difference from {subtrahend.in_a_sentence} shown"
    words = (
        f"**{compared}** ({_numbers(question)}). Take {first.in_a_sentence}, which needs no teacher."
        if question.difference.contains_zero
        else f"**Take {first.in_a_sentence},** which needs no teacher: no other student is shown to be more accurate."
    )
    shown = "; ".join(_shown_sentence(spec, one) for one in found.found if not one.difference.contains_zero)
    return f"{words} But {shown}." if shown else words


def _each_beside_its_control(spec: RunSpec, found: Comparison) -> str:
    """Of a run with other contrasts: how many of them show a difference, and which."""
    shown = [one for one in found.found if not one.difference.contains_zero]
    if not shown:
        return "**No difference shown** by any of this run's contrasts."
    said = "; ".join(_shown_sentence(spec, one) for one in shown)
    count = len(found.found)
    how_many = "" if count == 1 else f"**{len(shown)} of {count} contrasts show a difference:** "
    return f"{how_many}{said if how_many else said[0].upper() + said[1:]}."


def _shown_sentence(spec: RunSpec, one: Found) -> str:
    minuend, subtrahend = spec.arm(one.contrast.minuend), spec.arm(one.contrast.subtrahend)
    return f"the {minuend.its_student} {_beside(one.difference, subtrahend.in_a_sentence, one.contrast.metric)}"


def _numbers(one: Found) -> str:
    """A contrast's difference and interval without a word of what they show."""
    return in_words(one.difference, one.contrast.metric).removeprefix("no difference shown (").removesuffix(")")


def _beside(difference: Interval | None, other: str, metric: str = "accuracy") -> str:
    """How a student stands beside another, of which a difference is taken."""
    assert difference is not None
    words = in_words(difference, metric)
    if difference.contains_zero:
        return f"shows no difference from {other} ({words.removeprefix('no difference shown (')}"
    if (difference.mean > 0) == (metrics_of("classification")[metric].better != "less"):
        return f"beats {other} by {words}"
    return f"is **worse** than {other} ({words})"


def _sentences(run: Run, found: Comparison, shown: list[Found], sampled: str) -> str:
    best = best_supported(run.spec, found) or run.spec.contrasts[0].minuend
    student, kept, mean = run.spec.arm(best).its_student, found.kept(best), share(found.accuracy[best].mean)
    ends = f" (95 % interval {100 * kept.low:.1f} to {100 * kept.high:.1f})" if kept.n > 1 else ""
    return "\n\n".join(
        [
            *map(_contrast_sentence, shown),
            f"The {student} keeps **{share(kept.mean)}**{ends} of the teacher's accuracy ({mean} of {found.teacher_accuracy:.1%}).",
            f":small[{_paired(run)}{_together(found)}{sampled} Each number is rounded by itself. {_payload(run)}]",
        ]
    )


def _contrast_sentence(one: Found) -> str:
    words = in_words(one.difference, one.contrast.metric)
    return f"**{one.contrast.words}:** {words if one.difference.contains_zero else f'**{words}**'}."


def _payload_of(arm: Arm, spec: RunSpec) -> float:
    """Bits that the teacher sends the arm for one example."""
    return arm.access.bits_per_query(len(DATASETS[spec.dataset].classes))


def _payload(run: Run) -> str:
    told = ", ".join(
        f"{_payload_of(arm, run.spec):.3g} bits to {arm.in_a_sentence}"
        for arm in run.spec.arms
        if arm.objective is not None
    )
    return (
        f"Payload, what the teacher sends for one example: {told} (32 bits a number). It is a size, not what one "
        "learns from it."
    )


def _paired(run: Run) -> str:
    if run.spec.seeds == 1:
        return "One seed tells nothing of chance: run at least two for an interval."
    return (
        f"Paired over {run.spec.seeds} seeds, the same for all arms: each has other weights and batches, "
        f"{_examples_of_seeds(run.result or {})}. Intervals are Student's t; one that holds zero shows no difference."
    )


def _sampled(run: Run, question: Found, answers: np.ndarray | None) -> str:
    """How far the test set, which is a sample too, leaves the run's question open. answers (arms, seeds, N)."""
    if answers is None or question.contrast.metric != "accuracy":
        return ""
    labels = DATASETS[run.spec.dataset].load().y_test
    place = {arm.key: i for i, arm in enumerate(run.spec.arms)}
    minuend, subtrahend = (answers[place[key]] for key in (question.contrast.minuend, question.contrast.subtrahend))
    error = sampling_error(minuend, subtrahend, labels)
    return (
        f" Intervals are over seeds, on these {len(labels):,} test examples; how these happened to be drawn alone "
        f"leaves “{question.contrast.words}” open by ± {100 * error:.1f} points (95 %)."
    )


def _examples_of_seeds(result: dict[str, Any]) -> str:
    """How far the examples of one seed are another's too. A run whose result does not tell drew each seed's alone."""
    shared = result.get("overlap")
    if shared is None:
        return "and draws its own examples"
    if shared["examples"] == 0:
        return "and examples that no other seed has"
    if shared["examples"] == 1:
        return "but the same examples"
    labelled = f"{shared['labelled']:.0%}" if shared["labelled"] else "none"
    return f"and two share {labelled} of their labelled examples and {shared['examples']:.0%} of all their examples"


def _together(found: Comparison) -> str:
    if found.together < 2:
        return ""
    return f" Their 95 % is for all {found.together} contrasts together (Holm's correction)."


def _accuracies(run: Run, found: Comparison) -> str:
    said = ", ".join(f"{arm.label} {share(found.accuracy[arm.key].mean)}" for arm in run.spec.arms)
    return f"Test accuracy: {said}, the teacher {found.teacher_accuracy:.1%}."


def _by_class(run: Run, data: Dataset) -> str:
    """Each class's accuracies, for those who do not see the picture."""
    result: dict[str, Any] = run.result or {}
    shown = [(arm["label"], class_means(arm["per_class"])) for arm in result["arms"]]
    shown += [("the teacher", np.array(result["teacher_per_class"]))]
    return " ".join(
        f"{label}: {', '.join(f'{name} {share(values[k])}' for name, values in shown)}."
        for k, label in enumerate(data.classes)
    )


def _price(run: Run, found: Comparison) -> None:
    result: dict[str, Any] = run.result or {}
    when = "Measured when the run was recorded," if run.owner == OWNER else "Measured here once,"
    profiles = result["profiles"]
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
    usual = {arm.key: _most_frequent(answers[i], len(data.classes)) for i, arm in enumerate(run.spec.arms)}
    first, second = run.spec.arm(question.subtrahend), run.spec.arm(question.minuend)
    control, taught = usual[first.key], usual[second.key]
    mended = np.flatnonzero((control != arrays.y_test) & (taught == arrays.y_test))
    spoilt = np.flatnonzero((control == arrays.y_test) & (taught != arrays.y_test))
    st.markdown(
        f"Two students, each by the answer that most of its seeds give: on **{len(mended)}** of the "
        f"{len(control):,} test examples only the {second.its_student} is right, on **{len(spoilt)}** only the "
        f"{first.its_student}."
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
                    st.markdown(f"“{arrays.text_test[n]}”")
                else:
                    image = np.kron(arrays.x_test[n], np.ones((4, 4)))  # whole pixels, not smoothed ones
                    st.image((255 * image).astype(np.uint8), width=96)
                answers = "  \n".join(f"{name}: {data.classes[classes[n]]}" for name, classes in said.items())
                st.caption(f"truth: {truth}  \n{answers}")


def _most_frequent(answers: np.ndarray, classes: int) -> np.ndarray:
    """answers (seeds, N) → (N,): the class that most seeds name."""
    return np.eye(classes, dtype=int)[answers].sum(0).argmax(-1)
