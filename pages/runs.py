"""Runs: everything that was launched here, to open again, take away or delete, and two of them compared."""

from __future__ import annotations

import streamlit as st

from kdlab.lessons.path import RUNS, SOFT_TARGETS
from kdlab.runs.store import StoreError
from kdlab.ui.run.store import lab_store
from kdlab.ui.runs.compare_runs import PARAMETER, comparison_view
from kdlab.ui.runs.run_list import run_list
from kdlab.ui.way import next_page

compared = st.query_params.get(PARAMETER)
if compared is not None:
    st.page_link(RUNS.script, label="All runs", icon=":material/arrow_back:")
st.title("Runs" if compared is None else "Two runs compared")
store = lab_store()
if store is None:
    st.stop()

try:
    if compared is None:
        st.markdown("Every run of this lab, newest first. Tick two finished ones to compare them.")
        run_list(store)
    else:
        comparison_view(store, compared)
except StoreError as error:
    st.error(str(error), icon=":material/folder_off:")

next_page(SOFT_TARGETS, "what did the teacher know that helped?")
