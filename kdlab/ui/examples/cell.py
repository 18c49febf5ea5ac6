"""A cell of the class map: which two classes it is of, and the examples behind it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from kdlab.ui.examples.gallery import pick, tile
from kdlab.ui.examples.subjects import behind_cell, dataset_of
from kdlab.ui.url_state import place_of, publish, url_choice
from kdlab.ui.widgets.tiles import tiles


def choose_cell(classes: tuple[str, ...], default: tuple[int, int]) -> tuple[int, int]:
    """A true class and what its examples are taken for: two lists that read as a sentence."""
    names = {name: name for name in classes}
    notes = st.container()
    for key, index in zip(("of", "as"), default, strict=True):
        notice = url_choice(key, names, classes[index])
        if notice:
            notes.warning(notice, icon=":material/link_off:")
    with st.container(horizontal=True):
        true_class = st.selectbox("Examples of", classes, place_of("of", classes), key="of", width=240)
        place = place_of("as", classes)
        seen_as = st.selectbox("in which the teacher sees most of", classes, place, key="as", width=240)
    for key, value, index in (("of", true_class, default[0]), ("as", seen_as, default[1])):
        publish(key, None if value == classes[index] else value)
    return classes.index(true_class), classes.index(seen_as)


def set_cell(classes: tuple[str, ...], clicked: dict[str, int]) -> None:
    """Moves both lists to a cell of the class map that was clicked."""
    st.session_state["of"], st.session_state["as"] = classes[clicked["y"]], classes[clicked["x"]]


def show_cell(teacher: str, cell: tuple[int, int], soft_targets: np.ndarray) -> None:
    """The examples behind a cell, most of the other class first; one click puts an example under the slider."""
    found = behind_cell(teacher, *cell, soft_targets, most=14 if dataset_of(teacher).kind == "image" else 6)
    notes = [tile(teacher, i, note=f"{soft_targets[i, cell[1]]:.0%}") for i in found]
    tiles("Examples behind the cell", notes, key="behind", chosen=None, on_pick=_pick_behind, wrap=True)


def _pick_behind(number: int) -> None:
    pick(number)
    # The gallery stands outside the fragment that the tiles behind a cell belong to.
    st.rerun()
