"""A text as its tokens, each on a step of one ordered scale and one of them chosen: by a click, a tap or the arrow keys."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from kdlab.ui.look.tokens import ORDERED_GROUNDS
from kdlab.ui.widgets.component_source import component

STEPS = len(ORDERED_GROUNDS["light"])
_HTML = """
<div class="text">
  <div class="legend"><span class="of"></span><span class="steps"></span></div>
  <div class="tokens" role="listbox" aria-orientation="horizontal"></div>
</div>
"""
_text = component("token_text", html=_HTML)
_PAIRS = zip(*ORDERED_GROUNDS.values(), strict=True)
_SCALE = [[f"light-dark({light}, {dark})" for light, dark in zip(*pair, strict=True)] for pair in _PAIRS]


@dataclass(frozen=True)
class Token:
    """One token: what is written on it, what it is called for those who do not see it, its step of the scale or None.

    ``gap``: it begins a word; ``breaks``: a new line follows it. Without a step it cannot be chosen.
    """

    text: str
    name: str
    step: int | None
    gap: bool = False
    breaks: bool = False


@dataclass(frozen=True)
class Step:
    """A step of the scale in the legend: which one, and what it means in words and numbers."""

    step: int
    words: str
    numbers: str = ""


def token_text(
    label: str,
    tokens: Sequence[Token],
    *,
    key: str,
    chosen: int,
    on_pick: Callable[[int], None],
    legend: Sequence[Step],
    of: str,
) -> None:
    """Shows the tokens and the legend of what is coloured; on_pick is called with the place of a token before the rerun.

    of: what the colours tell, before the legend. Right and left walk along the text, up and down by its lines.
    """
    name, taken = f"tokens-{key}", f"tokens-taken-{key}"
    subject = f"{zlib.crc32(repr([token.text for token in tokens]).encode()):x}"

    def picked() -> None:
        move = _move(name)
        # The browser may send anything, also of the text that was there before: only what is shown can be picked.
        if move is None or move["subject"] != subject:
            return
        st.session_state[taken] = move["count"]
        if 0 <= move["token"] < len(tokens) and tokens[move["token"]].step is not None:
            on_pick(move["token"])

    _text(
        key=name,
        data={
            "label": label,
            "tokens": [asdict(token) for token in tokens],
            "words": list(words(tokens)),
            "chosen": chosen,
            "subject": subject,
            "taken": st.session_state.get(taken, 0),
            "scale": _SCALE,
            "legend": [asdict(step) for step in legend],
            "of": of,
        },
        on_move_change=picked,
    )


def words(tokens: Sequence[Token]) -> list[int]:
    """How many tokens stand together, word by word: a line ends between words only."""
    starts = [i for i, token in enumerate(tokens) if token.gap or i == 0 or tokens[i - 1].breaks]
    return [end - start for start, end in itertools.pairwise([*starts, len(tokens)])]


def _move(name: str) -> dict[str, Any] | None:
    """What the browser told last, None before the first move or where it is not what our tokens send."""
    state = st.session_state.get(name)
    move = state.get("move") if state is not None else None
    match move:
        case {"token": int(), "count": int(), "settled": bool(), "subject": str()}:
            return move
    return None
