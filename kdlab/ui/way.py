"""Where a page leads: at its end, the question that the next one answers."""

from __future__ import annotations

import streamlit as st

from kdlab.lessons.path import LabPage


def next_page(page: LabPage, question: str = "") -> None:
    """Ends a page with the link to the next one. question: in place of the next page's own."""
    with st.container(key="next"):
        st.page_link(page.script, label=f"Next: {question or page.question}", icon=":material/arrow_forward:")
