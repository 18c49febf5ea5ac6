"""Texts that language models are trained and measured on: what each one is, and its splits.

A corpus is to language models what a data set is to classifiers, and a run names it in the same place. Every file read
here is made again from its origin by `kdlab.data.build`.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from kdlab.data import FILES, own_corpora

PRIDE_FILE = FILES / "pride_and_prejudice.txt.gz"
OTHER_NOVELS_FILE = FILES / "austen_other_novels.txt.gz"
MOBY_DICK_FILE = FILES / "moby_dick.txt.gz"
# Every twelfth chapter, six apart: the 3rd, 15th, … choose settings, the 9th, 21st, … speak in the verdict.
CHAPTERS_A_ROUND, VALIDATION_CHAPTER, TEST_CHAPTER = 12, 3, 9
_KEPT = 8  # corpora in memory: the lab's, and those of the visitors of the moment
_HEADING = re.compile(r"(?m)^(?=Chapter \d+$)")
# Signs of another printer for the same marks: Austen's files have straight quotation marks and double hyphens.
_MARKS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--"})


class Texts(NamedTuple):
    """A corpus in memory: to train on, to choose settings by, for the verdict alone, and further text of the same kind
    that only the teacher is asked about. A split may be empty."""

    train: str
    validation: str
    test: str
    transfer: str


@dataclass(frozen=True)
class Corpus:
    """A text with its splits: what it is, its licence and origin, its loader."""

    name: str
    title: str
    what: str
    licence: str
    source: str
    read: Callable[[], Texts] = field(repr=False, compare=False)

    def load(self) -> Texts:
        """The texts, read once while they are in use."""
        return _load(self.name)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what `load` gives: a character changes or moves to another split, and so does this."""
        return _fingerprint(self.name)


@lru_cache(_KEPT)
def _load(name: str) -> Texts:
    return get_corpus(name).read()


@lru_cache(_KEPT)
def _fingerprint(name: str) -> str:
    digest = hashlib.sha256()
    for split, text in _load(name)._asdict().items():
        raw = text.encode()
        digest.update(f"{split} {len(raw)}\n".encode())
        digest.update(raw)
    return digest.hexdigest()


def pride_chapters() -> list[str]:
    """The chapters of Pride and Prejudice with their headings, the title before the first; joined, they are the file."""
    title, first, *others = _HEADING.split(_unpacked(PRIDE_FILE))
    return [title + first, *others]


def _read_pride() -> Texts:
    chapters: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    places = {VALIDATION_CHAPTER: "validation", TEST_CHAPTER: "test"}
    for number, chapter in enumerate(pride_chapters(), 1):
        chapters[places.get(number % CHAPTERS_A_ROUND, "train")].append(chapter)
    splits = {split: "".join(found) for split, found in chapters.items()}
    return Texts(**splits, transfer=_unpacked(OTHER_NOVELS_FILE))


@cache
def other_author() -> str:
    """Moby-Dick (Herman Melville, 1851), 1.2 million characters: English of another hand, which no split holds.

    Its quotation marks and dashes are written as Austen's files write them, so that what differs is the English.
    """
    return _unpacked(MOBY_DICK_FILE).translate(_MARKS)


def _unpacked(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()


CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="pride",
            title="Pride and Prejudice",
            what="Jane Austen's novel of 1813 by its chapters: of 61, 51 to train on, 5 to choose settings by and 5 for the "
            "test, spread evenly. Her other five novels are transfer text.",
            licence="Public domain; package MIT, © 2016–2017 Julia Silge",
            source="Project Gutenberg's texts, from the Debian package r-cran-janeaustenr",
            read=_read_pride,
        ),
    )
}


def find_corpus(name: str) -> Corpus | None:
    """The corpus of that name, the lab's or a visitor's; None where there is none."""
    return CORPORA.get(name) or (_own(name) if own_corpora.exists(name) else None)


def _own(name: str) -> Corpus:
    return Corpus(
        name=name,
        title=own_corpora.title_for_all(name),
        what="A visitor's own text, cut into blocks of whole paragraphs: of every ten one chooses settings and one is for the test.",
        licence="Its owner's",
        source="A file that a visitor brought",
        read=lambda: Texts(**own_corpora.splits_of(name), transfer=""),
    )


def get_corpus(name: str) -> Corpus:
    """The corpus of that name. Raises ValueError with the known names."""
    found = find_corpus(name)
    if found is None:
        raise ValueError(f"There is no corpus called {name!r}. Known: {', '.join(CORPORA)}.")
    return found
