"""A bundled teacher's answer to typed text; torch is imported at the first text, not before."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kdlab.data import text as characters
from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import get_teacher

if TYPE_CHECKING:
    from torch import nn


def classify_text(text: str, teacher: str = "languages") -> np.ndarray:
    """The teacher's logits for a text of any length: (K,) float32. What lies past the window is not read.

    Raises ValueError, in a learner's words, for an unknown teacher or one that reads pictures, for a text without
    visible characters, for one of which the teacher knows nothing, and (ModelMissing) where the teacher is a package that
    is not installed; CheckpointError where the weights are damaged.
    """
    kind = get_dataset(get_teacher(teacher).dataset).kind
    if kind == "image":
        raise ValueError(f"The teacher {teacher!r} reads pictures, not text.")
    if not text.strip():
        raise ValueError("Type a word or a sentence for the teacher to read.")
    x = _characters(text) if kind == "character" else _word_pieces(text)
    import torch

    with torch.inference_mode():
        return _loaded(teacher)(torch.from_numpy(x))[0].numpy()


def _characters(text: str) -> np.ndarray:
    if not characters.known_letters(text):
        raise ValueError(
            "The teacher knows only languages in Latin letters, and sees none of its letters in this text."
        )
    return characters.encode([text])


def _word_pieces(text: str) -> np.ndarray:
    ids = word_pieces.encode([text])
    if not (ids >= len(word_pieces.MARKS)).any():
        raise ValueError("The teacher knows nothing in this text.")
    return ids


@cache
def _loaded(teacher: str) -> nn.Module:
    from kdlab.models.checkpoints import load_teacher

    return load_teacher(teacher)
