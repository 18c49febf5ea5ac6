"""A section that is folded until it is asked for, or until a link points into it."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdlab.ui.url_state import went_back_or_forward


def folded(name: str, *, key: str, opened_by: Iterable[str], lazy: bool = False) -> DeltaGenerator:
    """A closed section, open where the address says something of what stands in it.

    opened_by: beginnings of the parameters that do. lazy: what stands in it is made only while its `open` is true.
    """
    pointed, memory = any(name.startswith(tuple(opened_by)) for name in st.query_params), f"{key}-pointed"
    # As it was at first: what is moved inside writes such parameters too, and must not open or close it.
    if memory not in st.session_state or (pointed and went_back_or_forward()):
        st.session_state[memory] = pointed
    expanded = st.session_state[memory]
    return st.expander(name, expanded=expanded, **({"key": key, "on_change": "rerun"} if lazy else {}))
