"""What a finished run showed: differences in words, the gain in two parts, the price, what changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.intervals import Interval
from kdlab.data.registry import DATASETS, Dataset
from kdlab.distill.arms import ROLE_NAMES
from kdlab.distill.objective_catalogue import ForwardKL
from kdlab.runs.comparison import Comparison, best_supported, compare, in_points, in_words, no_verdict
from kdlab.runs.recorded import OWNER
from kdlab.runs.store import Run
from kdlab.ui.run import result_charts
from kdlab.ui.widgets.live_plot import live_plot

_EXAMPLES = 8


def verdict(run: Run, answers: np.ndarray | None) -> None:
    """Draws the end of a run. answers (arms, seeds, N): the students' classes on the test set."""
    assert run.result is not None
    found = compare(run.result)
    st.header("What this run shows")
    if run.steering:
        st.info(
            "Temperature or KD weight was moved while this run went on: its settings alone do not give these numbers.",
            icon=":material/tune:",
        )
    nothing = no_verdict(run.spec, run.steering)
    if nothing:
        st.info(nothing, icon=":material/block:")
        if run.spec.kd_weight > 0:
            st.markdown(_answers_sentence(run, found))
    else:
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            live_plot(
                result_charts.gain_split(found, run.spec.arms[-1].name, _on_top(run)),
                key="gain",
                height=340,
                alt=f"{_accuracies(run, found)} From labels only to {run.spec.arms[-1].name.lower()}: the teacher's "
                f"answers {in_words(found.answers)}; then {_on_top(run).lower()} {in_words(found.softness)}.",
            )
        with right:
            st.markdown(_sentences(run, found))
    data = DATASETS[run.spec.dataset]
    classes, price, changed = st.tabs(
        ["By class", "What it costs", "Where they differ"], key="result", bind="query-params"
    )
    if classes.open:
        with classes:
            live_plot(
                result_charts.per_class(run.result, data.classes),
                key="classes",
                height=90 + 32 * len(data.classes),
                alt=f"Accuracy of each class. {_by_class(run, data)}",
            )
    if price.open:
        with price:
            _price(run, found)
    if changed.open:
        with changed:
            if nothing:
                st.caption("No example differs by distillation: this run has none.")
            elif answers is None:
                st.caption("The students' answers of this run were not kept.")
            else:
                _changed(run, data, answers)


def headline(run: Run) -> str:
    """Which student to take, and why, in a sentence or two. Markdown."""
    assert run.result is not None
    if nothing := no_verdict(run.spec, run.steering):
        return f"**No verdict on distillation.** {nothing}"
    found, taught = compare(run.result), _student(run)
    if found.total.n < 2:
        return (
            f"**No difference shown.** The {taught} student ended {in_points(found.total.mean)} points against labels only, but "
            "one seed tells nothing of chance: run at least two."
        )
    match best_supported(found):
        case "soft_targets":
            return (
                f"**Take the {taught} student.** It {_beside(found.total, 'labels only')}, and it "
                f"{_beside(found.softness, _ANSWERS)}."
            )
        case "hard_labels":
            less = " and asks more of the teacher" if found.softness.holds_zero else ""
            return (
                f"**Take the student of the teacher's answers.** It {_beside(found.answers, 'labels only')}. The "
                f"{taught} student {_beside(found.softness, _ANSWERS)}{less}."
            )
    harms = [
        f"{name} {_beside(difference, 'labels only')}"
        for name, difference in (
            (f"the {taught} student", found.total),
            (f"that of {_ANSWERS}", found.answers),
        )
        if not difference.holds_zero
    ]
    if harms:
        said = ", and ".join(harms)
        return f"**Take the labels-only student,** which needs no teacher: {said}."
    return (
        f"**No difference shown.** The {taught} student {_beside(found.total, 'labels only')}: take labels only, which "
        "needs no teacher."
    )


_ANSWERS = "the teacher's answers"


def _student(run: Run) -> str:
    """What the soft arm's student is called in a sentence."""
    arm = run.spec.arms[-1]
    return "soft-targets" if isinstance(arm.objective, ForwardKL) else arm.name


def _beside(difference: Interval, other: str) -> str:
    """How a student stands beside another, of which a difference is taken."""
    if difference.holds_zero:
        return (
            f"shows no difference from {other} ({in_words(difference).removeprefix('no difference shown (')}"
        )
    if difference.mean > 0:
        return f"beats {other} by {in_words(difference)}"
    return f"is **worse** than {other} ({in_words(difference)})"


def _sentences(run: Run, found: Comparison) -> str:
    best = best_supported(found)
    kept = found.accuracy[best].mean
    name = {"labels_only": "The labels-only student", "hard_labels": f"The student of {_ANSWERS}"}.get(
        best, f"The {_student(run)} student"
    )
    return (
        f"**{run.spec.arms[-1].name} against labels only:** {_shown(found.total)}.\n\n"
        f"{_answers_sentence(run, found)}\n\n"
        f"**{_on_top(run)} on top of the answers:** {_shown(found.softness)}.\n\n"
        f"{name} keeps **{kept / found.teacher_accuracy:.1%}** of the teacher's accuracy "
        f"({kept:.1%} of {found.teacher_accuracy:.1%}).\n\n"
        f":small[{_paired(run.spec.seeds)} Each number is rounded by itself. {_payload(run)}]"
    )


def _payload(run: Run) -> str:
    classes = len(DATASETS[run.spec.dataset].classes)
    _, hard, soft = (f"{arm.bits_per_query(classes):.3g} bits" for arm in run.spec.arms)
    return (
        f"Payload, what the teacher sends for one example: {hard} to {ROLE_NAMES['hard_labels'].lower()}, "
        f"{soft} to {run.spec.arms[-1].name.lower()} (32 bits a number). It is a size, not what one learns from it."
    )


def _answers_sentence(run: Run, found: Comparison) -> str:
    where = "unlabelled data" if run.spec.transfer else "the labelled data"
    return f"**The teacher's answers on {where}:** {_shown(found.answers)}."


def _paired(seeds: int) -> str:
    if seeds == 1:
        return "One seed tells nothing of chance: run at least two for an interval."
    return (
        f"Paired over {seeds} seeds: other weights, labels and batches each, the same for all arms. Intervals are "
        "Student's t; one that holds zero shows no difference."
    )


def _on_top(run: Run) -> str:
    """What the last arm adds to the teacher's answers."""
    arm = run.spec.arms[-1]
    return "Softness" if isinstance(arm.objective, ForwardKL) else arm.name


def _shown(difference: Interval) -> str:
    words = in_words(difference)
    return words if difference.holds_zero else f"**{words}**"


def _accuracies(run: Run, found: Comparison) -> str:
    said = ", ".join(f"{arm.name} {found.accuracy[arm.role].mean:.1%}" for arm in run.spec.arms)
    return f"Test accuracy: {said}, the teacher {found.teacher_accuracy:.1%}."


def _by_class(run: Run, data: Dataset) -> str:
    """Each class's accuracies, for those who do not see the picture."""
    result: dict[str, Any] = run.result or {}
    shown = [(arm["name"], np.array(arm["per_class"]).mean(0)) for arm in result["arms"]]
    shown += [("the teacher", np.array(result["teacher_per_class"]))]
    return " ".join(
        f"{label}: {', '.join(f'{name} {values[k]:.0%}' for name, values in shown)}."
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
    st.markdown(
        f"{when} on {result['device']['name']}: a student answers {student['throughput']:,.0f} examples a second in "
        f"batches of 256, the teacher {teacher['throughput']:,.0f}. All arms' students cost the same; "
        f"that of the {_student(run)} arm keeps {found.kept:.1%} of the teacher's accuracy."
    )


def _changed(run: Run, data: Dataset, answers: np.ndarray) -> None:
    """Test examples on which only one of two students is right: most seeds' of the soft arm, or of labels only."""
    arrays = data.load()
    taught = _student(run)
    usual = {arm.role: _most_frequent(answers[i], len(data.classes)) for i, arm in enumerate(run.spec.arms)}
    control, distilled = usual["labels_only"], usual["soft_targets"]
    mended = np.flatnonzero((control != arrays.y_test) & (distilled == arrays.y_test))
    spoilt = np.flatnonzero((control == arrays.y_test) & (distilled != arrays.y_test))
    st.markdown(
        f"Two students, each by the answer that most of its seeds give: on **{len(mended)}** of the "
        f"{len(control):,} test examples only the {taught} student is right, on **{len(spoilt)}** only the labels-only student."
    )
    for name, picked in ((taught, mended), ("labels-only", spoilt)):
        if len(picked):
            st.caption(f"Only the {name} student is right, the first {min(_EXAMPLES, len(picked))}")
            _gallery(data, picked[:_EXAMPLES], {"labels only": control, taught: distilled})


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
