"""A run as a row: what it was, what it showed, and what one can take from it."""

from __future__ import annotations

import json
import time

import streamlit as st

from kdlab.runs import artifacts
from kdlab.runs.comparison import compare, in_words, no_verdict
from kdlab.runs.curves import curves
from kdlab.runs.store import NotYoursError, Run, Store
from kdlab.ui.identity import visitor_id
from kdlab.ui.run_titles import run_title, state_words


def run_row(run: Run, store: Store) -> bool:
    """Draws the row; True while the run is ticked for comparison."""
    with st.container(border=True, key=f"run-{run.id}"):
        tick, words, buttons = st.columns([1, 8, 4], vertical_alignment="center")
        with tick:
            ticked = st.checkbox(
                f"Compare {run.id}",
                key=f"compare-{run.id}",
                label_visibility="collapsed",
                disabled=run.started is None,
            )
        with words:
            st.markdown(
                f"**{run_title(run)}** :small[{run.id[:4]}]  \n{state_words(run)} · {_owner(run)} · {_when(run)}  \n{_result(run)}"
            )
        with buttons, st.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Open", key=f"open-{run.id}", icon=":material/open_in_full:"):
                st.switch_page("../pages/distill.py", query_params={"run": run.id})
            with st.popover("More", icon=":material/more_horiz:"):
                _downloads(run, store)
                if run.owner == visitor_id() and not run.active:
                    st.button(
                        "Delete for good",
                        key=f"delete-{run.id}",
                        icon=":material/delete:",
                        on_click=_delete,
                        args=(run, store),
                    )
    return ticked


def _downloads(run: Run, store: Store) -> None:
    def points() -> str:
        found = curves(store.points(run.id))
        return "" if found is None else found.table(run.spec.arms).to_csv(index=False)

    st.download_button(
        "Points (CSV)", points, f"kdlab-{run.id}.csv", "text/csv", key=f"csv-{run.id}", on_click="ignore"
    )
    steered = (
        {"steered": run.steering} if run.steering else {}
    )  # then the spec alone does not give the run again
    spec = json.dumps(run.spec.model_dump() | steered, indent=2)
    st.download_button(
        "Spec (JSON)",
        spec,
        f"kdlab-{run.id}.json",
        "application/json",
        key=f"json-{run.id}",
        on_click="ignore",
    )
    student = artifacts.student_path(run.id, "soft_targets", 0)
    if student.is_file():
        st.download_button(
            "Student (safetensors)",
            student.read_bytes,
            f"kdlab-{run.id}-{student.name}",
            "application/octet-stream",
            key=f"student-{run.id}",
            help="The soft arm's student of the first seed.",
            on_click="ignore",
        )


def _delete(run: Run, store: Store) -> None:
    try:
        store.delete(run.id, visitor_id())
    except NotYoursError as error:
        st.toast(str(error))


def _owner(run: Run) -> str:
    return "you" if run.owner == visitor_id() else "others"


def _when(run: Run) -> str:
    seconds = time.time() - run.created
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _result(run: Run) -> str:
    if run.result is None:
        return f":small[{run.message or f'step {run.step:,} of {run.steps:,}'}]"
    if nothing := no_verdict(run.spec, run.steering):
        return f"No verdict on distillation. {nothing}"
    found = compare(run.result)
    return (
        f"{found.accuracy['labels_only'].mean:.1%} with labels only, {found.accuracy['soft_targets'].mean:.1%} "
        f"distilled: {in_words(found.total)}"
    )
