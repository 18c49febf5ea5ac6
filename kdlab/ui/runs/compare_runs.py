"""Two runs beside each other, at an address of their own: ``/runs?compare=ID,ID``."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdlab.core.counted import counted
from kdlab.core.intervals import Interval
from kdlab.lessons.path import RUNS
from kdlab.models.catalogue import get_teacher
from kdlab.runs.comparison import between_runs, in_words, no_verdict, over_seeds, unpaired_because
from kdlab.runs.curves import curves
from kdlab.runs.points import LIVE
from kdlab.runs.store import Run, Store
from kdlab.ui.look.numbers import share
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
    comparable = first.spec.dataset == second.spec.dataset
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
    differences, roles = between_runs(first, second), _roles(first, second)
    said = "; ".join(f"{roles[key].name}: {in_words(found)}" for key, found in differences.items())
    if first.spec.seeds > 1:
        how = (
            f"Seed by seed, over {counted(first.spec.seeds, 'seeds')}: a student of A and its counterpart in B start from the same "
            "weights and see the same examples. Bars are Student's t 95 % intervals."
        )
    else:
        how = "One seed in each run: two students, and nothing is said of chance."
    wide = [roles[key].name for key in clipped(differences)]
    if wide:
        how += f" An arrow at the edge: the interval goes on outside the picture ({', '.join(wide)})."
    live_plot(
        paired_differences(
            {key: found for key, found in differences.items() if found.n},
            roles,
            axis="B − A, percentage points of test accuracy",
            sides=("← A is better", "B is better →"),
        ),
        key="paired-differences",
        height=110 + 70 * len(differences),
        alt=f"B minus A in test accuracy. {said}.",
        title="What changed from A to B",
        level=2,
        sentence=_headline(differences, roles),
        caption=how,
    )


def _headline(differences: dict[str, Interval], roles: dict[str, Role]) -> str:
    parts = []
    for key, found in differences.items():
        words = in_words(found)
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
    """Accuracy and agreement with the teacher of every arm: accuracy never stands without fidelity."""
    st.header("Their numbers")
    roles = _roles(first, second)
    for column, (title, metric) in zip(
        st.columns(2), (("Accuracy", "accuracy"), ("Agreement with the teacher", "agreement")), strict=True
    ):
        ours, theirs = (
            {arm["key"]: over_seeds(arm[metric]) for arm in (run.result or {})["arms"] if metric in arm}
            for run in (first, second)
        )
        if not set(roles) <= ours.keys() & theirs.keys():
            continue  # an older lab did not keep it
        rows = [
            f"| {role.name} | {_with_interval(ours[key])} | {_with_interval(theirs[key])} |"
            for key, role in roles.items()
        ]
        with column:
            st.markdown("\n".join([f"| {title} | A | B |", "|---|---|---|", *rows]))
    st.caption(
        "Means over a run's seeds on the test set, with the mean's 95 % interval where there are two seeds or more."
    )


def _with_interval(found: Interval) -> str:
    mean = share(found.mean)
    if found.n < 2:
        return mean
    low, high = max(0.0, float(found.low)), min(1.0, float(found.high))
    return f"{mean} ({100 * low:.1f} to {100 * high:.1f})"


def _curves(store: Store, first: Run, second: Run) -> None:
    both = {name: curves(store.points(run.id, kinds=LIVE), run.spec) for name, run in (("A", first), ("B", second))}
    drawn = {name: found for name, found in both.items() if found is not None}
    if len(drawn) < 2:
        st.caption("The points of these runs were not kept: there are no curves.")
        return
    st.header("How they got there")
    result: dict[str, Any] = first.result or {}
    teacher = result["teacher_accuracy"]
    axis = charts_compare.accuracy_range(drawn, teacher)
    epochs = max(first.spec.epochs, second.spec.epochs)
    figures = {}
    roles = _roles(first, second)
    places = [place for _ in range(0, len(roles), 3) for place in st.columns(3)]
    for (key, role), column in zip(roles.items(), places, strict=False):
        figure = charts_compare.arm_in_both(key, role, drawn, epochs, teacher, axis)
        ends = ", ".join(f"{run} {share(found.line('accuracy', key).mean[-1])}" for run, found in drawn.items())
        figures[key] = figure
        with column:
            live_plot(
                figure,
                key=f"compared-{key}",
                height=300,
                title=role.name,
                alt=f"Test accuracy of {role.name} over the epochs; at the end {ends}, the teacher {teacher:.1%}.",
            )
    outside = (
        " Lines and bands are cut at the picture's edge."
        if any(map(charts_compare.cut, figures.values()))
        else ""
    )
    st.caption(
        f"A: {charts_compare.RUN_STYLES['A'][2]}; B: {charts_compare.RUN_STYLES['B'][2]}. Bands are the means' 95 % "
        f"intervals over seeds.{outside} The long dashes are {as_it_is(get_teacher(first.spec.teacher).title)}, the teacher."
    )
