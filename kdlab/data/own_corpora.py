"""Visitors' own texts to distil on: kept in the home folder under a name made of their content, split once by a fixed rule.

Only who brought a text is offered it. A run on it keeps its numbers when the text is taken away.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from kdlab.data.home import HomeError, home
from kdlab.data.visitor_sets import TextsGoneError

MOST_BYTES = 2_000_000
LEAST = 20_000
"""Characters: below them the test would be a few lines."""
_NAME = re.compile(r"own-[0-9a-f]{12}")
_BLOCKS = 40  # that the text is cut into between paragraphs; of every ten one is for validation and one for the test
_VALIDATION, _TEST = 4, 9
_LONGEST = 4_000  # characters of a paragraph; a longer one is cut between words
_ONE_AT_A_TIME = threading.Lock()
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_GONE = "The text of this run was taken away by who brought it. Upload the file again to train on it."


class OwnTextError(ValueError):
    """A file that cannot be a text to distil on; the message says why, and what to do."""


@dataclass(frozen=True)
class OwnCorpus:
    """A text that a visitor brought: its name in runs, and what its owner calls it."""

    name: str
    title: str


def title_for_all(name: str) -> str:
    """What everybody may read of it; its owners know it by its file's name."""
    return f"Own text {name[4:8]}"


def is_own(name: str) -> bool:
    """Whether this is how a visitor's text is called."""
    return bool(_NAME.fullmatch(name))


def add_own(raw: bytes, file: str, visitor: str) -> str:
    """Keeps a text file as this visitor's; returns its name. The same text has the same name, whoever brings it.

    Raises OwnTextError where it is no text to distil on, HomeError and OSError where nothing can be written.
    """
    text = text_of(raw)
    name = f"own-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder = _folder(name)
    with _ONE_AT_A_TIME:
        (folder / "owners").mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / "text.draft"  # whole or not at all
        draft.write_bytes(text.encode())
        draft.replace(folder / "text.txt")
        (folder / "owners" / _who(visitor)).write_text(file[:120], encoding="utf-8")
    return name


def text_of(raw: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 with its mark. Raises OwnTextError."""
    if not raw.strip():
        raise OwnTextError("The file is empty. Choose one that holds a text.")
    if len(raw) > MOST_BYTES:
        raise OwnTextError(
            f"The file has {len(raw) / 1e6:.1f} MB, and {MOST_BYTES / 1e6:.0f} MB are the most that is trained on here. Take a part of it."
        )
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise OwnTextError(
            "The file is not UTF-8 text. Save it as plain text in UTF-8 (in most editors: Save as, then Encoding), and choose it again."
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    unseen = sum(character < " " and character not in "\n\t\f" for character in text)
    if unseen > len(text) / 1000:
        raise OwnTextError("The file is no plain text: it is full of signs that nobody can see. Save it as plain text (.txt).")
    if len(text.strip()) < LEAST:
        raise OwnTextError(
            f"The text has {len(text.strip()):,} characters, and {LEAST:,} are the least from which a student can learn and be tested. "
            "Choose a longer one."
        )
    return text


def own_corpora(visitor: str) -> list[OwnCorpus]:
    """The texts that this visitor brought, the newest first. None where there is no home folder."""
    with contextlib.suppress(HomeError, OSError):
        found = (home() / "corpora").glob(f"own-*/owners/{_who(visitor)}")
        named = [(path.stat().st_mtime, path.parents[1].name, path.read_text(encoding="utf-8")) for path in found]
        return [OwnCorpus(name, title) for _, name, title in sorted(named, reverse=True) if exists(name)]
    return []


def exists(name: str) -> bool:
    """Whether there is a visitor's text of this name."""
    try:
        return is_own(name) and (_folder(name) / "text.txt").is_file()
    except HomeError:
        return False


def splits_of(name: str) -> dict[str, str]:
    """The text's train, validation and test. Raises TextsGoneError where it was taken away."""
    try:
        text = (_folder(name) / "text.txt").read_text(encoding="utf-8")
    except OSError as error:
        raise TextsGoneError(_GONE) from error
    return split(text)


def split(text: str) -> dict[str, str]:
    """A text in blocks of whole paragraphs: of every ten the fifth is for validation, the tenth for the test."""
    # Between paragraphs stand empty lines, or each is a line.
    apart = r"(?<=\n\n)(?=[^\n])" if text.count("\n\n") >= _BLOCKS else r"(?<=\n)(?=[^\n])"
    parts = [part for paragraph in re.split(apart, text) for part in _short(paragraph)]
    found: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    places, before = {_VALIDATION: "validation", _TEST: "test"}, 0
    for part in parts:
        block = min(_BLOCKS - 1, before * _BLOCKS // len(text))
        found[places.get(block % 10, "train")].append(part)
        before += len(part)
    return {name: "".join(held) for name, held in found.items()}


def take_away(name: str, visitor: str) -> None:
    """Takes the text from this visitor's; with its last owner it goes from the disk."""
    if not _NAME.fullmatch(name):
        return
    folder = _folder(name)
    with _ONE_AT_A_TIME:
        (folder / "owners" / _who(visitor)).unlink(missing_ok=True)
        if (folder / "owners").is_dir() and not any((folder / "owners").iterdir()):
            (folder / "text.txt").unlink(missing_ok=True)


def _short(paragraph: str) -> list[str]:
    """A paragraph in parts that are cut between words where it is long: a file may be a single line."""
    parts = []
    while len(paragraph) > _LONGEST:
        at = paragraph.rfind(" ", 1, _LONGEST) + 1 or _LONGEST
        parts.append(paragraph[:at])
        paragraph = paragraph[at:]
    return [*parts, paragraph] if paragraph else parts


def _folder(name: str) -> Path:
    return home() / "corpora" / name


def _who(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()[:32]
