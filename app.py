"""The launcher: `streamlit run app.py` serves the lab and everything around its pages."""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from kdlab.ui.hosts import KnownHosts
from kdlab.ui.identity import VisitorCookie
from kdlab.ui.plotly_source import plotly_route

app = st.App(
    "kdlab/main.py",
    routes=[plotly_route()],
    middleware=[Middleware(KnownHosts), Middleware(VisitorCookie)],
)
