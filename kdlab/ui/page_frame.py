"""What stands around every page: type, spacing, and the buttons at the top."""

from __future__ import annotations

import gc
from pathlib import Path

import streamlit as st

from kdlab.lessons.path import LabPage
from kdlab.ui.addresses import understand
from kdlab.ui.url_state import arrive
from kdlab.ui.widgets.frame_tools import frame_tools, projector

# Readable from the last row: nothing is smaller than 2.5 % of the height, and a caption is .875rem.
_LARGER = "html { font-size: max(135%, 2.9vh) !important; --kd-least: 2.5vh; }"


def frame(page: LabPage) -> None:
    """Puts the lab's style sheet on the page, and what can be done with every page at its top."""
    arrive()
    css = Path(__file__).with_name("page_frame.css").read_text(encoding="utf-8")
    st.html(f"<style>{css}\n{_LARGER if projector() else ''}</style>")
    frame_tools()
    understand(page)


@st.cache_resource(show_spinner=False)
def freeze_imports(after: str) -> None:
    """Moves what imports made out of the collector's sight, once a process for each thing that was imported.

    Streamlit collects garbage after every script run. Walking the imports' objects each time would
    take most of the time between a drag and its picture.
    """
    gc.collect()
    gc.freeze()
