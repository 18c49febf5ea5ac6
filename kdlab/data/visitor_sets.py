"""Visitors' own data sets: kept in the home folder under a name made of their content, split once by a fixed rule.

Whoever has a run's link may know a set's classes and sizes, and how often each class was right: not the texts, which are
shown to those who brought them. When the last of these takes them away, classes and sizes stay for the runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kdlab.data import word_pieces
from kdlab.data.home import HomeError, home
from kdlab.data.labelled_csv import LabelledTexts

SPLITS = ("train", "validation", "test")
_SHARE = {"test": 0.2, "validation": 0.1}  # of each class, and at least one text; the rest is to train on
_MARKS = len(word_pieces.MARKS)
_GONE = "The texts of this data set were taken away by who brought them. Upload the file again to train on it."
_NAME = re.compile(r"own-[0-9a-f]{16}")
_DRAFT = "draft-"  # what is being written, or taken away
_ONE_AT_A_TIME = threading.Lock()  # also because cutting 50,000 texts into word pieces takes all cores for seconds


class TextsGoneError(ValueError):
    """A visitor's set whose texts were taken away; the message says what to do."""


@dataclass(frozen=True)
class VisitorSet:
    """What is known of a set whether or not its texts are there. ``cut``: the share of its texts that the window cuts."""

    name: str
    classes: tuple[str, ...]
    train_size: int
    validation_size: int
    test_size: int
    cut: float
    taken_away: bool = False

    @property
    def title(self) -> str:
        """What everybody may read; its owners know it by its file's name."""
        return f"Own texts {self.name[4:8]}"


def keep(table: LabelledTexts, file: str, visitor: str) -> str:
    """Keeps the texts as this visitor's, known to them by the file's name; returns the set's name.

    The same texts and labels have the same name, whoever brings them. Raises ModelMissing where the word pieces cannot be
    told, OSError where nothing can be written.
    """
    rows = _split(table)
    told = "\n".join(sorted(f"{label}\t{text}" for text, label in zip(table.texts, table.labels, strict=True)))
    name = f"own-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    folder = _folder(name)
    (folder / "owners").mkdir(mode=0o700, parents=True, exist_ok=True)
    with _ONE_AT_A_TIME:
        if not (folder / "content").is_dir():
            _write(folder, name, table, rows)
        (folder / "owners" / _who(visitor)).write_text(file, encoding="utf-8")
    return name


def find(name: str) -> VisitorSet | None:
    """The set of this name; None where there is none here."""
    if not _NAME.fullmatch(name):
        return None
    try:
        folder = _folder(name)
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        about["classes"] = tuple(about["classes"])
        return VisitorSet(**about, taken_away=not (folder / "content").is_dir())
    except (HomeError, OSError, ValueError, TypeError, KeyError):
        return None


def sets_of(visitor: str) -> dict[str, str]:
    """The sets that this visitor brought, the newest first: name → the name of the file. None where there is no home folder."""
    with contextlib.suppress(HomeError):
        return _brought_by(visitor)
    return {}


def _brought_by(visitor: str) -> dict[str, str]:
    found = (home() / "sets").glob(f"own-*/owners/{_who(visitor)}")
    named = [(path.stat().st_mtime, path.parents[1].name, path.read_text(encoding="utf-8")) for path in found]
    return {name: file for _, name, file in sorted(named, reverse=True) if find(name)}


def may_read(name: str, visitor: str) -> bool:
    """Whether this visitor brought the set, and so is shown its texts."""
    return bool(_NAME.fullmatch(name)) and (_folder(name) / "owners" / _who(visitor)).exists()


def take_away(name: str, visitor: str) -> None:
    """Takes the set from this visitor's; with its last owner its texts go from the disk."""
    if not may_read(name, visitor):
        return
    folder = _folder(name)
    with _ONE_AT_A_TIME:  # nobody brings the same texts meanwhile
        (folder / "owners" / _who(visitor)).unlink(missing_ok=True)
        if any((folder / "owners").iterdir()):
            return
        # Renamed first: from then on they are gone, whatever ends the rest.
        gone = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
        with contextlib.suppress(FileNotFoundError):  # in another tab they went a moment ago
            os.rename(folder / "content", gone / "content")
        for left in folder.glob(f"{_DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)


def read(name: str) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """A set's arrays, x and y of each split as ``x_train``, and its texts by split. Raises TextsGoneError."""
    content = _folder(name) / "content"
    try:
        with np.load(content / "rows.npz", allow_pickle=False) as stored:
            arrays = {f"{part}_{split}": stored[f"{part}_{split}"].astype(np.int64) for part in "xy" for split in SPLITS}
        texts = json.loads((content / "texts.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise TextsGoneError(_GONE) from error
    return arrays, {split: tuple(texts[split]) for split in SPLITS}


def pieces_of(dataset: str) -> tuple[str, ...]:
    """All word pieces by a data set's ids: a visitor's set has a numbering of its own. Raises TextsGoneError."""
    pieces = word_pieces.vocabulary().pieces
    if not _NAME.fullmatch(dataset):
        return pieces
    try:
        with np.load(_folder(dataset) / "content" / "rows.npz", allow_pickle=False) as stored:
            first = [*range(_MARKS), *stored["pieces"].tolist()]
    except OSError as error:
        raise TextsGoneError(_GONE) from error
    return tuple(pieces[piece] for piece in (*first, *sorted(set(range(len(pieces))) - set(first))))


def _split(table: LabelledTexts) -> dict[str, list[int]]:
    """Row numbers by split: of each class its share, in the order of the texts' hashes, which knows no file's order."""
    order = sorted(range(len(table.texts)), key=lambda row: hashlib.sha256(table.texts[row].encode()).digest())
    sizes = {label: {s: max(1, int(share * n)) for s, share in _SHARE.items()} for label, n in Counter(table.labels).items()}
    found: dict[str, list[int]] = {split: [] for split in SPLITS}
    for row in order:
        left = sizes[table.labels[row]]
        split = next((split for split, count in left.items() if count), "train")
        if split != "train":
            left[split] -= 1
        found[split].append(row)
    return found


def _write(folder: Path, name: str, table: LabelledTexts, rows: dict[str, list[int]]) -> None:
    """Whole or not at all: the content is a folder that is renamed to its place."""
    number = {label: i for i, label in enumerate(table.classes)}
    texts = {split: [table.texts[row] for row in rows[split]] for split in SPLITS}
    ids = {split: word_pieces.encode(texts[split]) for split in SPLITS}
    seen = _pieces_seen(ids["train"])
    numbering = np.full(len(word_pieces.vocabulary().pieces), word_pieces.UNKNOWN)
    numbering[:_MARKS], numbering[seen] = np.arange(_MARKS), _MARKS + np.arange(len(seen))
    y = {f"y_{split}": np.array([number[table.labels[row]] for row in rows[split]], np.int16) for split in SPLITS}
    x = {f"x_{split}": numbering[ids[split]].astype(np.int32) for split in SPLITS}
    cut = np.mean(np.concatenate([ids[split][:, -1] for split in SPLITS]) != word_pieces.PADDING)
    sizes = {f"{split}_size": len(rows[split]) for split in SPLITS}
    about = asdict(VisitorSet(name, table.classes, **sizes, cut=float(cut)))
    del about["taken_away"]
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    try:
        (draft / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        np.savez_compressed(draft / "rows.npz", **x, **y, pieces=seen)
        (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
        try:
            os.rename(draft, folder / "content")
        except OSError:
            if not (folder / "content").is_dir():  # else another who brings the same file at this moment was faster
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _pieces_seen(ids: np.ndarray) -> np.ndarray:
    """The lab's ids of the pieces in these texts (N, L), marks left out, the most frequent first.

    The set numbers its pieces so, and others are unknown: a student needs an embedding for none that it never sees.
    """
    counts = np.bincount(ids.ravel(), minlength=_MARKS)
    counts[:_MARKS] = 0
    return np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]


def _folder(name: str) -> Path:
    return home() / "sets" / name


def _who(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()[:32]
