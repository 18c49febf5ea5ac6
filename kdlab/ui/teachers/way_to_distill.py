"""From a teacher of one's own to a run that learns from it."""

from __future__ import annotations

import streamlit as st

from kdlab.data.registry import get_dataset
from kdlab.lessons.path import DISTILL
from kdlab.runs.spec import Labelled


def way_to_distill(dataset: str, teacher: str) -> None:
    """A link to Distill with both. Where the texts are few, a quarter of them has its label, so that the teacher has
    something to add: the answers to the others."""
    asked: dict[str, str] = {"dataset": dataset, "teacher": teacher}
    data, usual = get_dataset(dataset), Labelled.model_fields
    if usual["labels"].default + usual["transfer"].default > data.train_size:
        asked["labels"] = str(max(len(data.classes), 10 * round(data.train_size / 40)))
    st.page_link(DISTILL.script, label="Distill it", icon=DISTILL.icon, query_params=asked)
