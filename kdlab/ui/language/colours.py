"""What a text's tokens are coloured by: how undecided the teacher is after each, and how far a student is from it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kdlab.ui.language.asked_text import END_OF_TEXT, AskedText, spoken, written
from kdlab.ui.widgets.token_text import STEPS, Step, Token


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

    Of the places where they disagree, the farthest apart. The mark that begins the text is left to who chooses it.
    """
    values = COLOURINGS[colouring].values(text)
    ranked = values + text.kl / (1 + text.kl) if colouring == "disagreement" else values
    return int(ranked[1:].argmax()) + 1 if len(text) > 1 else 0


def coloured_tokens(text: AskedText, colouring: str) -> list[Token]:
    """The tokens as the widget shows them; what came after the last one stands there without a colour."""
    way = COLOURINGS[colouring]
    values, steps = way.values(text), way.steps(text)
    whole = len(text) + (text.after is not None)
    made = []
    for place, token in enumerate([*text.ids.tolist(), *([] if text.after is None else [text.after])]):
        piece = text.pieces[token]
        if place < len(text):
            told, step = f"{way.said(float(values[place]))} about what follows", int(steps[place])
        else:
            told, step = "the text goes on from here", None
        if token == END_OF_TEXT:
            begins = place == 0
            made.append(_token("start" if begins else "end", "the text begins here" if begins else "the text ends here", told, step, True))
            continue
        shown = written(piece.strip(b" ") or piece)
        said = f"Token {place} of {whole - 1}: {spoken(piece)}"
        made.append(_token(shown, said, told, step, piece[:1] in (b" ", b"\n"), breaks=piece.endswith(b"\n")))
    return made


def _token(text: str, name: str, told: str, step: int | None, gap: bool, breaks: bool = False) -> Token:
    return Token(text=text, name=f"{name}, {told}", step=step, gap=gap, breaks=breaks)
