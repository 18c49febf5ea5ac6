"""A text of the visitor's own, for the teacher to read: at once where it is small, else in a process with progress and Stop."""

from __future__ import annotations

import numpy as np
import streamlit as st

from kdlab.core.counted import counted
from kdlab.models.language_teachers import why_not_here
from kdlab.models.own_tokens import OwnTokens
from kdlab.models.prompted import (
    LONGEST,
    STOPPED,
    Prepared,
    Prompt,
    answers_at_once,
    kept_logits,
    prepared,
    prompt_of,
    start,
    stop,
)
from kdlab.server.identity import visitor_id
from kdlab.ui.language.asked_text import written
from kdlab.ui.url_state import adopt, as_it_is, at_most, literal, publish, shortened
from kdlab.ui.widgets.ask_button import ask_button, asked

LONGEST_TEXT = 400
HAVE_READ = "have-read"
_SUCH_AS = "It is a truth universally acknowledged, that a teacher in possession of"
_POLL = 0.5  # seconds between two looks at how far the teacher is
_NAMED = 6  # pieces that are left out, by name


def own_prompt(teacher: str, corpus: str, tokens: OwnTokens, *, prefix: str) -> tuple[Prepared, np.ndarray] | None:
    """The text as it is read, and what the teacher says after each of its tokens (L, V); None while there is nothing to show.

    tokens: the own tokens of the teacher in this corpus.
    """
    key = f"{prefix}typed"
    adopt(key, "", lambda text: text[:LONGEST_TEXT])
    typed = st.text_input(
        f"Your text, up to {LONGEST_TEXT} characters",
        key=key,
        on_change=at_most,
        args=(key, LONGEST_TEXT),
        max_chars=LONGEST_TEXT,
        live=answers_at_once(teacher),
        placeholder=_SUCH_AS,
    )
    publish(key, typed or None)
    notes = st.container()  # always there, so that what follows keeps its place
    if not typed.strip():
        notes.caption("Type a text: the teacher reads it token by token, and says after each what it expects.")
        return None
    read = prepared(tokens, typed)
    if told := left_out_words(read):
        notes.warning(told, icon=":material/content_cut:")
    if len(read.ids) < 2:
        return None
    try:
        logits = kept_logits(teacher, tokens, read.ids)
    except ValueError as problem:
        notes.warning(as_it_is(str(problem)), icon=":material/block:")
        return None
    if logits is None:
        _ask(teacher, corpus, typed, prefix)
        return None
    return read, logits


def left_out_words(read: Prepared) -> str:
    """What of a text is not read, and why; empty where all of it is. Markdown."""
    said = []
    if read.unknown:
        named = ", ".join(literal(shortened(written(piece.encode()))) for piece in read.unknown[:_NAMED])
        more = f" and {len(read.unknown) - _NAMED} more" if len(read.unknown) > _NAMED else ""
        said.append(f"Left out, for they occur nowhere in the text that students learn from, so that they have no token: {named}{more}.")
    if len(read.ids) < 2:
        said.append("Nothing is left to read: type other words.")
    if read.cut:
        said.append(f"Only the first {LONGEST} tokens are read, as in the students' windows: {counted(read.cut, 'tokens')} cut off.")
    return " ".join(said)


def _ask(teacher: str, corpus: str, typed: str, prefix: str) -> None:
    """How far the teacher is that was asked for, or the button that asks it."""
    visitor = visitor_id()
    last = prompt_of(visitor)
    wanted = Prompt(teacher, corpus, typed)
    if last is not None and last.goes_on:
        st.fragment(_progress, run_every=_POLL)()
        st.button("Stop", key=f"{prefix}stop-reading", icon=":material/stop:", on_click=stop, args=(visitor,))
        return
    if last is not None and last.state == "refused" and _same(last, wanted):
        (st.info if last.words == STOPPED else st.error)(as_it_is(last.words), icon=":material/block:")
    missing = why_not_here(teacher)
    if missing:
        st.warning(as_it_is(missing), icon=":material/download:")
        return
    ask_button("Have it read", f"{prefix}{HAVE_READ}", wanted, key=f"{prefix}have-it-read", icon=":material/psychology:")
    if asked().pop(f"{prefix}{HAVE_READ}", None) == wanted:
        start(teacher, corpus, typed, visitor)
        st.rerun()


def _progress() -> None:
    last = prompt_of(visitor_id())
    if last is None or not last.goes_on:
        st.rerun()
    st.progress(last.done / last.total if last.total else 0.0, text=progress_words(last))


def progress_words(now: Prompt) -> str:
    """What is being done."""
    return "Waiting: it starts up, or the teacher reads another text just now." if now.state == "waiting" else f"{now.words} …"


def _same(one: Prompt, other: Prompt) -> bool:
    return (one.teacher, one.corpus, one.text) == (other.teacher, other.corpus, other.text)
