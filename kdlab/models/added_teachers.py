"""Teachers that visitors added: for each a folder below the home folder with its card and its answers, as bundled ones have."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kdlab.data.home import HomeError, home
from kdlab.models.kept_files import write_arrays, write_whole

_NAME = re.compile(r"(hub|api)-[0-9a-f]{16}")  # a classifier of transformers; a model behind an API


Shows = Literal["everything", "probabilities", "label"]
"""What a teacher shows of its answers: a model behind an API keeps its logits, perhaps all its doubts, to itself."""


@dataclass(frozen=True)
class AddedTeacher:
    """A classifier, or a model behind an API, that has answered for a data set once."""

    name: str
    title: str
    dataset: str
    what: str


def name_of(weights_sha256: str, fingerprint: str, kind: Literal["hub", "api"] = "hub") -> str:
    """The name of this classifier, or of these answers, as a teacher of these data."""
    return f"{kind}-{hashlib.sha256(f'{weights_sha256} {fingerprint}'.encode()).hexdigest()[:16]}"


def is_added(name: str) -> bool:
    """Whether this is how an added teacher is called."""
    return bool(_NAME.fullmatch(name))


def folder_of(name: str) -> Path:
    """Where the teacher's files lie."""
    return home() / "teachers" / name


def find_added(name: str) -> AddedTeacher | None:
    """The added teacher of this name; None where there is none here."""
    if not is_added(name):
        return None
    try:
        card = folder_of(name) / f"{name}.json"
        return _read(name, card, card.stat().st_mtime_ns)
    except (HomeError, OSError, ValueError, KeyError, TypeError):
        return None


@lru_cache(1024)
def _read(name: str, card: Path, changed: int) -> AddedTeacher:
    """Once for each state of the file (``changed``): a class has a hundred teachers, and each run of a page asks for all."""
    told: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    return AddedTeacher(name, told["title"], told["dataset"], told["how"])


def added_for(dataset: str) -> list[AddedTeacher]:
    """The teachers that visitors added for a data set. None where there is no home folder."""
    try:
        found = [find_added(path.name) for path in sorted((home() / "teachers").glob("*-*"))]
    except HomeError:
        return []
    return [teacher for teacher in found if teacher and teacher.dataset == dataset]


def keep(
    name: str, card: Mapping[str, Any], logits: Mapping[str, np.ndarray], fingerprint: str, weights_sha256: str
) -> None:
    """Writes its card and its logits on each split of its data, (N, K) float32."""
    folder = folder_of(name)
    write_arrays(
        folder / f"{name}.logits.npz",
        **logits,
        dataset_fingerprint=np.array(fingerprint),
        weights_sha256=np.array(weights_sha256),
    )
    about = {**card, "name": name, "weights_sha256": weights_sha256}
    write_whole(folder / f"{name}.json", json.dumps(about).encode())  # last: with its card it is there


def give_to(name: str, mark: str) -> None:
    """Notes that the visitor of this mark added it, and so is offered it."""
    owners = folder_of(name) / "owners"
    owners.mkdir(mode=0o700, parents=True, exist_ok=True)
    (owners / mark).touch()


def is_of(name: str, visitor: str) -> bool:
    """Whether the visitor added it."""
    return is_added(name) and (folder_of(name) / "owners" / visitor_mark(visitor)).exists()


def visitor_mark(visitor: str) -> str:
    """What stands for a visitor in a file's name."""
    return hashlib.sha256(visitor.encode()).hexdigest()[:32]
