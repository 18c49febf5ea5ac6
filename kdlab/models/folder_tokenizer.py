"""The tokenizer of a transformers folder, set as the lab reads with it, and how much of a text such a model takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from kdlab.models.model_folder import ModelFolderError

SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How the lab loads anything from such a folder."""


def tokenizer_of(folder: Path) -> Any:
    """The folder's tokenizer, padding on the right: a model that counts positions from the left gives the same answer to a
    text alone and among longer ones. Raises ModelFolderError."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **SAFE)
    except Exception as error:
        raise ModelFolderError(
            f"Its tokenizer cannot be loaded ({type(error).__name__}). Save it again with tokenizer.save_pretrained(folder)."
        ) from error
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ModelFolderError("Its tokenizer has no token to pad with. Set tokenizer.pad_token and save it again.")
    return tokenizer


def tokens_read(tokenizer: Any, positions: int | None, most: int) -> int:
    """How many tokens of a text a model with so many positions takes, ``most`` at the most.

    Two of a RoBERTa's positions are no text's; a tokenizer that knows no limit names a huge one.
    """
    return max(1, min(most, tokenizer.model_max_length, (positions or most + 2) - 2))
