"""A classification as a question with lettered options, and what a language model's answer says about each class."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from pydantic import FiniteFloat

LETTERS = "ABCDEFGHIJ"
TOP_LOGPROBS = 20  # the most that OpenAI and most others show of an answer
INSTRUCTION = "Which of these classes does the text belong to?"

_NAMED = re.compile(r"[\W_]*([A-Za-z])(?:\s*$|\s*[.):*\n])")
LEAST = 1e-12  # below it a probability is a server's filler, such as a log-probability of −9999


@dataclass(frozen=True)
class Reply:
    """What an endpoint sent for one text, as it is kept on disk.

    ``top``: the likeliest first tokens with their log-probabilities (nats); None where the endpoint sent none.
    ``token``: the token that it said, with its own. ``model``: the name that the endpoint says answered.
    """

    content: str
    token: tuple[str, FiniteFloat] | None = None
    top: tuple[tuple[str, FiniteFloat], ...] | None = None
    model: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reply says about K classes.

    ``label``: the class it names; None where it names none. ``option_probabilities``: (K,) float64, not
    normalised; None where it came without. ``shown``: (K,) bool; where False, the probability is an upper bound,
    for a class that was not among the tokens shown. ``captured_mass``: the probability of the tokens that name a
    class, the rest of the vocabulary has what is missing to 1; 0 without probabilities.
    """

    label: int | None
    option_probabilities: np.ndarray | None = None
    shown: np.ndarray | None = None
    captured_mass: float = 0.0


@dataclass(frozen=True)
class MultipleChoice:
    """The question. Each text has its own order of the classes, always the same for the same text.

    Models prefer some letters whatever they stand for (Zheng et al., arXiv 2309.03882); over many texts a changing
    order spreads this preference over all classes. Raises ValueError for fewer than two classes, more than ten, or
    two of the same name.
    """

    classes: tuple[str, ...]
    instruction: str = INSTRUCTION

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= len(LETTERS):
            raise ValueError(
                f"A question has two to {len(LETTERS)} options, A to J, and here are {len(self.classes)} classes. "
                "Take a data set with fewer, or leave some out."
            )
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("Two classes have the same name. Give each its own.")

    @property
    def sha256(self) -> str:
        """Of all that stands in each prompt apart from the text and the order."""
        return hashlib.sha256(json.dumps([_template("", [], ""), asdict(self)]).encode()).hexdigest()

    def order(self, text: str) -> list[int]:
        """Which class each letter stands for."""
        return sorted(
            range(len(self.classes)),
            key=lambda k: hashlib.sha256(f"{text_sha256(text)}:{k}".encode()).digest(),
        )

    def prompt(self, text: str) -> str:
        """The message that asks for the class of a text."""
        options = [
            f"{letter}. {self.classes[k]}" for letter, k in zip(LETTERS, self.order(text), strict=False)
        ]
        return _template(self.instruction, options, text)

    def read(self, text: str, reply: Reply) -> Reading:
        """What the reply to this text's prompt says. Spellings of a letter (" A", "A", "a") are summed."""
        letters = dict(zip(LETTERS, self.order(text), strict=False))
        named = self._named(letters, reply.content)
        tokens = dict(reply.top or ())
        if reply.token:
            tokens.setdefault(*reply.token)
        probabilities = {
            token: p for token, value in tokens.items() if (p := math.exp(min(value, 0))) > LEAST
        }
        if not probabilities:
            return Reading(named)
        mass = np.zeros(len(self.classes))
        for token, p in probabilities.items():
            if (k := letters.get(token.strip(" \n\t▁ĠĊ").upper())) is not None:
                mass[k] += p
        captured = float(mass.sum())
        bound = _bound(reply, probabilities)
        label = int(mass.argmax()) if captured > 0 else named
        return Reading(label, np.where(mass > 0, mass, bound), mass > 0, min(captured, 1.0))

    def _named(self, letters: Mapping[str, int], content: str) -> int | None:
        if found := _NAMED.match(content):
            return letters.get(found[1].upper())
        said = content.strip(" \n.*\"'").casefold()
        return next((k for k, name in enumerate(self.classes) if name.casefold() == said), None)


def text_sha256(text: str) -> str:
    """SHA-256 (hex) of a text in UTF-8; a broken character counts as a question mark, which is what is sent."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _bound(reply: Reply, probabilities: Mapping[str, float]) -> float:
    """The most that a token can have that was not shown: what is left of 1, and no more than the least of the top."""
    left = 1 - sum(probabilities.values())
    top = [probabilities[token] for token, _ in reply.top or () if token in probabilities]
    return max(min([left, *top]), LEAST)


def _template(instruction: str, options: list[str], text: str) -> str:
    listed = "\n".join(options)
    return (
        f"{instruction}\n\n{listed}\n\nText: {text}\n\nAnswer with the letter of the class and nothing else."
    )
