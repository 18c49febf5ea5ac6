"""Which runs the list shows: whose, in which state, on which data, and which page of them. All of it is in the address."""

from __future__ import annotations

import math

import streamlit as st

from kdlab.data.registry import DATASETS
from kdlab.runs.listing import ALL, PAGE, Which
from kdlab.server.identity import visitor_id
from kdlab.ui.run.titles import STATES
from kdlab.ui.url_state import not_one_of, shortened

_EVERYONE, _ANY_STATE, _ALL_DATA = "All", "Any state", "All data"
_PAGE_NUMBER = "page"


def narrowing() -> Which:
    """Draws the filters."""
    states = {words: state for state, (words, _) in STATES.items()}
    data = {dataset.title: name for name, dataset in DATASETS.items()}
    everyone = [_EVERYONE, "Yours", "Others'"]
    _other_pages_data()
    _tell_of("whose", everyone)
    _tell_of("state", [_ANY_STATE, *states])
    _tell_of("dataset", [_ALL_DATA, *data])
    with st.container(horizontal=True, vertical_alignment="center", key="narrowing"):
        whose = st.segmented_control(
            "Whose",
            everyone,
            default=_EVERYONE,
            key="whose",
            label_visibility="collapsed",
            bind="query-params",
            on_change=_to_the_first_page,
        )
        state = _choice("State", [_ANY_STATE, *states], "state")
        dataset = _choice("Data", [_ALL_DATA, *data], "dataset")
    return Which(
        owner=visitor_id() if whose == "Yours" else None,
        not_owner=visitor_id() if whose == "Others'" else None,
        state=states.get(state),
        dataset=data.get(dataset),
    )


def _other_pages_data() -> None:
    """The other pages name the data by its name, this one by its title."""
    asked = st.query_params.get("dataset")
    if asked in DATASETS:
        st.session_state["dataset"] = DATASETS[asked].title
        del st.query_params["dataset"]


def _tell_of(key: str, options: list[str]) -> None:
    """Streamlit drops what an address asks for and is not there without a word."""
    asked = st.query_params.get(key)
    if asked is not None and asked not in options:
        notice = not_one_of(shortened(asked), options, options[0])
        st.warning(notice, icon=":material/link_off:")


def page_number(count: int) -> int:
    """Draws the way through the pages of so many runs, where there is more than one; the page to show, from 1."""
    pages = math.ceil(count / PAGE)
    if pages < 2:
        return 1
    # In a row with words it would measure its own width and leave page numbers out.
    number = st.pagination(pages, key=_PAGE_NUMBER, bind="query-params", width="stretch")
    first = (number - 1) * PAGE + 1
    st.markdown(f"Runs {first:,} to {min(count, first + PAGE - 1):,} of {count:,}")
    return number


def none_found(which: Which) -> str:
    """What to say where the list is empty."""
    return "No run yet." if which == ALL else "None of these yet."


def _choice(label: str, options: list[str], key: str) -> str:
    return st.selectbox(
        label,
        options,
        key=key,
        label_visibility="collapsed",
        width=165,
        bind="query-params",
        on_change=_to_the_first_page,
    )


def _to_the_first_page() -> None:
    if _PAGE_NUMBER in st.session_state:
        st.session_state[_PAGE_NUMBER] = 1
