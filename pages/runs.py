"""Runs: everything that was launched here, to open again, compare, take away or delete."""

from __future__ import annotations

import streamlit as st

from kdlab.runs.comparison import between_runs, in_words
from kdlab.runs.curves import curves
from kdlab.ui import charts_run
from kdlab.ui.identity import visitor_id
from kdlab.ui.lab_store import lab_store
from kdlab.ui.live_plot import live_plot
from kdlab.ui.run_list import run_row
from kdlab.ui.run_titles import run_title

_PAGE = 20

st.title("Runs")
st.markdown("Every run of this lab, newest first. Tick two to lay their curves over each other.")
store = lab_store()
if store is None:
    st.stop()

runs = store.list_runs()
whose = st.segmented_control(
    "Whose",
    ["All", "Yours", "Others'"],
    default="All",
    key="whose",
    label_visibility="collapsed",
    bind="query-params",
)
yours = visitor_id()
if whose in ("Yours", "Others'"):
    runs = [run for run in runs if (run.owner == yours) == (whose == "Yours")]
if not runs:
    none = "No run yet." if whose not in ("Yours", "Others'") else "None of these yet."
    st.info(f"{none} Launch one on the Distill page; it appears here with its curves and its student.")
    st.page_link("../pages/distill.py", label="To Distill", icon=":material/rocket_launch:")

comparison = st.container()
count = st.session_state.setdefault("runs-shown", _PAGE)
ticked = [run for run in runs[:count] if run_row(run, store)]
if len(runs) > count and st.button("Show more", key="more"):
    st.session_state["runs-shown"] = count + _PAGE
    st.rerun()

with comparison:
    if len(ticked) == 2:
        drawn = [(run, curves(store.points(run.id))) for run in ticked]
        live_plot(
            charts_run.compared_races([(run.id[:4], c, run.spec.arms) for run, c in drawn if c is not None]),
            key="compared",
            height=380,
            alt="Test accuracies of the two runs over their epochs.",
        )
        difference = between_runs(*ticked)
        if difference is not None:
            first, second = (f"{run.id[:4]}" for run in ticked)
            st.markdown(
                f"Last arm of {second} against that of {first}, paired over seeds: **{in_words(difference)}**."
            )
        elif len({run.spec.dataset for run, _ in drawn}) > 1:
            st.info("These runs are on different data: their accuracies do not compare.")
        st.markdown("  \n".join(f"**{run.id[:4]}** {run_title(run)}" for run in ticked))
    elif len(ticked) > 2:
        st.info("Two at a time: untick one to compare the others.")
