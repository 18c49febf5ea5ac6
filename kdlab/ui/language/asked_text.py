"""A text that language models were asked about, token by token, and how it is written for those who see it and who do not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kdlab.core.divergences import forward_kl
from kdlab.core.probability import entropy, softmax
from kdlab.ui.look.style import ROLES, Role

END_OF_TEXT = 0
"""The own token that ends a text, and begins every window."""
_SIGNS = str.maketrans({" ": "·", "\n": "¶", "\t": "→"})
_BLANK = " \n\t"
_SPOKEN = {" ": "a space", "\n": "a new line", "\t": "a tab"}


@dataclass(frozen=True, eq=False)
class AskedText:
    """What was read, and what each model says comes next.

    ``ids`` (L,): own tokens, of which the first begins the text. ``after``: the own token that came after the last, None
    where the text ends. ``pieces``: the bytes of each of the V own tokens. ``teacher_logits`` (L, V), and ``student_logits``
    (L, V) or None: at place i, of the token that follows place i.
    """

    ids: np.ndarray
    after: int | None
    pieces: tuple[bytes, ...]
    teacher_logits: np.ndarray
    student_logits: np.ndarray | None = None
    student: str = "Student"
    role: Role = ROLES["soft_targets"]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def teacher(self) -> np.ndarray:
        """The teacher's probabilities at T = 1, (L, V)."""
        return softmax(self.teacher_logits)

    @cached_property
    def pupil(self) -> np.ndarray | None:
        """The student's probabilities at T = 1, (L, V)."""
        return None if self.student_logits is None else softmax(self.student_logits)

    @cached_property
    def entropy(self) -> np.ndarray:
        """How undecided the teacher is after each token, in bits: (L,)."""
        return entropy(self.teacher)

    @cached_property
    def kl(self) -> np.ndarray | None:
        """KL(teacher‖student) after each token, in nats: (L,)."""
        return None if self.pupil is None else forward_kl(self.teacher, self.pupil)

    @cached_property
    def disagree(self) -> np.ndarray | None:
        """After which tokens the two find another token likeliest: (L,) bool."""
        return None if self.pupil is None else self.teacher.argmax(-1) != self.pupil.argmax(-1)

    def came(self, place: int) -> int | None:
        """The token that really came after this place; None where the text ends."""
        return int(self.ids[place + 1]) if place + 1 < len(self) else self.after

    def written(self, token: int) -> str:
        """An own token as a word of a list: what cannot be seen has a sign, "·" a space and "¶" a new line."""
        return "end of text" if token == END_OF_TEXT else written(self.pieces[token])


def written(piece: bytes) -> str:
    """The bytes of a token, in signs that can be seen; what is no letter is told as the code that it is."""
    return _signs(_plain(piece))


def spoken(piece: bytes) -> str:
    """The bytes of a token as they are read out: “truth” after a space."""
    text = _plain(piece)
    core = text.strip(_BLANK)
    before = text[: len(text) - len(text.lstrip(_BLANK))] if core else text
    blanks = " and ".join(_times(run) for run in re.findall(r" +|\n+|\t+", before))
    if not core:
        return blanks or "nothing"
    return f"“{_signs(core)}” after {blanks}" if blanks else f"“{_signs(core)}”"


def _times(run: str) -> str:
    one = _SPOKEN[run[0]]
    return one if len(run) == 1 else f"{len(run)} {one.removeprefix('a ')}s"


def _plain(piece: bytes) -> str:
    """As text; bytes that are a part of a letter only, as codes."""
    return piece.decode("utf-8", "backslashreplace")


def _signs(text: str) -> str:
    signs = text.translate(_SIGNS)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in signs)
