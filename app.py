"""The launcher: `streamlit run app.py` serves the lab and everything around its pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from kdlab.models.api_asking import stop_all
from kdlab.runs.dispatcher import Dispatcher
from kdlab.server.browser_history import StepsInHistory
from kdlab.server.headers import SafeHeaders
from kdlab.server.hosts import KnownHosts
from kdlab.server.identity import VisitorCookie
from kdlab.server.mended_streamlit import keep_search_path, keep_whole_runs
from kdlab.server.picture_source import picture_route
from kdlab.server.plotly_source import plotly_route
from kdlab.ui.widgets.component_source import component_route

SCRIPT = Path(__file__).resolve().parent / "kdlab" / "main.py"
keep_search_path(SCRIPT)
keep_whole_runs()


@asynccontextmanager
async def dispatching(_app: st.App) -> AsyncIterator[None]:
    """One dispatcher for as long as the server lives; no endpoint is asked for longer."""
    dispatcher = Dispatcher()
    dispatcher.start()
    try:
        yield
    finally:
        await asyncio.to_thread(stop_all)
        await asyncio.to_thread(dispatcher.stop)


app = st.App(
    SCRIPT,
    lifespan=dispatching,
    routes=[plotly_route(), component_route(), picture_route()],
    middleware=[
        Middleware(SafeHeaders),
        Middleware(KnownHosts),
        Middleware(VisitorCookie),
        Middleware(StepsInHistory),
    ],
)
