"""Text as character ids: one small alphabet for sixteen languages in Latin script.

Ids: 0 is padding, 1 any character outside the alphabet, 2 a space, the rest letters and a few signs.
A text is lower-cased and gets a space at either end, so that an n-gram can tell where a word begins and ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

SEEN = 95  # a space stands in front of what is typed
WINDOW = 96  # characters seen of a text; 95 of 100 twelve-word snippets fit
PADDING, UNKNOWN = 0, 1
LETTERS = "abcdefghijklmnopqrstuvwxyzßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿăąćčďęěĺľłńňŕřśšťůűźżžœșț"
ALPHABET = " " + LETTERS + "'-.,:;()"
ALPHABET_SIZE = len(ALPHABET) + 2  # with padding and unknown

# Other ways to write the same sign: typographic quotes and dashes, and the cedilla forms of Romanian letters.
_SAME = {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‐": "-", "‑": "-", "–": "-", "—": "-", "ş": "ș", "ţ": "ț"}


def _id_table() -> np.ndarray:
    table = np.full(0x2100, UNKNOWN, dtype=np.int64)  # indexed by code point
    for i, character in enumerate(ALPHABET):
        table[ord(character)] = i + 2
    for variant, character in _SAME.items():
        table[ord(variant)] = table[ord(character)]
    return table


_IDS = _id_table()


def normalise(text: str) -> str:
    """The text as the encoder sees it: composed (NFC), lower case, single spaces, one space at either end.

    Only the first characters of a long text are looked at, so a text of any length costs the same.
    """
    head = unicodedata.normalize("NFC", text[: 8 * WINDOW]).lower()
    return f" {' '.join(head.split())} "[:WINDOW]


def encode(texts: Sequence[str]) -> np.ndarray:
    """Character ids of texts, padded with 0 and cut at the window: (N,) strings → (N, 96) int64.

    Any string is accepted; one without visible characters becomes two spaces.
    """
    rows = [normalise(text) for text in texts]
    points = np.frombuffer("".join(rows).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    ids = np.where(points < len(_IDS), _IDS[np.minimum(points, len(_IDS) - 1)], UNKNOWN)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    encoded = np.zeros((len(rows), WINDOW), dtype=np.int64)
    encoded[np.arange(WINDOW) < lengths[:, None]] = ids
    return encoded


def known_letters(text: str) -> int:
    """How many letters of the alphabet stand in the part of the text that the encoder sees."""
    return sum(character in LETTERS for character in normalise(text))


def is_cut(text: str) -> bool:
    """Whether the encoder sees less than the whole of it."""
    return len(" ".join(text.split())) > SEEN
