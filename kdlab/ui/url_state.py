"""What a visitor has set, in the URL: a link reproduces the view.

A value is taken from the URL when its control is first shown and when the browser goes back or
forward. In between the control rules, and the URL follows it; at the default the parameter vanishes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

T = TypeVar("T")


def adopt(key: str, default: T, parse: Callable[[str], T | None], *, widget: str | None = None) -> str | None:
    """Sets ``st.session_state[key]`` before its control is shown.

    parse: the value that a text means, None where it means none. widget: the control's own key where it
    is another. Returns the text that did not fit and was replaced by the default, shortened for a notice.
    """
    on_show = key in st.session_state and st.session_state.get(widget or key) is not None
    if on_show and not went_back_or_forward():
        return None
    # Another page has stripped the URL since the control was last shown: what it said then still holds.
    text = st.query_params.get(key, None if on_show else st.session_state.get(_memory(key)))
    value = None if text is None else parse(text)
    st.session_state[key] = default if value is None else value
    return None if text is None or value is not None else shortened(text)


def publish(key: str, text: str | None) -> None:
    """Writes the text into the URL and remembers it; None removes the parameter."""
    if st.query_params.get(key) != text:
        if text is None:
            del st.query_params[key]
        else:
            st.query_params[key] = text
    st.session_state[_memory(key)] = text


def url_choice(key: str, options: dict[str, Any], default: str) -> str | None:
    """Prepares a widget with this key that picks one of the options' names. Returns a notice, or None.

    Show the widget next, without a default of its own, and `publish` what it gives.
    """
    rejected = adopt(key, default, lambda text: text if text in options else None)
    if st.session_state[key] not in options:
        st.session_state[key] = default
    if rejected is None:
        return None
    return f"The link asked for “{rejected}”, which is not one of {', '.join(options)}. Here is {default}."


def shortened(text: str, length: int = 24) -> str:
    """The text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _memory(key: str) -> str:
    return f"url-{key}"


def went_back_or_forward() -> bool:
    """Whether this run answers the browser's back or forward button."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation
