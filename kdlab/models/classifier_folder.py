"""A transformers sequence classifier as a folder: whether it can teach these classes, told without loading it."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
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
_FLOAT32 = 4
_ROOM = 2.25  # the weights, as much again to measure its file, and what answering takes
_NAMED = 6  # labels in a sentence


class ClassifierError(ValueError):
    """The model cannot be this data's teacher; the message says why, and what to do."""


@dataclass(frozen=True)
class Classifier:
    """What the folder holds. ``places[k]``: which of its outputs is the data's class k. ``bytes``: in memory, as float32."""

    folder: Path
    architecture: str
    places: tuple[int, ...]
    parameters: int
    bytes: int
    sha256: str


def inspect_folder(folder: Path, classes: Sequence[str], free: int | None = None) -> Classifier:
    """What a folder holds. free: bytes of memory that may be taken, None where unknown. Raises ClassifierError."""
    config = _json(folder / "config.json", "It is no model folder: it has no config.json. Save the model with " + SAVE_AGAIN)
    _no_code(folder, config)
    architecture = _architecture(config)
    files = _weight_files(folder)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ClassifierError(
            "It has no tokenizer, so that nobody can tell how it reads a text. Save its own beside it: "
            "tokenizer.save_pretrained(folder)."
        )
    parameters = sum(map(_numbers_in, files))
    needed = int(parameters * _FLOAT32 * _ROOM)
    check_memory(needed, free)
    return Classifier(
        folder, architecture, match_labels(_labels(config), classes), parameters, needed, _sha256(folder, files)
    )


def check_memory(needed: int, free: int | None) -> None:
    """Raises ClassifierError where so many bytes are not free."""
    if free is not None and needed > free:
        raise ClassifierError(
            f"It needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free on this machine. Take a "
            "smaller model, or end other programs and runs."
        )


def match_labels(labels: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    """For each of the data's classes the output of the same name. Raises ClassifierError where they do not match.

    Case, spaces, - and _ make no difference, and ``LABEL_3`` is the class called 3.
    """
    if len(labels) != len(classes):
        raise ClassifierError(
            f"It tells {len(labels)} classes apart ({_some(labels)}), and the data have {len(classes)} ({_some(classes)}). "
            "Take a classifier that was fine-tuned for these classes, or rename and join the file's labels."
        )
    place_of = {_plain(label): place for place, label in enumerate(labels)}
    missing = [name for name in classes if _plain(name) not in place_of]
    if missing or len(place_of) < len(labels) or len(set(map(_plain, classes))) < len(classes):
        nameless = all(re.fullmatch(r"LABEL_\d+", label) for label in labels)
        why = "Its config.json names no classes" if nameless else f"Its classes are called {_some(labels)}"
        raise ClassifierError(
            f"{why}, and the data's are called {_some(classes)}: which is which cannot be told. Give the file's labels the "
            "model's names, or write the data's names into id2label in its config.json, in the order that it was trained on."
        )
    return tuple(place_of[_plain(name)] for name in classes)


def _plain(label: str) -> str:
    plain = re.sub(r"[\s_-]+", " ", label).strip().casefold()
    return plain.removeprefix("label ") if re.fullmatch(r"label \d+", plain) else plain


def _no_code(folder: Path, config: dict[str, Any]) -> None:
    tokenizer = folder / "tokenizer_config.json"
    if "auto_map" in config or (tokenizer.is_file() and "auto_map" in _json(tokenizer, "")):
        raise ClassifierError(
            "It brings Python code of its own, which the lab never runs. Take a model of an architecture that transformers has."
        )


def _architecture(config: dict[str, Any]) -> str:
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else "a model that does not say what it is"
    if not architecture.endswith("ForSequenceClassification"):
        raise ClassifierError(
            f"It is {architecture}, and no sequence classifier. Fine-tune it with AutoModelForSequenceClassification on "
            "your labels first, and save that."
        )
    return architecture


def _labels(config: dict[str, Any]) -> list[str]:
    """The names of the outputs in their order; transformers leaves them out where there are two without a name."""
    named = config.get("id2label")
    if not isinstance(named, dict) or not named:
        count = config.get("num_labels", 2)
        return [f"LABEL_{i}" for i in range(count if isinstance(count, int) and 0 < count < 10_000 else 2)]
    try:
        by_place = {int(place): str(label) for place, label in named.items()}
        return [by_place[place] for place in range(len(by_place))]
    except (ValueError, KeyError) as error:
        raise ClassifierError(
            "The id2label in its config.json does not number the classes 0, 1, 2 and so on. Correct it, or save the model again."
        ) from error


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = folder / f"{WEIGHTS}.index.json"
    if index.is_file():
        parts = _json(index, "").get("weight_map")
        names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
        if missing := [name for name in names if Path(name).name != name or not (folder / name).is_file()]:
            raise ClassifierError(f"A part of its weights is missing: {missing[0][:80]}. Copy or fetch the model again.")
        if names:
            return [folder / name for name in names]
    if pickles := sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES):
        raise ClassifierError(
            f"Its weights are a pickle ({pickles[0]}), which can run any program when it is opened, so the lab does not. "
            f"Load it where you trust it, and save it again with {SAVE_AGAIN}, which writes {WEIGHTS}."
        )
    raise ClassifierError(f"It has no weights: there is no {WEIGHTS}. Save the model with {SAVE_AGAIN}.")


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
        raise ClassifierError(
            f"Its weights file {file.name} is damaged: it is cut off or not in safetensors form. Copy or fetch the model again."
        ) from error


def _sha256(folder: Path, weights: list[Path]) -> str:
    """Of all that decides its answers: configuration, tokenizer, weights."""
    digest = hashlib.sha256()
    small = [path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".model") and path.is_file()]
    for path in sorted({*small, *weights}):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as opened:
            while block := opened.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _json(path: Path, missing: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ClassifierError(f"{missing}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ClassifierError(f"Its {path.name} cannot be read. Copy or fetch the model again.") from error
    if not isinstance(found, dict):
        raise ClassifierError(f"Its {path.name} cannot be read. Copy or fetch the model again.")
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"“{name[:40]}”" for name in names[:_NAMED]) + more
