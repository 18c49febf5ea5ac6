"""What stands around every page: type, spacing, and the projector view."""

from __future__ import annotations

import gc
from pathlib import Path

import streamlit as st

from kdlab.ui.url_state import publish, went_back_or_forward

_PROJECTOR = "projector"


def projector() -> bool:
    """Whether this visit is shown on a wall: ``?projector=1``, kept while the visitor changes pages."""
    asked = st.query_params.get(_PROJECTOR)
    if asked is not None:
        st.session_state[_PROJECTOR] = asked == "1"
    return bool(st.session_state.get(_PROJECTOR, False))


def frame() -> None:
    """Puts the lab's style sheet on the page, and the projector view into its address."""
    # An address set in answer to the back button would be a new one, from which the button leads back here.
    if projector() and not went_back_or_forward():
        publish(_PROJECTOR, "1")
    css = Path(__file__).with_name("page_frame.css").read_text(encoding="utf-8")
    larger = "html { font-size: 135% !important; }" if projector() else ""
    st.html(f"<style>{css}\n{larger}</style>")


@st.cache_resource(show_spinner=False)
def freeze_imports(after: str) -> None:
    """Moves what imports made out of the collector's sight, once a process for each thing that was imported.

    Streamlit collects garbage after every script run. Walking the imports' objects each time would
    take most of the time between a drag and its picture.
    """
    gc.collect()
    gc.freeze()
