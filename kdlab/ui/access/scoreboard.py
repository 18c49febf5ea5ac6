"""The scoreboard: what each arm's student keeps of its teacher, what both cost, and the student to take away."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from kdlab.core.counted import counted
from kdlab.models.catalogue import get_teacher, student_title
from kdlab.runs import artifacts
from kdlab.runs.comparison import Comparison, compare
from kdlab.runs.recorded import OWNER
from kdlab.runs.store import Run
from kdlab.ui.access.scoreboard_charts import accuracy_kept
from kdlab.ui.look.numbers import share, size
from kdlab.ui.run.downloads import student_download
from kdlab.ui.run.result_charts import multiple
from kdlab.ui.run.titles import why_no_end
from kdlab.ui.run.verdict_words import keeps_most, left_out
from kdlab.ui.url_state import as_it_is
from kdlab.ui.widgets.live_plot import live_plot


class Cost(NamedTuple):
    """A row: the field of a `Profile`, its name, its number in words, and the words for less and for more of it."""

    field: str
    name: str
    said: Callable[[float], str]
    less: str
    more: str


COSTS = (
    Cost("parameters", "Parameters", lambda n: f"{n:,.0f}", "fewer", "more"),
    Cost("disk_bytes", "On disk", lambda n: size(8 * n), "smaller", "larger"),
    Cost("run_memory_mib", "Memory at run time", lambda n: size(8 * 2**20 * n), "less", "more"),
    Cost("latency_ms", "One example", lambda n: f"{n:.3g} ms", "faster", "slower"),
    Cost("throughput", "Examples a second", lambda n: f"{n:,.0f}", "fewer", "more"),
)
_NONE = "not in this record"


def show_scoreboard(run: Run) -> None:
    """Draws it for the run on show; a run that has not ended has none."""
    st.header("Scoreboard", anchor=False)
    if run.result is None:
        st.markdown(f"This run {why_no_end(run)}: its students are not measured.")
        return
    found, arms = compare(run.spec, run.result), run.spec.arms
    st.markdown(sentence(run, found))
    left, right = st.columns([3, 2], gap="large")
    with left:
        live_plot(
            accuracy_kept(found, arms),
            key="kept-accuracy",
            height=110 + 30 * len(arms),
            alt="Share of the teacher's accuracy that each arm's student keeps. "
            + "; ".join(f"{arm.label} {share(found.kept(arm.key).mean)}" for arm in arms)
            + ".",
        )
    with right:
        css = Path(__file__).with_name("scoreboard.css").read_text(encoding="utf-8")
        st.html(f"<style>{css}</style>{cost_table(run.result['profiles'])}")
        st.caption(how_measured(run))
        _take(run)


def sentence(run: Run, found: Comparison) -> str:
    """Who keeps most, or which ones tie, at what price. Markdown."""
    said = keeps_most(run.spec, found, as_it_is(get_teacher(run.spec.teacher).title))
    if run.result is None or not any(accuracy.n for accuracy in found.score.values()):
        return said
    fewer = _multiple(COSTS[0], run.result["profiles"])
    price = f", with {fewer} parameters than the teacher" if fewer and fewer != "the same" else ""
    return (
        f"{said}{left_out(run)} All arms' students have one shape, {as_it_is(student_title(run.spec.student))}, and cost the "
        f"same{price}."
    )


def cost_table(profiles: Mapping[str, Mapping[str, float]]) -> str:
    """What teacher and student cost, as an HTML table."""
    rows = "".join(
        f'<tr><th scope="row">{cost.name}</th><td>{_said(cost, profiles["teacher"])}</td><td>{_said(cost, profiles["student"])}</td>'
        f"<td>{_multiple(cost, profiles)}</td></tr>"
        for cost in COSTS
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Teacher", "Student", "Student's"))
    return f'<table class="kd-score"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _said(cost: Cost, profile: Mapping[str, float]) -> str:
    value = profile.get(cost.field)
    return _NONE if value is None or not math.isfinite(value) else cost.said(value)


def _multiple(cost: Cost, profiles: Mapping[str, Mapping[str, float]]) -> str:
    values = [float(profiles[who].get(cost.field) or "nan") for who in ("teacher", "student")]
    known = all(math.isfinite(value) and value > 0 for value in values)
    return multiple(*values, cost.less, cost.more) if known else ""


def how_measured(run: Run) -> str:
    """On what the costs were measured, and how."""
    result = run.result or {}
    when = "when the run was recorded" if run.owner == OWNER else "once on this machine and kept"
    return (
        f"Measured {when}, on {result['device']['name']}, both alike. On disk: the weights as safetensors, float32. Memory at run "
        "time: the most that weights and a batch of 256 in passing fill at one time, counted on the CPU. One example: the median "
        "time of one alone. Examples a second: the fastest of several batches of 256. Accuracy: on the test set, over "
        f"{counted(run.spec.seeds, 'seeds')}."
    )


def _take(run: Run) -> None:
    """The students to take away, where they are kept here."""
    if not any(artifacts.student_path(run.id, arm.key, 0).is_file() for arm in run.spec.arms):
        return
    with st.popover("Take a student", icon=":material/download:"):
        for arm in run.spec.arms:
            student_download(run, arm)
