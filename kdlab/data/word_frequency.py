"""How rare the words of a text are, counted in training texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


class Band(NamedTuple):
    """Texts whose words are about as frequent: their numbers (n,), and the frequency of the rarest and the commonest."""

    rows: np.ndarray
    low: float
    high: float


def words(text: str) -> list[str]:
    """The distinct words of a text in lower case, in their order."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))


def word_frequency(texts: Sequence[str], training: Sequence[str]) -> np.ndarray:
    """For each text (N,): in how many training texts one of its words stands, as a geometric mean over its words.

    A word that no training text has counts as one half, for a mean of logarithms needs a number; a text without words
    has 0.
    """
    known = Counter(word for text in training for word in words(text))
    counts = [np.array([known.get(word, 0.5) for word in words(text)], dtype=float) for text in texts]
    return np.array([float(np.exp(np.log(count).mean())) if len(count) else 0.0 for count in counts])


def frequency_bands(frequency: np.ndarray, count: int = 4) -> list[Band]:
    """Even bands from the rarest words to the commonest; texts of the same frequency keep their order."""
    parts = np.array_split(np.argsort(frequency, kind="stable"), count)
    return [Band(part, float(frequency[part[0]]), float(frequency[part[-1]])) for part in parts if len(part)]
