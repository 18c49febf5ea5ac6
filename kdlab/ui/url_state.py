"""What a visitor has set, in the URL: a link reproduces the view.

A value is taken from the URL when the visitor arrives at a page: by a link, by the navigation, or by the browser's
back and forward buttons. In between the control rules, and the URL follows it; at the default the parameter vanishes.
The navigation leaves a URL without parameters; what the pages have in common is then carried from page to page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

T = TypeVar("T")
_ARRIVAL = "arrival"
_MEMORIES = {"dataset": "data"}
"""Keys with another's memory: what a run trains on is chosen where examples are looked at too, and the other way round."""
_PARAMETERS = {"T": "temperature", "w": "kd_weight"}
"""Keys that are not the parameter itself: of one picture's settings, which no run takes over from page to page."""
OF_TEXTS = "text_"
"""Begins the keys of a language model's settings: the parameter goes without it. What a classifier's run was set to is nothing
for them to begin with, nor the other way round."""


@dataclass(frozen=True)
class _Arrival:
    """The visitor's last arrival at a page, and how many there were."""

    page: str = ""
    count: int = 0
    by_history: bool = False


def arrive() -> None:
    """Notes whether the visitor has just come to this page. Call it first in every run of the whole script."""
    context = get_script_run_ctx(suppress_warning=True)
    page = "" if context is None else context.page_script_hash
    last = _arrival()
    if page != last.page or went_back_or_forward() or not last.count:
        st.session_state[_ARRIVAL] = _Arrival(page, last.count + 1, went_back_or_forward())


def page_on_show() -> str:
    """What tells this page from the others."""
    return _arrival().page


def arrivals() -> int:
    """How often the visitor has come to a page: while it stays the same, so does the page."""
    return _arrival().count


def adopt(key: str, default: T, parse: Callable[[str], T | None]) -> str | None:
    """Sets ``st.session_state[key]`` before its control is shown.

    parse: the value that a text means, None where it means none. Returns the URL's text where it did not fit and
    was replaced by the default, shortened; in Markdown show it as `literal`.

    A widget that two pages share has another identity on the second, which drops its value: so it is set again at
    each arrival, and only then, for a text field that is set while somebody types loses letters.
    """
    if not arriving(key):
        return None
    st.session_state[_adopted(key)] = _arrival().count
    asked = st.query_params.get(_parameter(key))
    text = asked
    if asked is None and not _arrival().by_history:
        text = st.session_state.get(_memory(key))
    value = None if text is None else parse(text)
    # Numbers of one's own are no data of a run: a page that does not offer them leaves them to the others.
    st.session_state[_elsewhere(key)] = text if asked is None and value is None and _is_shared(key) else None
    st.session_state[key] = default if value is None else value
    return None if asked is None or value is not None else shortened(asked)


def arriving(key: str) -> bool:
    """Whether `adopt` is going to take the value from the URL."""
    return key not in st.session_state or st.session_state.get(_adopted(key)) != _arrival().count


def publish(key: str, text: str | None, carried: str | None = None) -> None:
    """Writes the text into the URL and remembers it; None removes the parameter.

    carried: what is remembered in its place, where the next page's default is another than this one's.
    What was chosen elsewhere and is not offered here stays remembered while the default is shown in its place.
    Whether the back button undoes that is said in `kdlab.server.browser_history`.
    """
    name = _parameter(key)
    if st.query_params.get(name) != text:
        if text is None:
            del st.query_params[name]
        else:
            st.query_params[name] = text
    if text is not None:
        st.session_state[_elsewhere(key)] = None
    st.session_state[_memory(key)] = carried or text or st.session_state.get(_elsewhere(key))


def _parameter(key: str) -> str:
    """What a control is called in the URL."""
    return _PARAMETERS.get(key, key.removeprefix(OF_TEXTS))


def forget(key: str) -> None:
    """Drops the value and what is remembered of it; what the URL says stays, and is adopted next."""
    st.session_state.pop(key, None)
    st.session_state.pop(_memory(key), None)


def remembered(key: str) -> str | None:
    """What was published last, on whichever page; None where that was the default."""
    return st.session_state.get(_memory(key))


def url_choice(key: str, options: dict[str, Any], default: str) -> str | None:
    """Prepares a widget with this key that picks one of the options' names. Returns a notice in Markdown, or None.

    Show the widget next, a list with `place_of` as its index, and `publish` what it gives.
    """
    rejected = adopt(key, default, lambda text: text if text in options else None)
    if st.session_state[key] not in options:
        st.session_state[key] = default
    if rejected is None:
        return None
    return not_one_of(rejected, options, default)


def place_of(key: str, options: Iterable[str]) -> int:
    """The place of the value that a list with this key has now, for its ``index``.

    A list that a browser mounts anew takes its index until it hears more, and tells it as if it had been chosen.
    """
    return list(options).index(st.session_state[key])


def not_one_of(rejected: str, options: Iterable[str], default: str) -> str:
    """The notice that an address asked for what there is not. Markdown."""
    return f"The link asked for “{literal(rejected)}”, which is not one of {', '.join(options)}. Here is {default}."


def shortened(text: str, length: int = 24) -> str:
    """The text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def at_most(key: str, longest: int) -> None:
    """Keeps the beginning of a field's text that came too long: the field takes no more, another sender might."""
    st.session_state[key] = st.session_state[key][:longest]


def literal(text: str) -> str:
    """A line as Markdown in which every sign stands for itself: no picture, link, colour, formula or symbol."""
    # Streamlit rewrites this sign of an icon even in code; a space without width keeps it from being one.
    text = text.replace(":material/", ":\u200bmaterial/")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, room = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{room}{text or ' '}{room}{fence}"


def as_it_is(text: str) -> str:
    """Words of a stranger as Markdown in which every sign stands for itself, set as the words around them."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _memory(key: str) -> str:
    return f"url-{_MEMORIES.get(key, key)}"


def _is_shared(key: str) -> bool:
    return key in {*_MEMORIES, *_MEMORIES.values()}


def _elsewhere(key: str) -> str:
    return f"url-elsewhere-{_MEMORIES.get(key, key)}"


def _adopted(key: str) -> str:
    return f"url-adopted-{key}"


def _arrival() -> _Arrival:
    return st.session_state.get(_ARRIVAL, _Arrival())


def went_back_or_forward() -> bool:
    """Whether this run answers the browser's back or forward button."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation
