"""A transformers model as a folder: what it holds, told without loading it; for a teacher and for a student."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

WEIGHTS = "model.safetensors"
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
SAVE_AGAIN = "model.save_pretrained(folder) and tokenizer.save_pretrained(folder)"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack")
_LARGEST_HEADER = 10**8  # bytes, as safetensors has it


class ModelFolderError(ValueError):
    """The model cannot be what it is asked to be here; the message says why, and what to do."""


@dataclass(frozen=True)
class ModelFolder:
    """What a folder holds. ``architecture``: the class that its configuration names, empty where it names none."""

    folder: Path
    config: dict[str, Any]
    architecture: str
    files: tuple[Path, ...]
    parameters: int

    @cached_property
    def sha256(self) -> str:
        """Of all that decides its answers: configuration, tokenizer, weights."""
        digest = hashlib.sha256()
        small = [path for path in self.folder.iterdir() if path.suffix in (".json", ".txt", ".model") and path.is_file()]
        for path in sorted({*small, *self.files}):
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as opened:
                while block := opened.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()


def read_model_folder(folder: Path) -> ModelFolder:
    """What a folder holds: weights in safetensors form, a tokenizer, no code. Raises ModelFolderError."""
    config = _json(folder / "config.json", "It is no model folder: it has no config.json. Save the model with " + SAVE_AGAIN)
    _no_code(folder, config)
    files = _weight_files(folder)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelFolderError(
            "It has no tokenizer, so that nobody can tell how it reads a text. Save its own beside it: "
            "tokenizer.save_pretrained(folder)."
        )
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    return ModelFolder(folder, config, architecture, tuple(files), sum(map(_numbers_in, files)))


def check_memory(needed: int, free: int | None) -> None:
    """Raises ModelFolderError where so many bytes are not free."""
    if free is not None and needed > free:
        raise ModelFolderError(
            f"It needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free on this machine. Take a "
            "smaller model, or end other programs and runs."
        )


def _no_code(folder: Path, config: dict[str, Any]) -> None:
    tokenizer = folder / "tokenizer_config.json"
    if "auto_map" in config or (tokenizer.is_file() and "auto_map" in _json(tokenizer, "")):
        raise ModelFolderError(
            "It brings Python code of its own, which the lab never runs. Take a model of an architecture that transformers has."
        )


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = folder / f"{WEIGHTS}.index.json"
    if index.is_file():
        parts = _json(index, "").get("weight_map")
        names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
        if missing := [name for name in names if Path(name).name != name or not (folder / name).is_file()]:
            raise ModelFolderError(f"A part of its weights is missing: {missing[0][:80]}. Copy or fetch the model again.")
        if names:
            return [folder / name for name in names]
    if pickles := sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES):
        raise ModelFolderError(
            f"Its weights are a pickle ({pickles[0]}), which can run any program when it is opened, so the lab does not. "
            f"Load it where you trust it, and save it again with {SAVE_AGAIN}, which writes {WEIGHTS}."
        )
    raise ModelFolderError(f"It has no weights: there is no {WEIGHTS}. Save the model with {SAVE_AGAIN}.")


def _numbers_in(file: Path) -> int:
    """How many numbers a safetensors file holds, read from its header alone."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > min(_LARGEST_HEADER, file.stat().st_size):
                raise ValueError("longer than the file")
            header = json.loads(opened.read(length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        if file.stat().st_size < 8 + length + max(tensor["data_offsets"][1] for tensor in tensors):
            raise ValueError("cut off")
        return sum(math.prod(tensor["shape"]) for tensor in tensors)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
        raise ModelFolderError(
            f"Its weights file {file.name} is damaged: it is cut off or not in safetensors form. Copy or fetch the model again."
        ) from error


def _json(path: Path, missing: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFolderError(f"{missing}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFolderError(f"Its {path.name} cannot be read. Copy or fetch the model again.") from error
    if not isinstance(found, dict):
        raise ModelFolderError(f"Its {path.name} cannot be read. Copy or fetch the model again.")
    return found
