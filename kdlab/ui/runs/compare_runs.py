"""Two runs beside each other, at an address of their own: ``/runs?compare=ID,ID``."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdlab.core.counted import counted
from kdlab.core.intervals import Interval
from kdlab.distill.metrics import METRICS, TASKS, Metric, main_score
from kdlab.lessons.path import RUNS
from kdlab.runs.comparison import (
    between_runs,
    in_words,
    no_verdict,
    on_the_same,
    over_seeds,
    unpaired_because,
)
from kdlab.runs.curves import curves
from kdlab.runs.parts import teacher_title
from kdlab.runs.points import LIVE
from kdlab.runs.store import Run, Store
from kdlab.runs.stored import teacher_score
from kdlab.ui.look.style import Role, arm_role
from kdlab.ui.run.differences import clipped, paired_differences
from kdlab.ui.run.on_show import page_of
from kdlab.ui.run.titles import differing_settings, run_title, why_no_end
from kdlab.ui.runs import charts_compare
from kdlab.ui.url_state import as_it_is, literal, shortened
from kdlab.ui.widgets.live_plot import live_plot

PARAMETER = "compare"


def open_comparison(first: Run, second: Run) -> None:
    """Leads to the comparison, a step of the browser's history."""
    st.switch_page(RUNS.script, query_params={PARAMETER: f"{first.id},{second.id}"})


def comparison_view(store: Store, asked: str) -> None:
    """Draws the comparison that an address asks for, or says in words why there is none."""
    found = _asked_for(store, asked)
    if isinstance(found, str):
        st.info(
            f"{found} Tick two finished runs of the same data in the list of all runs.",
            icon=":material/compare:",
        )
        return
    first, second = found
    comparable = on_the_same(first, second)
    for name, run in (("A", first), ("B", second)):
        _run_line(name, run)
    because = unpaired_because(first, second)
    if because is None:
        _paired(first, second)
    else:
        other = "" if comparable else " Compare each with a run on its own data."
        st.info(f"No paired difference. {because}{other}", icon=":material/link_off:")
    for name, run in (("A", first), ("B", second)):
        if nothing := no_verdict(run.spec, run.steering):
            st.caption(f"{name} gives no verdict on distillation. {nothing}")
    _what_differs(first, second)
    if comparable:
        _numbers(first, second)
        _curves(store, first, second)


def _asked_for(store: Store, asked: str) -> tuple[Run, Run] | str:
    """The two runs, or a sentence on what is wrong with the address."""
    ids = [part.strip() for part in asked.split(",") if part.strip()]
    if len(ids) != 2:
        return f"This address names {counted(len(ids), 'runs') if ids else 'no runs'}; a comparison is of two."
    if ids[0] == ids[1]:
        return "This address names the same run twice: it does not differ from itself."
    runs = []
    for run_id in ids:
        run = store.get(run_id)
        if run is None and store.unreadable(run_id):
            return f"The run {run_id[:4]} cannot be read by this lab."
        if run is None:
            return f"The run “{literal(shortened(run_id))}” is not in this lab's store (any more)."
        if run.result is None:
            return f"The run {run.id[:4]} ({run_title(run)}) {why_no_end(run)}, so there is nothing to compare."
        runs.append(run)
    return runs[0], runs[1]


def _run_line(name: str, run: Run) -> None:
    _, _, stroke = charts_compare.RUN_STYLES[name]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name}**  {run_title(run)} :small[{run.id[:4]} · {stroke}]", width="stretch")
        st.page_link(
            page_of(run).script,
            label=f"Open {name}",
            icon=":material/open_in_full:",
            query_params={"run": run.id},
        )


def _roles(first: Run, second: Run) -> dict[str, Role]:
    """How each arm that both runs have looks, and what it is called; where the runs call it otherwise, both names."""
    theirs = {arm.key: arm.label for arm in second.spec.arms}
    return {
        arm.key: arm_role(
            arm.hue,
            arm.label if arm.label == theirs[arm.key] else f"{arm.label} (A), {theirs[arm.key]} (B)",
            place,
        )
        for place, arm in enumerate(first.spec.arms)
        if arm.key in theirs
    }


def _paired(first: Run, second: Run) -> None:
    differences, roles, metric = between_runs(first, second), _roles(first, second), main_score(first.spec.task)
    said = "; ".join(f"{roles[key].name}: {in_words(found, metric.name)}" for key, found in differences.items())
    if first.spec.seeds > 1:
        how = (
            f"Seed by seed, over {counted(first.spec.seeds, 'seeds')}: a student of A and its counterpart in B start from the same "
            "weights and see the same examples. Bars are Student's t 95 % intervals."
        )
    else:
        how = "One seed in each run: two students, and nothing is said of chance."
    wide = [roles[key].name for key in clipped(differences, metric)]
    if wide:
        how += f" An arrow at the edge: the interval goes on outside the picture ({', '.join(wide)})."
    live_plot(
        paired_differences(
            {key: found for key, found in differences.items() if found.n},
            roles,
            metric,
            axis=f"B − A, {f'percentage points of {metric.in_a_sentence}' if metric.is_share else metric.unit}",
            sides=("← B is better", "A is better →") if metric.better == "less" else ("← A is better", "B is better →"),
        ),
        key="paired-differences",
        height=110 + 70 * len(differences),
        alt=f"B minus A in {metric.in_a_sentence}. {said}.",
        title="What changed from A to B",
        level=2,
        sentence=_headline(differences, roles, metric),
        caption=how,
    )


def _headline(differences: dict[str, Interval], roles: dict[str, Role], metric: Metric) -> str:
    parts = []
    for key, found in differences.items():
        words = in_words(found, metric.name)
        parts.append(f"{roles[key].name}: {words if found.contains_zero else f'**{words}**'}")
    return ". ".join(parts) + "."


def _what_differs(first: Run, second: Run) -> None:
    rows = differing_settings(first, second)
    st.header("What differs between them")
    if not rows:
        st.markdown(
            "Their settings are the same: one run, done twice. What differs is chance in how a device computes."
        )
        return
    lines = [
        "| | A | B |",
        "|---|---|---|",
        *(f"| {title} | {ours} | {theirs} |" for title, ours, theirs in rows),
    ]
    st.markdown("\n".join(lines))


def _numbers(first: Run, second: Run) -> None:
    """The main score of every arm and how like its teacher it is: the one never stands without the other."""
    st.header("Their numbers")
    roles = _roles(first, second)
    main, fidelity = main_score(first.spec.task), METRICS[TASKS[first.spec.task].fidelity[0]]
    for column, metric in zip(st.columns(2), (main, fidelity), strict=True):
        ours, theirs = (
            {arm["key"]: over_seeds(arm[metric.name], metric) for arm in (run.result or {})["arms"] if metric.name in arm}
            for run in (first, second)
        )
        if not set(roles) <= ours.keys() & theirs.keys():
            continue  # an older lab did not keep it
        rows = [
            f"| {role.name} | {_with_interval(ours[key], metric)} | {_with_interval(theirs[key], metric)} |"
            for key, role in roles.items()
        ]
        with column:
            st.markdown("\n".join([f"| {metric.title.removeprefix('Test ').capitalize()} | A | B |", "|---|---|---|", *rows]))
    st.caption(
        "Means over a run's seeds on the test set, with the mean's 95 % interval where there are two seeds or more."
    )


def _with_interval(found: Interval, metric: Metric) -> str:
    mean = metric.said(float(found.mean))
    if found.n < 2:
        return mean
    scale, form = (100, ".1f") if metric.is_share else (1, metric.form)
    return f"{mean} ({scale * found.low:{form}} to {scale * found.high:{form}})"


def _curves(store: Store, first: Run, second: Run) -> None:
    both = {name: curves(store.points(run.id, kinds=LIVE), run.spec) for name, run in (("A", first), ("B", second))}
    drawn = {name: found for name, found in both.items() if found is not None}
    if len(drawn) < 2:
        st.caption("The points of these runs were not kept: there are no curves.")
        return
    st.header("How they got there")
    result: dict[str, Any] = first.result or {}
    metric, teacher = main_score(first.spec.task), teacher_score(result, first.spec.task)
    axis = charts_compare.score_range(drawn, metric, teacher)
    figures = {}
    roles = _roles(first, second)
    places = [place for _ in range(0, len(roles), 3) for place in st.columns(3)]
    for (key, role), column in zip(roles.items(), places, strict=False):
        figure = charts_compare.arm_in_both(key, role, drawn, metric, teacher, axis)
        ends = ", ".join(f"{run} {metric.said(float(found.line(metric.name, key).mean[-1]))}" for run, found in drawn.items())
        figures[key] = figure
        with column:
            live_plot(
                figure,
                key=f"compared-{key}",
                height=300,
                title=role.name,
                alt=f"{metric.title} of {role.name} over {drawn['A'].axis.over}; at the end {ends}, the teacher {metric.said(teacher)}.",
            )
    outside = (
        " Lines and bands are cut at the picture's edge."
        if any(map(charts_compare.cut, figures.values()))
        else ""
    )
    st.caption(
        f"A: {charts_compare.RUN_STYLES['A'][2]}; B: {charts_compare.RUN_STYLES['B'][2]}. Bands are the means' 95 % "
        f"intervals over seeds.{outside} The long dashes are {as_it_is(teacher_title(first.spec))}, the teacher."
    )
