"""What comes with the lab of SmolLM2 on Pride and Prejudice, so that its page and a first run need neither the model nor torch.

One file, written by `kdlab.models.record_language_signals`: which of the model's tokens are own tokens; its output matrix for
them; its last hidden states on windows of the test chapters and on a few passages of them; and, at each position of the first
training windows, tokens that it drew at T = 1. Hidden states are bfloat16 in planes of bytes, of which the high ones are alike;
the matrix is kept as the model's package has it, in 8 bits with a scale for 32 numbers each, which is exact and half as large.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from kdlab.data import FILES
from kdlab.data.corpora import find_corpus
from kdlab.models import smollm2

SHIPPED = FILES / "smollm2_pride.npz"
TEACHER, CORPUS = "smollm2", "pride"
DRAWS = 16
"""Tokens drawn at each position."""
BLOCK = 32
"""Numbers of the output matrix that share a scale."""
_ORDER_SEED = 11


@dataclass(frozen=True)
class Passage:
    """A few lines of a test chapter, read alone: own ids (L + 1,), of which the first is 0; last hidden states (L, H) float32."""

    chapter: int
    ids: np.ndarray
    hidden: np.ndarray


class Shipped:
    """The file's content, each part read when it is asked for. Raises ValueError in words where the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def teacher_ids(self) -> np.ndarray:
        """(V,) the teacher's ids of the own tokens, own id 0 first."""
        return self._read("teacher_ids").astype(np.int64)

    @cached_property
    def head(self) -> np.ndarray:
        """(V, H) float32: logits over the own tokens are hidden @ head.T."""
        steps, scales = self._read("head_steps"), self._read("head_scales")
        unpacked = (steps.reshape(len(steps), -1, BLOCK) * scales[..., None].astype(np.float32)).reshape(steps.shape)
        return _not_to_be_written(smollm2.from_bfloat16(smollm2.as_bfloat16(unpacked)))  # as the unpacked model has it

    @cached_property
    def test_rows(self) -> np.ndarray:
        """(W,) which of the test's windows these are."""
        return self._read("test_rows").astype(np.int64)

    @cached_property
    def test_hidden(self) -> np.ndarray:
        """(W, L, H) float32: last hidden states on these windows."""
        return _not_to_be_written(joined(self._read("test_hidden")))

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """A few lines each."""
        chapters, lengths, ids = (self._read(f"passage_{name}") for name in ("chapters", "lengths", "ids"))
        hidden, ends = joined(self._read("passage_hidden")), np.cumsum(lengths)
        found = []
        for chapter, begin, end in zip(chapters, ends - lengths, ends, strict=True):
            own = np.concatenate([[0], ids[begin:end]]).astype(np.int64)
            found.append(Passage(int(chapter), _not_to_be_written(own), _not_to_be_written(hidden[begin:end])))
        return tuple(found)

    @cached_property
    def draws(self) -> np.ndarray:
        """(W, L, 16) int32: own ids that the teacher drew at T = 1, at each position of the first W training windows."""
        planes = self._read("draws")
        steps = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view("<u2")[..., 0]
        ids = np.cumsum(steps, axis=-1, dtype=np.int32)
        # They are kept from the lowest to the highest id. Drawn alike and independently they may stand in any order, and whoever
        # reads the first of them alone must not be given the lowest.
        return _not_to_be_written(np.random.default_rng(_ORDER_SEED).permuted(ids, axis=-1))

    @cached_property
    def corpus_fingerprint(self) -> str:
        """Of the text that the teacher was asked about."""
        return str(self._read("corpus_fingerprint"))

    @cached_property
    def teacher_sha256(self) -> str:
        """Of the teacher's package."""
        return str(self._read("teacher_sha256"))

    def _read(self, name: str) -> np.ndarray:
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                return stored[name]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"The file {self._path.name} is missing or damaged. Fetch the project again.") from error


def shipped_for(teacher: str, corpus: str) -> Shipped | None:
    """What comes with the lab of this teacher on this text; None where there is nothing, or the text is another by now."""
    if (teacher, corpus) != (TEACHER, CORPUS) or not SHIPPED.is_file():
        return None
    found = _shipped(SHIPPED)
    text = find_corpus(corpus)
    same = text is not None and found.corpus_fingerprint == text.fingerprint() and found.teacher_sha256 == smollm2.SHA256
    return found if same else None


@lru_cache(1)
def _shipped(path: Path) -> Shipped:
    return Shipped(path)


def apart(bits: np.ndarray) -> np.ndarray:
    """bfloat16 as its bits (…) in planes of bytes, (2, …): they are packed into less room so."""
    return np.stack([bits & 0xFF, bits >> 8]).astype(np.uint8)


def joined(planes: np.ndarray) -> np.ndarray:
    """What `apart` was given, as float32."""
    return smollm2.from_bfloat16(planes[0] | planes[1].astype(np.uint16) << 8)


def ordered(draws: np.ndarray) -> np.ndarray:
    """Own ids (W, L, 16) as they are kept: from the lowest on, each as its distance from the one before, in planes of bytes."""
    steps = np.diff(np.sort(draws, axis=-1), axis=-1, prepend=0).astype("<u2")
    return np.moveaxis(steps[..., None].view(np.uint8), -1, 0)


def _not_to_be_written(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
