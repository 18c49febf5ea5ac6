"""The one store of this server's pages."""

from __future__ import annotations

import streamlit as st

from kdlab.data.home import HomeError
from kdlab.runs.store import Store, StoreError


@st.cache_resource(show_spinner=False)
def _store() -> Store:
    return Store()


def lab_store() -> Store | None:
    """The store, or None with its fault shown in words: pages that teach without it go on."""
    try:
        store = _store()
    except (HomeError, StoreError) as error:
        st.error(str(error), icon=":material/folder_off:")
        return None
    if store.set_aside is not None:
        st.info(
            f"The runs of an older KD Lab could not be read by this one. They were kept in {store.set_aside}, "
            "and a new store was begun.",
            icon=":material/inventory_2:",
        )
    return store
