"""The texts that an experiment can be run on: the lab's, and this visitor's own, which are brought and taken away here."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from kdlab.data import own_corpora
from kdlab.data.corpora import CORPORA, get_corpus
from kdlab.data.home import HomeError
from kdlab.data.own_corpora import MOST_BYTES, OwnCorpus, OwnTextError, add_own
from kdlab.data.visitor_sets import TextsGoneError
from kdlab.server.identity import visitor_id
from kdlab.ui.look.folded import folded
from kdlab.ui.own import disk_fault
from kdlab.ui.url_state import as_it_is, shortened

_READ = "own-text-read"
_LONGEST_TITLE = 40


@dataclass(frozen=True)
class _Read:
    """What came of the file that was uploaded last: its text by name, or why it is none. ``before``: it had been brought already."""

    file_id: str
    name: str = ""
    before: bool = False
    fault: str = ""


def corpora_on_offer() -> dict[str, str]:
    """Name → title; the lab's first."""
    own = {one.name: shortened(one.title, _LONGEST_TITLE) for one in own_corpora.own_corpora(visitor_id())}
    return {name: corpus.title for name, corpus in CORPORA.items()} | own


def bring_own_text(choice: str) -> None:
    """Draws the folded section in which a visitor brings a text, is told what came of it, and takes texts away.

    choice: the key of the list in which a text is chosen, to be drawn after this: what has just come is chosen there.
    """
    with folded("A text of your own", key="own-text", opened_by=()):
        st.caption(
            "Students can read any text that you have. It stays on this lab's machine, and only you are shown it and what students "
            "write who have read it; whoever has a run's link sees its numbers and its prompt."
        )
        try:
            _upload(choice)
            for own in own_corpora.own_corpora(visitor_id()):
                _card(own)
        except HomeError as error:
            st.error(str(error), icon=":material/folder_off:")
        except OSError as error:
            st.error(disk_fault(error), icon=":material/folder_off:")


def _upload(choice: str) -> None:
    given = st.file_uploader(
        f"A text file in UTF-8 or UTF-16, up to {MOST_BYTES / 1e6:.0f} MB", type=["txt"], key="own-text-file"
    )
    if given is None:
        st.session_state.pop(_READ, None)
        return
    read = st.session_state.get(_READ)
    if read is None or read.file_id != given.file_id:
        with st.spinner("Reading the text"):
            read = _taken(given.file_id, given.name, given.getvalue())
        if read.name:
            st.session_state[choice] = read.name
        st.session_state[_READ] = read  # last: where this is cut off, all of it is done again
    if read.fault:
        st.error(as_it_is(read.fault), icon=":material/upload_file:")
    elif told := _outcome(read, choice):
        st.info(told, icon=":material/upload_file:")


def _taken(file_id: str, file: str, raw: bytes) -> _Read:
    here = {own.name for own in own_corpora.own_corpora(visitor_id())}
    try:
        name = add_own(raw, file, visitor_id())
    except OwnTextError as error:
        return _Read(file_id, fault=str(error))
    return _Read(file_id, name, name in here)


def _outcome(read: _Read, choice: str) -> str:
    """What came of a text, in words. Markdown; empty where it was taken away since."""
    title = corpora_on_offer().get(read.name)
    if title is None:
        return ""
    texts = get_corpus(read.name).load()
    before = "You have brought this text before. " if read.before else ""
    stands = "is chosen above" if st.session_state.get(choice) == read.name else "can be chosen above"
    return (
        f"{before}**{as_it_is(title)}** {stands}: {len(texts.train):,} characters to train on, {len(texts.validation):,} to "
        f"choose settings by, {len(texts.test):,} for the test."
    )


def _card(own: OwnCorpus) -> None:
    try:
        size = sum(map(len, get_corpus(own.name).load()))
    except TextsGoneError:  # in another tab, a moment ago
        return
    with st.container(border=True, key=f"card-{own.name}"):
        st.markdown(f"**{as_it_is(shortened(own.title, _LONGEST_TITLE))}**, {size:,} characters")
        st.button(
            "Take away",
            key=f"away-{own.name}",
            icon=":material/delete:",
            help="The text goes from the lab's disk, and what teachers said of it. Runs on it keep their numbers and their curves; what "
            "their students write is shown no more, and they are not to be downloaded any more. A run that still waits will not find it.",
            on_click=_take_away,
            args=(own.name, visitor_id()),
        )


def _take_away(name: str, visitor: str) -> None:
    try:
        own_corpora.take_away(name, visitor)
    except HomeError as error:
        st.toast(str(error))
    except OSError as error:
        st.toast(disk_fault(error))
