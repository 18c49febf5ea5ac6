"""What a finished run showed: differences in words, the gain in two parts, the price, what changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.intervals import Interval
from kdlab.data.registry import DATASETS, Dataset
from kdlab.distill.objective_catalogue import ForwardKL
from kdlab.runs.comparison import Comparison, compare, in_words, no_verdict
from kdlab.runs.recorded import OWNER
from kdlab.runs.store import Run
from kdlab.ui import charts_result
from kdlab.ui.live_plot import live_plot

_EXAMPLES = 8


def verdict(run: Run, answers: np.ndarray | None) -> None:
    """Draws the end of a run. answers (arms, seeds, N): the students' classes on the test set."""
    assert run.result is not None
    found = compare(run.result)
    st.subheader("What this run shows")
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
                charts_result.gain_split(found, run.spec.arms[-1].name, _on_top(run)),
                key="gain",
                height=340,
                alt=f"From labels only to soft targets: the teacher's answers {in_words(found.answers)}; "
                f"then {_on_top(run).lower()} {in_words(found.softness)}.",
            )
        with right:
            st.markdown(_sentences(run, found))
    data = DATASETS[run.spec.dataset]
    classes, price, changed = st.tabs(
        ["By class", "What it costs", "Examples that changed"], key="result", bind="query-params"
    )
    if classes.open:
        with classes:
            live_plot(
                charts_result.per_class(run.result, data.classes),
                key="classes",
                height=90 + 32 * len(data.classes),
                alt="Accuracy of every class for each arm and the teacher.",
            )
    if price.open:
        with price:
            _price(run, found)
    if changed.open:
        with changed:
            if nothing:
                st.caption("Nothing changed by distillation: this run has none.")
            elif answers is None:
                st.caption("The students' answers of this run were not kept.")
            else:
                _changed(run, data, answers)


def _sentences(run: Run, found: Comparison) -> str:
    spec, classes = run.spec, len(DATASETS[run.spec.dataset].classes)
    told = " and ".join(f"{arm.bits_per_query(classes):.3g}" for arm in spec.arms[1:])
    return (
        f"**Distilled against labels only:** {_shown(found.total)}.\n\n"
        f"{_answers_sentence(run, found)}\n\n"
        f"**{_on_top(run)} on top of the answers:** {_shown(found.softness)}.\n\n"
        f"The distilled student keeps **{found.kept:.1%}** of the teacher's accuracy "
        f"({found.accuracy['soft_targets'].mean:.1%} of {found.teacher_accuracy:.1%}).\n\n"
        f":small[{_paired(spec.seeds)} Each number is rounded by itself. An answer of the teacher tells the two taught "
        f"students {told} bits.]"
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


def _price(run: Run, found: Comparison) -> None:
    result: dict[str, Any] = run.result or {}
    when = "Measured when the run was recorded," if run.owner == OWNER else "Measured here"
    live_plot(
        charts_result.costs(result["profiles"]),
        key="costs",
        height=240,
        alt="Parameters, memory, FLOPs and latency of the student as shares of the teacher's.",
    )
    teacher, student = result["profiles"]["teacher"], result["profiles"]["student"]
    st.markdown(
        f"{when} on {result['device']['name']}: the student answers {student['throughput']:,.0f} examples a "
        f"second in batches of 256, the teacher {teacher['throughput']:,.0f}, and keeps {found.kept:.1%} of its accuracy."
    )


def _changed(run: Run, data: Dataset, answers: np.ndarray) -> None:
    """Test examples on which most students of the soft arm and of labels only differ."""
    arrays = data.load()
    roles = [arm.role for arm in run.spec.arms]
    usual = {role: _most_frequent(answers[i], len(data.classes)) for i, role in enumerate(roles)}
    before, after = usual["labels_only"], usual["soft_targets"]
    mended = np.flatnonzero((before != arrays.y_test) & (after == arrays.y_test))
    spoilt = np.flatnonzero((before == arrays.y_test) & (after != arrays.y_test))
    st.markdown(
        f"Distillation mended **{len(mended)}** of the {len(before):,} test examples and spoilt **{len(spoilt)}** "
        "(the answer that most seeds give)."
    )
    for name, picked in (("Mended", mended), ("Spoilt", spoilt)):
        if len(picked):
            st.caption(f"{name}, the first {min(_EXAMPLES, len(picked))}")
            _gallery(data, picked[:_EXAMPLES], before, after)


def _gallery(data: Dataset, picked: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
    arrays = data.load()
    with st.container(horizontal=True):
        for n in picked:
            with st.container(width=112):
                if arrays.text_test is not None:
                    st.markdown(f"“{arrays.text_test[n]}”")
                else:
                    image = np.kron(arrays.x_test[n], np.ones((4, 4)))  # whole pixels, not smoothed ones
                    st.image((255 * image).astype(np.uint8), width=96)
                st.caption(
                    f"{data.classes[arrays.y_test[n]]}  \nbefore: {data.classes[before[n]]}  \n"
                    f"after: {data.classes[after[n]]}"
                )


def _most_frequent(answers: np.ndarray, classes: int) -> np.ndarray:
    """answers (seeds, N) → (N,): the class that most seeds name."""
    return np.eye(classes, dtype=int)[answers].sum(0).argmax(-1)
