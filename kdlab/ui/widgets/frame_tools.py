"""The two buttons at the top of every page: copy a link to this view, and show it on a projector."""

from __future__ import annotations

import streamlit as st

from kdlab.ui.url_state import publish, went_back_or_forward
from kdlab.ui.widgets.component_source import component

_PROJECTOR = "projector"
_KEY = "frame-tools"
_tools = component(
    "frame_tools",
    html="""
<div class="tools">
  <span class="copy"><button type="button" disabled>Copy link</button><span role="status"></span></span>
  <button type="button" disabled title="Larger type and thicker lines, for the last row">Projector</button>
</div>
""",
)


def projector() -> bool:
    """Whether this visit is shown on a wall: by the button, or by an address with ``?projector=1``.

    The browser's tab keeps it over a reload. The address does not: a link shows the view, not the room it was shown in.
    """
    asked = st.query_params.get(_PROJECTOR)
    if asked is not None:
        st.session_state[_PROJECTOR] = asked == "1"
        # An address set in answer to the back button would be a new one, from which the button leads back here.
        if not went_back_or_forward():
            publish(_PROJECTOR, None)
    return bool(st.session_state.get(_PROJECTOR))


def frame_tools() -> None:
    """Draws them. A new session hears from the tab whether the projector view was on."""

    def switched() -> None:
        st.session_state[_PROJECTOR] = bool(st.session_state[_KEY].projector)

    with st.container(key="frame"):
        _tools(
            key=_KEY,
            data={"projector": st.session_state.get(_PROJECTOR)},
            on_projector_change=switched,
        )
