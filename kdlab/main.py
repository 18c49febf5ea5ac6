"""Every visit starts here: page settings, navigation, and the page that was asked for."""

from __future__ import annotations

import gc
from pathlib import Path

import streamlit as st

from kdlab.ui.page_frame import frame, projector

st.set_page_config(
    page_title="KD Lab",
    page_icon=str(Path(__file__).with_name("ui") / "icon.svg"),
    layout="wide",
    initial_sidebar_state="collapsed" if projector() else "auto",
)


@st.cache_resource(show_spinner=False)
def freeze_imports() -> None:
    """Moves what the imports made out of the collector's sight, once a process.

    Streamlit collects garbage after every script run. Walking the imports' objects each time would
    take most of the time between a drag and its picture.
    """
    gc.collect()
    gc.freeze()


page = st.navigation(
    [
        st.Page("../pages/home.py", title="Home", icon=":material/home:", default=True),
        st.Page(
            "../pages/soft_targets.py",
            title="Soft targets",
            icon=":material/equalizer:",
            url_path="soft-targets",
        ),
    ],
    position="top",
)
frame()
page.run()
freeze_imports()
