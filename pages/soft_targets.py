"""Soft targets: what a teacher says beyond its answer."""

from __future__ import annotations

import streamlit as st

st.title("Soft targets")
