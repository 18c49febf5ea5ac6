"""The pocket teacher, a small LLaMA that has read Jane Austen: its files, read without torch.

`python -m kdlab.models.train_teachers pocket` makes all three: the tokenizer, the weights (float16) and the card. Where they are
missing or damaged only who asks for them is told.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "pocket"
FOLDER = Path(__file__).parent / "weights" / "language"
VOCABULARY = 2048
"""Tokens: end-of-text, the 256 bytes, and what the novels' training text is most often made of."""
END_OF_TEXT, END_OF_TEXT_MARK = 0, "<|endoftext|>"
CONTEXT = 128
"""Positions that it was trained on; the lab's windows are half as long."""
TRAIN_AGAIN = "Fetch the project again, or train the teacher: python -m kdlab.models.train_teachers pocket"


class PocketMissing(ValueError):
    """A file of the pocket teacher is not here; the message says how to get it."""


def tokenizer_path() -> Path:
    """Where its tokenizer lies, in the form of the library `tokenizers`."""
    return FOLDER / f"{NAME}.tokenizer.json"


def weights_path() -> Path:
    """Where its weights lie, in safetensors form."""
    return FOLDER / f"{NAME}.safetensors"


def card_path() -> Path:
    """Where its card lies, which is written last."""
    return FOLDER / f"{NAME}.json"


def is_trained() -> bool:
    """Whether all its files are here, which says nothing of whether they are whole."""
    return all(path.is_file() for path in (tokenizer_path(), weights_path(), card_path()))


def pocket_card() -> dict[str, Any]:
    """What it saw, how it was trained and chosen, and how good it is. Raises PocketMissing; ValueError where it is damaged."""
    path = card_path()
    content = _bytes(path)
    try:
        card = json.loads(content)
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(card, dict) or not {"weights_sha256", "tokenizer_sha256"} <= card.keys():
        raise _damaged(path)
    return card


def weights_sha256() -> str:
    """SHA-256 (hex) of the weights file as it is. Raises PocketMissing."""
    return hashlib.sha256(_bytes(weights_path())).hexdigest()


def tokenizer_sha256() -> str:
    """SHA-256 (hex) of the tokenizer, however a line ends in its file. Raises PocketMissing."""
    return hashlib.sha256(_bytes(tokenizer_path()).replace(b"\r\n", b"\n")).hexdigest()


def pocket_weights() -> dict[str, np.ndarray]:
    """The weights as float32, not to be written to, by the names that `LlamaForCausalLM` saves them under; the tied head is
    "model.embed_tokens.weight".

    Raises PocketMissing; ValueError where a file is damaged, or weights and tokenizer are not those that the card describes.
    """
    return _weights(FOLDER)


@lru_cache(1)
def _weights(_: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path, card = weights_path(), pocket_card()
    for file, found, said in (
        (path, weights_sha256(), card["weights_sha256"]),
        (tokenizer_path(), tokenizer_sha256(), card["tokenizer_sha256"]),
    ):
        if found != said:
            raise ValueError(
                f"The pocket teacher's file {file.name} is damaged: it is not the one that its card describes. {TRAIN_AGAIN}"
            )
    try:
        weights = {name: half.astype(np.float32) for name, half in load(path.read_bytes()).items()}
    except SafetensorError as error:
        raise _damaged(path) from error
    for array in weights.values():
        array.setflags(write=False)
    return weights


def pocket_tokenizer() -> Tokenizer:
    """Its tokenizer, of which every text comes back to the byte: a mark for the end of a text that somebody types is text.

    Raises PocketMissing; ValueError where the file is damaged.
    """
    return _tokenizer(tokenizer_path())


@lru_cache(1)
def _tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    content = _bytes(path)
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises no class of its own
        raise _damaged(path) from error
    if tokenizer.get_vocab_size() != VOCABULARY or tokenizer.token_to_id(END_OF_TEXT_MARK) != END_OF_TEXT:
        raise _damaged(path)
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(text: str) -> np.ndarray:
    """Its ids of a text: (N,) int64, never that of end-of-text. Errors as `pocket_tokenizer`."""
    return encode_with(pocket_tokenizer(), text)


def encode_with(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """As `encode`, by a tokenizer that is at hand."""
    whole = text.encode("utf-8", "replace").decode()  # a lone surrogate is no text to the tokenizer
    return np.array(tokenizer.encode(whole, add_special_tokens=False).ids, dtype=np.int64)


def pieces() -> tuple[bytes, ...]:
    """The bytes that each token writes, by its id; end-of-text writes none. Errors as `pocket_tokenizer`."""
    return pieces_of(pocket_tokenizer())


def pieces_of(tokenizer: Tokenizer) -> tuple[bytes, ...]:
    """As `pieces`, of a byte-level tokenizer that is at hand."""
    byte = byte_of_letter()
    written = [tokenizer.id_to_token(token) for token in range(1, tokenizer.get_vocab_size())]
    return b"", *(bytes(byte[letter] for letter in token) for token in written)


@lru_cache(1)
def byte_of_letter() -> dict[str, int]:
    """The byte that each letter of any byte-level token stands for: printable ones for themselves, the others from U+0100 on
    (Radford et al. 2019, `bytes_to_unicode`)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise PocketMissing(f"The pocket teacher's file {path.name} is missing. {TRAIN_AGAIN}")
    return path.read_bytes()


def _damaged(path: Path) -> ValueError:
    return ValueError(f"The pocket teacher's file {path.name} is damaged. {TRAIN_AGAIN}")
