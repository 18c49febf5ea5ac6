"""What a text's tokens are coloured by: how undecided the teacher is after each, and how far a student is from it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kdlab.ui.language.asked_text import END_OF_TEXT, AskedText, spoken, written
from kdlab.ui.widgets.token_text import STEPS, Step, Token

READ_FIRST = 8
"""Tokens that are read before a place is chosen by itself; of a short text half of it."""


@dataclass(frozen=True)
class Colouring:
    """One way: its title, what the colours tell, and the steps of the scale with the bounds between them.

    ``said``: the value at a place, in words.
    """

    title: str
    of: str
    values: Callable[[AskedText], np.ndarray | None]
    bounds: tuple[float, ...]
    words: tuple[str, ...]
    unit: str
    said: Callable[[float], str]

    def steps(self, text: AskedText) -> np.ndarray:
        """The step of each token on the scale of `STEPS`: (L,)."""
        found = np.searchsorted(self.bounds, self.values(text), side="right")
        return (found * (STEPS - 1) // len(self.bounds)).astype(int)

    def legend(self) -> list[Step]:
        """Each step in words and, where there is something to measure, in numbers."""
        last = len(self.bounds)
        return [
            Step(step * (STEPS - 1) // last, words, self._numbers(step) if self.unit else "")
            for step, words in enumerate(self.words)
        ]

    def _numbers(self, step: int) -> str:
        if step == 0:
            return f"under {self.bounds[0]:g} {self.unit}"
        if step == len(self.bounds):
            return f"{self.bounds[-1]:g} {self.unit} or more"
        return f"{self.bounds[step - 1]:g} to {self.bounds[step]:g}"


COLOURINGS = {
    "entropy": Colouring(
        title="Teacher's entropy",
        of="How undecided the teacher is about what follows a token (entropy at T = 1):",
        values=lambda text: text.entropy,
        bounds=(1, 2, 4, 6),
        words=("sure", "nearly sure", "a few in play", "many in play", "wide open"),
        unit="bits",
        said=lambda value: f"{value:.1f} bits",
    ),
    "kl": Colouring(
        title="KL to the student",
        of="How far the student is from the teacher about what follows a token (KL, teacher to student, T = 1):",
        values=lambda text: text.kl,
        bounds=(0.5, 1, 2, 4),
        words=("close", "a little off", "off", "far off", "lost"),
        unit="nats",
        said=lambda value: f"KL {value:.2f} nats",
    ),
    "disagreement": Colouring(
        title="Disagreement",
        of="Whether the two find the same token likeliest after it:",
        values=lambda text: text.disagree,
        bounds=(1,),
        words=("the same", "another"),
        unit="",
        said=lambda value: "they disagree" if value else "they agree",
    ),
}


def colourings_for(text: AskedText) -> dict[str, str]:
    """Name → title of the ways that this text can be coloured in."""
    return {name: one.title for name, one in COLOURINGS.items() if one.values(text) is not None}


def worth_a_look(text: AskedText, colouring: str) -> int:
    """The place that teaches most where nobody chose one: the teacher is least sure there, or the student farthest from it.

    Of the places where they disagree, the farthest apart. At the beginning everybody is unsure, so some of the text comes first.
    """
    values = COLOURINGS[colouring].values(text)
    ranked = values + text.kl / (1 + text.kl) if colouring == "disagreement" else values
    first = min(READ_FIRST, len(text) // 2)
    return first + int(ranked[first:].argmax())


def coloured_tokens(text: AskedText, colouring: str) -> list[Token]:
    """The tokens as the widget shows them; what came after the last one stands there without a colour."""
    way = COLOURINGS[colouring]
    tokens = [*text.ids.tolist(), *([] if text.after is None else [text.after])]
    pieces = [text.pieces[token] for token in tokens]
    told: list[tuple[str, int | None]] = [
        (f"{way.said(value)} about what follows", step)
        for value, step in zip(way.values(text).tolist(), way.steps(text).tolist(), strict=True)
    ]
    told += [("the text goes on from here", None)] * (len(tokens) - len(text))
    made = []
    for place, (token, piece, (said, step)) in enumerate(zip(tokens, pieces, told, strict=True)):
        if token == END_OF_TEXT:
            shown, called = ("start", "The text begins here") if place == 0 else ("end", "The text ends here")
        else:
            shown, called = written(piece.strip(b" ") or piece), f"Token {place} of {len(tokens) - 1}: {spoken(piece)}"
        gap = token == END_OF_TEXT or piece[:1] in (b" ", b"\n")
        made.append(Token(shown, f"{called}, {said}", step, gap=gap, breaks=_ends_paragraph(pieces, place)))
    return made


def _ends_paragraph(pieces: list[bytes], place: int) -> bool:
    """Whether an empty line ends with this piece: the lines of a printed page mean nothing on another screen."""
    follows = b"".join(pieces[place + 1 : place + 2])
    return b"".join(pieces[: place + 1]).endswith(b"\n\n") and not follows.startswith(b"\n")
