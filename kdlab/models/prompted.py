"""A language model reads what a visitor typed: at once where it is small, else in a process of its own.

``python -m kdlab.models.prompted MARK`` is that process. What a model said once is kept, for whoever types the same.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from kdlab.data.home import home
from kdlab.models import pocket
from kdlab.models.causal_numpy import head, hidden
from kdlab.models.causal_shapes import POCKET
from kdlab.models.kept_files import read_arrays, write_arrays
from kdlab.models.language_teachers import identity
from kdlab.models.own_tokens import WINDOW, OwnTokens, own_tokens
from kdlab.models.visitor_jobs import Job, Jobs

LONGEST = WINDOW - 1
"""Own tokens of a text that are read: a window begins with end-of-text."""
STOPPED = "Stopped: the teacher has not read your text."
_STEPS = 3  # cutting the text into tokens, waking the teacher, reading
_KEPT = 32  # answers on the disk, about a megabyte each


@dataclass(frozen=True)
class Prompt(Job):
    """What a visitor typed, for a teacher to read in the own tokens of a corpus."""

    teacher: str
    corpus: str
    text: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """A text as it is read: own ids (L,) from end-of-text on, the pieces that are no own tokens, and how many tokens were cut off."""

    ids: np.ndarray
    unknown: tuple[str, ...]
    cut: int


JOBS = Jobs(Prompt, "kdlab.models.prompted", "teachers/prompts", STOPPED)


def prepared(tokens: OwnTokens, text: str) -> Prepared:
    """The text as a window of own tokens reads it. What is no own token is left out, what is too long is cut."""
    ids, unknown = tokens.encode(text)
    return Prepared(np.concatenate([[0], ids[:LONGEST]]).astype(np.int64), tuple(unknown), max(0, len(ids) - LONGEST))


def answers_at_once(teacher: str) -> bool:
    """Whether it is asked where the page is, in NumPy, in no time."""
    return teacher == pocket.NAME


def kept_logits(teacher: str, tokens: OwnTokens, ids: np.ndarray) -> np.ndarray | None:
    """(L, V) what the teacher says comes after each of the own ids; None where it has not been asked.

    Of a teacher that answers at once it is never None. Raises what says why the teacher is not here, a ValueError.
    """
    if answers_at_once(teacher):
        return _pocket_logits(ids.tobytes())
    kept = read_arrays(_path(teacher, tokens, ids))
    return None if kept is None else kept.get("logits")


@lru_cache(8)
def _pocket_logits(ids: bytes) -> np.ndarray:
    weights = pocket.pocket_weights()
    return hidden(weights, POCKET, np.frombuffer(ids, np.int64)) @ head(weights, POCKET).T


def start(teacher: str, corpus: str, text: str, visitor: str) -> None:
    """Has the teacher read the text, unless one reads for this visitor already."""
    JOBS.start(Prompt(teacher, corpus, text), visitor)


def stop(visitor: str) -> None:
    """Has it end, soon."""
    JOBS.stop(visitor)


def prompt_of(visitor: str) -> Prompt | None:
    """What the visitor asked for last; None where that is nothing."""
    return JOBS.of(visitor)


def main(mark: str) -> None:
    """Answers what the visitor of this mark asked for."""

    def answer(asked: Prompt) -> Prompt:
        def say(words: str, step: int) -> None:
            JOBS.say(mark, replace(asked, state="working", words=words, done=step, total=_STEPS))

        with JOBS.turn(mark):
            say("Cutting the text into tokens", 0)
            tokens = own_tokens(asked.teacher, asked.corpus)
            ids = prepared(tokens, asked.text).ids
            if kept_logits(asked.teacher, tokens, ids) is None:
                _keep(_path(asked.teacher, tokens, ids), _asked_now(asked.teacher, tokens, ids, say))
        return asked

    JOBS.carry_out(mark, answer, (ValueError,), "Something went wrong while the teacher was loaded or read")


def _asked_now(teacher: str, tokens: OwnTokens, ids: np.ndarray, say: Callable[[str, int], None]) -> np.ndarray:
    say("Waking the teacher", 1)
    import torch

    from kdlab.models.causal_teacher import CausalTeacher

    model = CausalTeacher(teacher, tokens, say=lambda words: say(words, 1))
    say("The teacher reads", 2)
    with torch.no_grad():
        return (model.hidden(torch.from_numpy(ids)[None])[0] @ model.head.T).numpy()


def _keep(path: Path, logits: np.ndarray) -> None:
    write_arrays(path, logits=logits.astype(np.float32))
    with suppress(OSError):
        oldest_last = sorted(path.parent.glob("*.npz"), key=lambda kept: kept.stat().st_mtime, reverse=True)
        for old in oldest_last[_KEPT:]:
            old.unlink(missing_ok=True)


def _path(teacher: str, tokens: OwnTokens, ids: np.ndarray) -> Path:
    named = hashlib.sha256(identity(teacher).encode())
    for numbers in (tokens.teacher_ids, ids):
        named.update(f" {len(numbers)} ".encode() + numbers.astype(np.int64).tobytes())
    return home() / "cache" / "prompts" / f"{named.hexdigest()[:24]}.npz"


if __name__ == "__main__":
    main(sys.argv[1])
