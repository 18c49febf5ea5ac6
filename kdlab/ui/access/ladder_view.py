"""The picture of a ladder under way: an arm a rung, growing while it trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from kdlab.distill.metrics import metrics_of
from kdlab.models.catalogue import teacher_card
from kdlab.ui.access.ladder_charts import BYTES, RUNGS, SECONDS, ladder_figure, rows
from kdlab.ui.run.source import Shown
from kdlab.ui.widgets.live_plot import live_plot

_METRICS = ("accuracy", "agreement", "kl")


def ladder_picture(shown: Shown) -> None:
    """Draws the arms as they stand, against rungs, bytes or seconds."""
    run, curves = shown.run, shown.curves
    if curves is None:
        st.caption(":material/hourglass_top: The ladder begins here as soon as the first point is measured.")
        return
    metrics = metrics_of(run.spec.task)
    with st.container(horizontal=True, gap="medium"):
        name = st.segmented_control(
            "Measure",
            _METRICS,
            key="measure",
            default=_METRICS[0],
            required=True,
            format_func=lambda name: metrics[name].title,
            bind="query-params",
            label_visibility="collapsed",
        )
        against = st.segmented_control(
            "Against",
            (RUNGS, BYTES, SECONDS),
            key="against",
            default=RUNGS,
            required=True,
            bind="query-params",
            label_visibility="collapsed",
        )
    costs: dict[str, Any] = (run.result or {}).get("costs", {})
    if against != RUNGS and not costs:
        st.caption("What each rung cost is measured at the end of the run.")
        against = RUNGS
    metric, arms = metrics[name], run.spec.arms
    teacher = teacher_card(run.spec.teacher)["test_accuracy"] if name == "accuracy" else None
    queries = run.spec.labels + run.spec.transfer
    drawn = rows(arms, against, costs, run.spec.total_steps, queries)
    lines = [(arm.label, curves.line(name, arm.key)) for arm in arms]
    said = "; ".join(f"{label} {format(float(line.mean[-1]), metric.form)}" for label, line in lines)
    live_plot(
        ladder_figure(curves, arms, metric, teacher, drawn),
        key="ladder",
        height=120 + 30 * len(arms),
        alt=f"{metric.title} of each rung's students now. {said}."
        + (f" The teacher {teacher:.1%}." if teacher else ""),
        plays=shown.replayed,
    )
    st.markdown(sentence(lines, metric.better == "more", metric.form))
    if against == SECONDS:
        st.caption(
            f"Teacher: its time for an answer × {queries:,} queries. Student: its time for a step, alone × "
            f"{run.spec.total_steps:,} steps. Measured {'when the run was recorded' if shown.recorded else 'here'}, at its end; "
            "all arms trained side by side."
        )
    if against == BYTES:
        st.caption("Payload of one answer: what is sent, not what is learned from it.")


def sentence(lines: list[tuple[str, Any]], more_is_better: bool, form: str) -> str:
    """Which rung stands first now, and which last."""
    means = [(float(line.mean[-1]), label) for label, line in lines if np.isfinite(line.mean[-1])]
    if not means:
        return "Every student has diverged."
    ordered = sorted(means, reverse=more_is_better)
    (best, first), (worst, last) = ordered[0], ordered[-1]
    return (
        f"Now **{first.removeprefix('+ ')}** has the {'highest' if more_is_better else 'lowest'} mean, {best:{form}}, "
        f"**{last.removeprefix('+ ')}** the {'lowest' if more_is_better else 'highest'}, {worst:{form}}. Bars are 95 % "
        "intervals over seeds; which arms differ is said at the end of the run, paired over seeds."
    )
