"""Two models that cut one sentence into unlike tokens: their tokens, aligned by bytes, and what they say where both end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from kdlab.core.byte_alignment import Alignment, align_pieces
from kdlab.core.divergences import forward_kl
from kdlab.core.probability import softmax
from kdlab.core.uld import uld
from kdlab.models.causal_numpy import head, hidden
from kdlab.models.causal_shapes import get_shape
from kdlab.models.language_teachers import POCKET, SMOLLM2, tokenizer_of
from kdlab.models.pocket import CONTEXT, END_OF_TEXT, encode_with, is_trained, pieces_of, pocket_weights
from kdlab.ui.language.estimator_bench import student_logits, word_places

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SIGNS = {" ": "␣", "\n": "↵", "\r": "↵", "\t": "⇥"}


class Tokens(Protocol):
    """A vocabulary: what each of its tokens writes, and how a text is written in it, with what of the text it cannot write."""

    @property
    def pieces(self) -> Sequence[bytes]: ...

    def encode(self, text: str) -> tuple[Sequence[int], Sequence[str | bytes]]: ...


class WholeVocabulary:
    """All tokens of a byte-level tokenizer, whatever a corpus has of them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.pieces = pieces_of(tokenizer)

    def encode(self, text: str) -> tuple[Sequence[int], Sequence[str]]:
        """The ids of a text, and the letters that the tokenizer drops because it has no token for one of their bytes."""
        ids = encode_with(self._tokenizer, text).tolist()
        if self._writes(ids) == text.encode():
            return ids, ()
        return ids, [c for c in dict.fromkeys(text) if self._writes(encode_with(self._tokenizer, c).tolist()) != c.encode()]

    def _writes(self, ids: Sequence[int]) -> bytes:
        return b"".join(self.pieces[i] for i in ids)


@dataclass(frozen=True)
class Cut:
    """A text as one model reads it: its tokens' ids and what each writes."""

    ids: tuple[int, ...]
    pieces: tuple[bytes, ...]


Says = Callable[[Cut], "np.ndarray | None"]
"""What a model says of a text of L tokens: (L, V), in row i the probabilities of the token at place i, given those before it.
None where the model is not at hand for this text. It is asked again at every step of a drag, and so keeps its answers."""


@dataclass(frozen=True)
class Reader:
    """One of the two models. answers: what each of the V tokens writes that it has a probability for, where these are not all of
    its tokens."""

    title: str
    tokens: Tokens
    says: Says = lambda cut: None
    answers: Sequence[bytes] = ()

    def names(self) -> Sequence[bytes]:
        """What each of the V tokens writes."""
        return self.answers or self.tokens.pieces


class Readers(NamedTuple):
    teacher: Reader
    student: Reader


@dataclass(frozen=True)
class Reading:
    """A sentence under both tokenizers. groups: where both end at the same byte (`kdlab.core.byte_alignment`)."""

    readers: Readers
    teacher: Cut
    student: Cut
    groups: Alignment

    def sides(self) -> tuple[tuple[Reader, Cut], tuple[Reader, Cut]]:
        """The teacher with its tokens, then the student."""
        return (self.readers.teacher, self.teacher), (self.readers.student, self.student)

    def parts(self, group: int) -> tuple[range, range]:
        """The places of a group's tokens, the teacher's and the student's."""
        return _part(self.groups.first_last, group), _part(self.groups.second_last, group)


@dataclass(frozen=True)
class Compared:
    """What ULD compares at the end of a group: all probabilities of either model, and its value."""

    p: np.ndarray
    q: np.ndarray
    value: float


class Exchange(NamedTuple):
    """A teacher with some of its tokens exchanged: what it said of `WORDS` before and after, ULD, and KL in nats."""

    before: list[float]
    after: list[float]
    uld: float
    kl: float


def read(text: str, readers: Readers) -> Reading:
    """Cuts the text twice and aligns it. Raises ValueError where one of the two cannot write it."""
    teacher, student = (_cut(text, reader) for reader in readers)
    return Reading(readers, teacher, student, align_pieces(teacher.pieces, student.pieces))


def compare(reading: Reading) -> list[Compared] | None:
    """ULD at the end of each group, from what either says at its last token; None where one is not at hand for this text.

    Raises ValueError where a model's file is damaged.
    """
    said = [reader.says(cut) for reader, cut in reading.sides()]
    if said[0] is None or said[1] is None:
        return None
    p, q = said[0][reading.groups.first_last], said[1][reading.groups.second_last]
    return [Compared(*both, float(value)) for *both, value in zip(p, q, uld(p, q), strict=True)]


def seen(piece: str | bytes) -> str:
    """A token as a reader sees it: signs for blanks, and the bytes of what is no whole letter or cannot be seen in hexadecimal."""
    try:
        text = piece if isinstance(piece, str) else piece.decode()
    except UnicodeDecodeError:
        return _hexadecimal(piece)  # type: ignore[arg-type]
    return "".join(_SIGNS.get(c) or (c if c.isprintable() else _hexadecimal(c.encode())) for c in text)


def _hexadecimal(some: bytes) -> str:
    return some.hex(" ").upper()


@cache
def exchange() -> Exchange:
    """The bench's teacher, in whose answer the first of `WORDS` changes places with the last, and so on."""
    p, places = softmax(student_logits(0.0)), word_places()
    exchanged = p.copy()
    exchanged[places] = p[places[::-1]]
    return Exchange(p[places].tolist(), exchanged[places].tolist(), float(uld(p, exchanged)), float(forward_kl(p, exchanged)))


@cache
def lab_readers() -> Readers:
    """SmolLM2 as teacher and, in the student's place, the pocket teacher with its own, smaller vocabulary."""
    teacher, student = (WholeVocabulary(tokenizer_of(one.name)) for one in (SMOLLM2, POCKET))
    return Readers(Reader(SMOLLM2.title, teacher), Reader(POCKET.title, student, pocket_says))


class Passage(NamedTuple):
    """A text of which a model's answers are kept: what its tokens write, and its probabilities (L, V) when they are asked for."""

    pieces: tuple[bytes, ...]
    probabilities: Callable[[], np.ndarray]


def says_of_passages(passages: Sequence[Passage]) -> Says:
    """What a model says that is not here itself: of these passages and of their beginnings."""

    def says(cut: Cut) -> np.ndarray | None:
        found = next((one for one in passages if one.pieces[: len(cut.pieces)] == cut.pieces), None)
        return None if found is None else found.probabilities()[: len(cut.pieces)]

    return says


def pocket_says(cut: Cut) -> np.ndarray | None:
    """What the pocket teacher says, computed here; None where it is not, or the text is longer than any that it was trained on.

    Raises ValueError where its files are damaged.
    """
    return _pocket_says(cut.ids) if is_trained() and len(cut.ids) <= CONTEXT else None


@lru_cache(8)  # a sentence that is typed is a new one at every letter
def _pocket_says(ids: tuple[int, ...]) -> np.ndarray:
    weights, shape = pocket_weights(), get_shape(POCKET.name)
    return softmax(hidden(weights, shape, np.array([END_OF_TEXT, *ids[:-1]])) @ head(weights, shape).T)


def _part(last: np.ndarray, group: int) -> range:
    return range(int(last[group - 1]) + 1 if group else 0, int(last[group]) + 1)


def _cut(text: str, reader: Reader) -> Cut:
    ids, unknown = reader.tokens.encode(text)
    if unknown:
        named = ", ".join(f"“{seen(one)}”" for one in list(unknown)[:3])
        raise ValueError(f"{reader.title} has no tokens for {named}.")
    return Cut(tuple(ids), tuple(reader.tokens.pieces[i] for i in ids))
