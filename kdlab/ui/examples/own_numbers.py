"""Numbers that a visitor types as a teacher's answer: probabilities or logits, with or without names of the classes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

LETTERS = "ABCDEFGHIJKLMNOP"
LONGEST_NAME = 20
LARGEST_LOGIT = 100.0
NEAR_ONE = 0.02
"""A sum this near to 1, or in percent to 100, leaves no doubt that probabilities are meant."""

_WORD = r"[^\W\d_](?:[^\W_]|['’-])*"
_NAME = rf"{_WORD}(?: {_WORD})*"
# Names part the numbers, so a comma between two digits is a decimal one.
_NUMBER = r"[-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+]?\d+)?"
_NAMED = re.compile(rf"\s*[,;]?\s*({_NAME})\s*[:=]?\s*({_NUMBER})(?=[\s,;]|$)")
_NOT_ALL = "These are not all numbers. Write them such as 0.7, 0.2, 0.1, or with names: cat 0.7, dog 0.3."


@dataclass(frozen=True)
class OwnNumbers:
    """The numbers as they were typed, (K,), with a name for each."""

    classes: tuple[str, ...]
    values: np.ndarray

    @property
    def surely_logits(self) -> bool:
        """No probability is negative."""
        return bool(self.values.min() < 0)

    @property
    def surely_probabilities(self) -> bool:
        """They are shares of one, or of a hundred."""
        total = float(self.values.sum())
        return not self.surely_logits and (abs(total - 1) <= NEAR_ONE or abs(total - 100) <= 100 * NEAR_ONE)


def read_numbers(text: str) -> OwnNumbers:
    """Two to sixteen numbers, one a class: "0.7, 0.2", "70 %; 20 %", "0,7_0,2", "-1 2 10", "cat: 2, dog: 7".

    Commas, semicolons, spaces and underscores separate; a comma is a decimal one where another sign parts the
    numbers. Raises ValueError in words for the visitor.
    """
    plain = re.sub(r"[\[\](){}%\"]+", " ", text[:400].replace("−", "-")).replace("_", " ")
    if re.search(r"(?<![\d.])[^\W\d_]", plain):
        names, numbers = _named(plain)
    else:
        numbers = _bare(plain)
        names = list(LETTERS[: len(numbers)])
    if not 2 <= len(numbers) <= len(LETTERS):
        raise ValueError(f"Give two to {len(LETTERS)} numbers, one a class, such as 0.7, 0.2, 0.1.")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("Two classes have the same name. Give each its own.")
    try:
        values = np.array([float(number) for number in numbers])
    except ValueError:
        raise ValueError(_NOT_ALL) from None
    if not np.isfinite(values).all() or np.abs(values).max() >= 1e9:
        raise ValueError("These numbers are too large, or no numbers. Write them such as 0.7, 0.2, 0.1.")
    return OwnNumbers(tuple(names), values)


def _named(text: str) -> tuple[list[str], list[str]]:
    names, numbers, at = [], [], 0
    while found := _NAMED.match(text, at):
        names.append(found[1])
        numbers.append(found[2].replace(",", "."))
        at = found.end()
    if text[at:].strip(" ,;\t\r\n") or not names:
        raise ValueError(_NOT_ALL)
    if max(map(len, names)) > LONGEST_NAME:
        raise ValueError(f"A class has at most {LONGEST_NAME} letters in its name.")
    return names, numbers


def _bare(text: str) -> list[str]:
    parts = [part for part in re.split(r"[\s;]+", text) if part.strip(",")]
    if _decimal_commas(parts):
        return [part.rstrip(",").replace(",", ".") for part in parts]
    return [number for part in parts for number in part.split(",") if number]


def _decimal_commas(parts: list[str]) -> bool:
    """Whether commas stand for decimal points: "0,5 0,3", and "0,5, 0,3" where every number begins with 0."""
    if len(parts) < 2:
        return False
    if all(re.fullmatch(r"[-+]?0?,\d+,?", part) for part in parts):
        return True
    return "," in "".join(parts) and all(re.fullmatch(r"[-+]?(\d+|\d*,\d+)", part) for part in parts)
