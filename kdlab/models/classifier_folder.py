"""A transformers sequence classifier as a folder: whether it can teach these classes, told without loading it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdlab.models.model_folder import ModelFolderError, check_memory, read_model_folder

_FLOAT32 = 4
_ROOM = 2.25  # the weights, as much again to measure its file, and what answering takes
_NAMED = 6  # labels in a sentence


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
    """What a folder holds. free: bytes of memory that may be taken, None where unknown. Raises ModelFolderError."""
    found = read_model_folder(folder)
    if not re.fullmatch(r"\w+ForSequenceClassification", found.architecture):
        raise ModelFolderError(
            f"It is {found.architecture or 'a model that does not say what it is'}, and no sequence classifier. Fine-tune it with "
            "AutoModelForSequenceClassification on your labels first, and save that."
        )
    needed = int(found.parameters * _FLOAT32 * _ROOM)
    check_memory(needed, free)
    places = match_labels(_labels(found.config), classes)
    return Classifier(folder, found.architecture, places, found.parameters, needed, found.sha256)


def match_labels(labels: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    """For each of the data's classes the output of the same name. Raises ModelFolderError where they do not match.

    Case, spaces, - and _ make no difference, and ``LABEL_3`` is the class called 3.
    """
    if len(labels) != len(classes):
        raise ModelFolderError(
            f"It tells {len(labels)} classes apart ({_some(labels)}), and the data have {len(classes)} ({_some(classes)}). "
            "Take a classifier that was fine-tuned for these classes, or rename and join the file's labels."
        )
    place_of = {_plain(label): place for place, label in enumerate(labels)}
    missing = [name for name in classes if _plain(name) not in place_of]
    if missing or len(place_of) < len(labels) or len(set(map(_plain, classes))) < len(classes):
        nameless = all(re.fullmatch(r"LABEL_\d+", label) for label in labels)
        why = "Its config.json names no classes" if nameless else f"Its classes are called {_some(labels)}"
        raise ModelFolderError(
            f"{why}, and the data's are called {_some(classes)}: which is which cannot be told. Give the file's labels the "
            "model's names, or write the data's names into id2label in its config.json, in the order that it was trained on."
        )
    return tuple(place_of[_plain(name)] for name in classes)


def _plain(label: str) -> str:
    plain = re.sub(r"[\s_-]+", " ", label).strip().casefold()
    return plain.removeprefix("label ") if re.fullmatch(r"label \d+", plain) else plain


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
        raise ModelFolderError(
            "The id2label in its config.json does not number the classes 0, 1, 2 and so on. Correct it, or save the model again."
        ) from error


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"“{name[:40]}”" for name in names[:_NAMED]) + more
