"""A part for experts: folded until it is asked for, or until a link points into it."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def folded(name: str, *, key: str, opened_by: Iterable[str]) -> DeltaGenerator:
    """A closed section; what stands in it is made only while its `open` is true.

    opened_by: beginnings of the address's parameters that belong to what stands in it.
    """
    pointed = any(parameter.startswith(tuple(opened_by)) for parameter in st.query_params)
    # As it was at first: what is moved inside writes such parameters too, and must not open or close it.
    pointed = st.session_state.setdefault(f"{key}-pointed", pointed)
    return st.expander(name, expanded=pointed, key=key, on_change="rerun")
