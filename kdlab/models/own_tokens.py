"""A text's own tokens: those of a teacher's tokenizer that occur in it, numbered from 0; needs no torch.

A student that had a row for each of SmolLM2's 49,152 tokens would be little else. Own id 0 ends a text, and begins every window.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from kdlab.data.corpora import get_corpus
from kdlab.models.causal_shapes import WINDOW
from kdlab.models.language_teachers import end_of_text, identity, tokenizer_of, width
from kdlab.models.pocket import NAME as POCKET
from kdlab.models.pocket import byte_of_letter

__all__ = ["WINDOW", "OwnTokens", "Sizes", "own_tokens", "sizes_of", "tokenizer_json", "windows"]

_KEPT = 8  # texts with their tokens in memory
_A_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class Sizes(NamedTuple):
    """How many own tokens there are, and how many numbers one of the teacher's last hidden states has."""

    vocabulary: int
    teacher_width: int


class Encoded(NamedTuple):
    """A text as own ids (N,) int64, and what of it has none, each piece once in its order."""

    ids: np.ndarray
    unknown: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OwnTokens:
    """The own tokens of a teacher in a text: the teacher's id of each (V,) int64, and the bytes that it stands for."""

    teacher: str
    teacher_ids: np.ndarray
    pieces: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """(V,) int64: the UTF-8 bytes of each token; none of what ends a text."""
        return np.array([len(piece) for piece in self.pieces], dtype=np.int64)

    @cached_property
    def _own_ids(self) -> np.ndarray:
        """Own id by the teacher's, −1 where it is none."""
        found = np.full(int(self.teacher_ids.max()) + 1, -1, dtype=np.int64)
        found[self.teacher_ids[1:]] = np.arange(1, len(self.teacher_ids))
        return found

    def encode(self, text: str) -> Encoded:
        """The text in own ids, without a mark at either end. What has no own id is left out, and told. Errors as `tokenizer_of`."""
        # A lone surrogate is no text to the tokenizer.
        encoding = tokenizer_of(self.teacher).encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
        theirs = np.array(encoding.ids, dtype=np.int64)
        inside = theirs < len(self._own_ids)
        own = np.where(inside, self._own_ids[np.where(inside, theirs, 0)], -1)
        lost = np.flatnonzero(own < 0)
        said = dict.fromkeys(_as_text(_bytes_of([encoding.tokens[i]], self._byte_level)) for i in lost.tolist())
        return Encoded(own[own >= 0], tuple(said))

    def decode(self, ids: Iterable[int] | np.ndarray) -> str:
        """The text of own ids (N,); a letter that is cut in its bytes is a sign of replacement."""
        return _as_text(b"".join(self.pieces[i] for i in np.asarray(ids, dtype=np.int64).tolist()))

    @cached_property
    def _byte_level(self) -> bool:
        return _is_byte_level(self.teacher)


def own_tokens(teacher: str, corpus: str) -> OwnTokens:
    """The own tokens of this teacher in this text, by the teacher's ids; of the pocket teacher all that it has, with which
    every text can be written.

    Transfer text gives none: students do not read it. Raises ValueError for an unknown text; errors as `tokenizer_of`.
    """
    return _own_tokens(teacher, _tokenizer_identity(teacher), corpus, get_corpus(corpus).fingerprint())


@lru_cache(_KEPT)
def _own_tokens(teacher: str, _: str, corpus: str, __: str) -> OwnTokens:
    tokenizer, end = tokenizer_of(teacher), end_of_text(teacher)
    if teacher == POCKET:
        ids = np.arange(tokenizer.get_vocab_size())
    else:
        texts = get_corpus(corpus).load()
        found = (tokenizer.encode(text, add_special_tokens=False).ids for text in (texts.train, texts.validation, texts.test))
        ids = np.unique(np.concatenate([np.array(part, dtype=np.int64) for part in found]))
    teacher_ids = np.concatenate([[end], ids[ids != end]]).astype(np.int64)
    names = [tokenizer.id_to_token(i) for i in teacher_ids[1:].tolist()]
    byte_level = _is_byte_level(teacher)
    teacher_ids.setflags(write=False)
    return OwnTokens(teacher, teacher_ids, (b"", *(_bytes_of([name], byte_level) for name in names)))


def sizes_of(teacher: str, corpus: str) -> Sizes:
    """`Sizes` of a teacher and a text. Raises ValueError where either is unknown or not here."""
    return Sizes(len(own_tokens(teacher, corpus)), width(teacher))


def windows(ids: np.ndarray) -> np.ndarray:
    """Own ids (N,) in windows that follow one another, each begun by 0: (N // 64, 65) int64. A rest is left out."""
    count = len(ids) // WINDOW
    return np.concatenate([np.zeros((count, 1), np.int64), ids[: count * WINDOW].reshape(count, WINDOW)], axis=1)


def tokenizer_json(own: OwnTokens) -> dict[str, Any]:
    """The teacher's tokenizer cut down to the own tokens, as `tokenizers` reads it. Ids below V are own ids.

    It cuts the text that they are of into the same ids. Byte-level BPE makes a token by merging two, so what an own token is
    merged from has to be there too, and so have the single bytes, for text of other words: such tokens that are no own ones
    have ids from V on, which no student has learned. Raises ValueError where the teacher's tokenizer is of another kind.
    """
    whole = json.loads(tokenizer_of(own.teacher).to_str())
    model = whole["model"]
    if model["type"] != "BPE" or not own._byte_level:
        raise ValueError("Its teacher's tokenizer is not byte-level BPE: the lab cannot cut it down to the text's tokens.")
    names = {i: name for name, i in model["vocab"].items()}
    ids = {names[i]: own_id for own_id, i in enumerate(own.teacher_ids.tolist())}
    pairs = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
    made_of = {first + second: (first, second) for first, second in reversed(pairs)}
    waiting = [*ids, *(name for name in model["vocab"] if len(name) == 1)]
    needed = dict.fromkeys(waiting)
    while waiting:
        for part in made_of.get(waiting.pop(), ()):
            if part not in needed:
                needed[part] = None
                waiting.append(part)
    extra = sorted((name for name in needed if name not in ids), key=model["vocab"].__getitem__)
    vocab = ids | {name: len(ids) + place for place, name in enumerate(extra)}
    kept = [[first, second] for first, second in pairs if first in vocab and second in vocab and first + second in vocab]
    mark = names[int(own.teacher_ids[0])]
    end = {"id": 0, "content": mark, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return whole | {"model": model | {"vocab": vocab, "merges": kept}, "added_tokens": [end], "truncation": None, "padding": None}


def _tokenizer_identity(teacher: str) -> str:
    """What tells the teacher's tokenizer; that of the lab's own teachers does not change."""
    return identity(teacher) if teacher.startswith("folder:") else teacher


@lru_cache(_KEPT)
def _byte_level_of(teacher: str, _: str) -> bool:
    told = json.loads(tokenizer_of(teacher).to_str()).get("decoder") or {}
    return any(one.get("type") == "ByteLevel" for one in (told, *told.get("decoders", ())))


def _is_byte_level(teacher: str) -> bool:
    return _byte_level_of(teacher, _tokenizer_identity(teacher))


def _bytes_of(tokens: Iterable[str], byte_level: bool) -> bytes:
    """The bytes that tokens stand for, by their names in the tokenizer."""
    found = bytearray()
    for token in tokens:
        if byte_level:
            letters = byte_of_letter()
            found += bytes(letters[letter] for letter in token) if all(letter in letters for letter in token) else token.encode()
        elif byte := _A_BYTE.fullmatch(token):
            found.append(int(byte[1], 16))
        else:
            found += token.replace("▁", " ").encode()
    return bytes(found)


def _as_text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
