"""Home."""

from __future__ import annotations

import streamlit as st

st.title("Knowledge distillation, under your hand")
