"""A visitor's CSV of texts and labels: what it holds, or in a sentence what is wrong with it and what to do."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdlab.core.counted import counted

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 5 * 10**6
MOST_ROWS = 50_000
MOST_CLASSES = 50
LONGEST_LABEL = 40  # characters
FEWEST_ROWS = 5  # of a class: one to choose settings by, one for the verdict, three to train on
_NAMED = 3  # of the faults of one kind, in a sentence
_MARKUP = frozenset("<>[]{}`$*|\\:~")  # with a meaning of its own where the pages and charts show a label
_SEPARATORS = {",": "", ";": "semicolons", "\t": "tabs"}
_UTF16 = "It is written in UTF-16, and was read so."
_EMPTY = "The file is empty. It needs a first line “text,label” and a text with its label on each further line."
_SAVE_AS = "In a spreadsheet save it as “CSV UTF-8”, then upload that."


class CsvError(ValueError):
    """The file cannot be a data set; the message says why, and what to do."""


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with a label each, in the file's order, no text twice. ``notes``: what a visitor should know, in sentences."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that there are; numbers by their size, words by the alphabet."""
        found = set(self.labels)
        return tuple(sorted(found, key=int if all(_is_number(label) for label in found) else str.casefold))


def read_labelled_csv(raw: bytes) -> LabelledTexts:
    """The texts and labels of a file with the columns ``text`` and ``label``. Raises CsvError."""
    if len(raw) > MOST_BYTES:
        raise CsvError(
            f"The file has {len(raw) / 1e6:.1f} MB; the lab takes at most {MOST_BYTES / 1e6:.0f} MB. Leave rows out, "
            "or cut the texts: students read their beginnings only."
        )
    decoded, encoding_note = _decoded(raw)
    frame, table_notes = _table(decoded)
    texts, labels = [" ".join(text.split()) for text in frame["text"]], [label.strip() for label in frame["label"]]
    _check_cells(texts, labels)
    _check_labels(texts, labels)
    found, twice_note = _each_once(texts, labels)
    _check_counts(found.labels)
    notes = (*encoding_note, *table_notes, *twice_note)
    return LabelledTexts(found.texts, found.labels, notes)


def _decoded(raw: bytes) -> tuple[str, list[str]]:
    if not raw.strip():
        raise CsvError(_EMPTY)
    zeros = [raw[start:200:2].count(0) for start in (0, 1)]  # of UTF-16 that does not say so: in every second place
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, notes = "utf-16", [_UTF16]
    elif max(zeros) > 10 * min(zeros) and 4 * max(zeros) > min(len(raw), 200):
        encoding, notes = ("utf-16-be", "utf-16-le")[zeros.index(max(zeros))], [_UTF16]
    elif raw.startswith(codecs.BOM_UTF8):
        encoding, notes = "utf-8-sig", []
    elif raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise CsvError(f"This is a spreadsheet or an archive, not a CSV file. {_SAVE_AS}")
    elif b"\0" in raw:
        raise CsvError(f"This is no text: it holds zero bytes, as programs, pictures and archives do. {_SAVE_AS}")
    else:
        encoding, notes = "utf-8", []
    try:
        return raw.decode(encoding), notes
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-16"):
            raise CsvError(f"The file begins as UTF-16 and then breaks off or is something else. {_SAVE_AS}") from error
        line = raw[: error.start].count(b"\n") + 1
        raise CsvError(
            f"The file is not in UTF-8: line {line:,} holds the byte {raw[error.start]:#04x}, which may stand for "
            f"several letters. {_SAVE_AS}"
        ) from error


def _table(decoded: str) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd  # here: the command line counts on this module's limits, and reads no file

    if not (begun := decoded.lstrip("\ufeff\r\n")).strip():
        raise CsvError(_EMPTY)
    first = re.split(r"[\r\n]", begun, maxsplit=1)[0]  # not `splitlines`, which knows ends of lines that no CSV has
    separator = max(_SEPARATORS, key=lambda mark: (len({"text", "label"} & set(_columns(first, mark))), mark == ","))
    columns = _columns(first, separator)
    missing = [name for name in ("text", "label") if name not in columns]
    if missing:
        raise CsvError(
            f"The first line names no column {' and no column '.join(missing)}; it says “{first[:60]}”. Write "
            "“text,label” as the first line, or rename your columns."
        )
    if repeated := [name for name in ("text", "label") if columns.count(name) > 1]:
        raise CsvError(f"Two columns are called {repeated[0]}. Rename the one that the lab is not to read.")
    try:
        frame = pd.read_csv(
            io.StringIO(decoded),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            nrows=MOST_ROWS + 1,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise CsvError(
            f"The rows do not fit the columns ({reason}). Put a text that holds a comma, a quotation mark or a line "
            "break between quotation marks, and write a quotation mark inside it twice."
        ) from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise CsvError(
            "The rows have more cells than the first line names. Put a text that holds a comma between quotation marks."
        )
    if frame.empty:
        raise CsvError("Below its first line the file has no rows. Add a text and its label on each line.")
    if len(frame) > MOST_ROWS:
        raise CsvError(f"The file has more than {MOST_ROWS:,} rows, which is the most that the lab takes. Leave rows out.")
    frame = frame.rename(columns=lambda name: str(name).strip().casefold()).fillna("")
    if not {"text", "label"} <= set(frame.columns):
        raise CsvError(
            "Each line stands between quotation marks as a whole, so that it is one cell. Save it again without them, or with "
            "quotation marks around each text alone."
        )
    notes = [f"Its columns are parted by {_SEPARATORS[separator]}, and were read so."] if separator != "," else []
    if others := [name for name in columns if name not in ("text", "label")]:
        notes.append(f"{counted(len(others), 'further columns were', 'further column was')} left out.")
    return frame[["text", "label"]], notes


def _columns(line: str, separator: str) -> list[str]:
    return [name.strip().strip('"').strip().casefold() for name in line.split(separator)]


def _check_cells(texts: list[str], labels: list[str]) -> None:
    for name, cells in (("text", texts), ("label", labels)):
        if empty := [row for row, cell in enumerate(cells, 1) if not cell]:
            raise CsvError(
                f"{counted(len(empty), 'rows have', 'row has')} no {name}: {_some(map(str, empty))} (the row below the first "
                "line is 1). Fill them in or take them out."
            )


def _check_labels(texts: list[str], labels: list[str]) -> None:
    found = set(labels)
    if len(found) > MOST_CLASSES and len(set(texts)) < len(found) / 2:
        raise CsvError(
            "The columns seem to be swapped: under “label” stand many different texts, under “text” a few words again "
            "and again. Swap the two names in the first line."
        )
    if len(found) > MOST_CLASSES:
        raise CsvError(
            f"There are {len(found):,} different labels; the lab takes at most {MOST_CLASSES}. Check that “label” is "
            "the column of classes, and join the rare ones."
        )
    if len(found) == 1:
        raise CsvError(f"Every row has the label “{labels[0][:LONGEST_LABEL]}”. There must be at least two classes.")
    if long := [label for label in found if len(label) > LONGEST_LABEL]:
        raise CsvError(
            f"The label “{long[0][:LONGEST_LABEL]}…” is longer than {LONGEST_LABEL} characters. Give the class a short "
            "name; if it is a text, swap the two names in the first line."
        )
    for label in sorted(found):
        if bad := [sign for sign in label if sign in _MARKUP or not sign.isprintable()]:
            raise CsvError(f"The label “{label}” holds the sign {bad[0]!r}, which the lab's charts cannot show. Rename it.")


def _each_once(texts: list[str], labels: list[str]) -> tuple[LabelledTexts, list[str]]:
    label_of: dict[str, str] = {}
    unlike: dict[str, None] = {}
    for text, label in zip(texts, labels, strict=True):
        if label_of.setdefault(text, label) != label:
            unlike[text] = None
    if unlike:
        shown = next(iter(unlike))
        both = [label for text, label in dict.fromkeys(zip(texts, labels, strict=True)) if text == shown][:2]
        raise CsvError(
            f"{counted(len(unlike), 'texts stand', 'text stands')} there with unlike labels, such as “{shown[:60]}” with "
            f"“{both[0]}” and “{both[1]}”. Keep one label of each."
        )
    left_out = len(texts) - len(label_of)
    note = [f"{counted(left_out, 'rows repeat', 'row repeats')} an earlier one and counted once."] if left_out else []
    return LabelledTexts(tuple(label_of), tuple(label_of.values())), note


def _check_counts(labels: tuple[str, ...]) -> None:
    few = [(label, count) for label, count in Counter(labels).items() if count < FEWEST_ROWS]
    if few:
        said = _some(f"“{label}” has {count}" for label, count in few)
        raise CsvError(
            f"Each class needs at least {FEWEST_ROWS} different texts, to train on, to choose settings by and for the "
            f"verdict; {said}. Add rows, or take the class out."
        )


def _is_number(label: str) -> bool:
    return label.isascii() and label.removeprefix("-").isdigit()


def _some(said: Iterable[str]) -> str:
    words = list(said)
    more = f" and {len(words) - _NAMED:,} more" if len(words) > _NAMED else ""
    return ", ".join(words[:_NAMED]) + more
