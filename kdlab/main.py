"""Every visit starts here: page settings, navigation, and the page that was asked for."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from kdlab.ui.page_frame import frame, freeze_imports, projector

ICON = str(Path(__file__).with_name("ui") / "icon.svg")

st.set_page_config(
    page_title="KD Lab",
    page_icon=ICON,
    layout="wide",
    initial_sidebar_state="collapsed" if projector() else "auto",
)
page = st.navigation(
    [
        st.Page("../pages/home.py", title="Home", icon=":material/home:", default=True),
        st.Page(
            "../pages/soft_targets.py", title="Soft targets", icon=":material/equalizer:", url_path="soft-targets"
        ),
        st.Page("../pages/loss.py", title="Loss", icon=":material/function:", url_path="loss"),
        st.Page("../pages/distill.py", title="Distill", icon=":material/school:", url_path="distill"),
        st.Page("../pages/runs.py", title="Runs", icon=":material/history:", url_path="runs"),
    ],
    position="top",
)
st.logo(ICON)
frame()
page.run()
freeze_imports("pages")
