"""Every visit starts here: page settings, navigation, and the page that was asked for."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from kdlab.lessons.path import PAGES
from kdlab.ui.page_frame import frame, freeze_imports
from kdlab.ui.widgets.frame_tools import projector

ICON = str(Path(__file__).with_name("ui") / "icon.svg")

st.set_page_config(
    page_title="KD Lab",
    page_icon=ICON,
    layout="wide",
    initial_sidebar_state="collapsed" if projector() else "auto",
)
page = st.navigation(
    [
        st.Page(one.script, title=one.title, icon=one.icon, url_path=one.path, default=not one.path)
        for one in PAGES
    ],
    position="top",
)
if page.url_path:  # every tab of the browser says which page it shows
    st.set_page_config(page_title=f"{page.title} · KD Lab")
st.logo(ICON)
frame(next(one for one in PAGES if one.path == page.url_path))
page.run()
freeze_imports("pages")
