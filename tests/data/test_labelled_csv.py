"""A visitor's CSV: what is read and said, and what is refused with a word on what to do."""

from __future__ import annotations

import codecs

import pytest

from kdlab.data import labelled_csv
from kdlab.data.labelled_csv import CsvError, read_labelled_csv

ROWS = [(f"a good day {i}", "good") for i in range(6)] + [(f"a bad day {i}", "bad") for i in range(6)]


def csv(rows: list[tuple[str, str]] = ROWS, header: str = "text,label", mark: str = ",") -> str:
    return "\n".join([header, *(f"{text}{mark}{label}" for text, label in rows)])


def test_a_plain_file_is_read_without_a_word():
    found = read_labelled_csv(csv().encode())
    assert list(zip(found.texts, found.labels, strict=True)) == ROWS
    assert (found.classes, found.notes) == (("bad", "good"), ())


def test_numbers_as_labels_stand_by_size_and_keep_their_names():
    rows = [(f"text {i} {label}", label) for label in ("10", "9", "-1") for i in range(5)]
    assert read_labelled_csv(csv(rows).encode()).classes == ("-1", "9", "10")


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (codecs.BOM_UTF8 + csv().encode(), ""),
        (csv().encode("utf-16"), "UTF-16"),
        (csv().encode("utf-16-le"), "UTF-16"),
        (csv().encode("utf-16-be"), "UTF-16"),
        (csv(header="text;label", mark=";").encode(), "semicolons"),
        (csv(header="text\tlabel", mark="\t").encode(), "tabs"),
        (csv(header=' Text , "LABEL"').encode(), ""),
        (csv().replace("\n", "\r\n").encode(), ""),
        (csv([(f"{i},{text}", label) for i, (text, label) in enumerate(ROWS)], "id,text,label").encode(), "1 further column"),
        (csv([*ROWS, ROWS[0]]).encode(), "1 row repeats"),
    ],
)
def test_other_ways_to_write_it_are_read_and_said(raw: bytes, note: str):
    found = read_labelled_csv(raw)
    assert list(zip(found.texts, found.labels, strict=True)) == ROWS
    assert note in " ".join(found.notes)
    assert bool(note) == bool(found.notes)


def test_quoted_texts_keep_their_commas_marks_and_lines():
    rows = [(f'"He said ""no"",\nthen left {i}"', "good") for i in range(5)] + ROWS
    assert read_labelled_csv(csv(rows).encode()).texts[0] == 'He said "no", then left 0'


def test_a_word_that_spreadsheets_take_for_nothing_is_a_label():
    rows = [(f"text {i} {label}", label) for label in ("NA", "null") for i in range(5)]
    assert read_labelled_csv(csv(rows).encode()).classes == ("NA", "null")


MANY = [(f"text {i}", f"class {i // 5}") for i in range(5 * 51)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        (codecs.BOM_UTF8 + b"\r\n", "is empty"),
        (codecs.BOM_UTF16_LE, "is empty"),
        (b"text,label\n", "has no rows"),
        ("\n".join(f'"{line}"' for line in csv().splitlines()).encode(), "quotation marks as a whole"),
        ("\n".join(f'"{line}"' for line in csv().replace(",", ";").splitlines()).encode(), "quotation marks as a whole"),
        (b"x" * 5_000_001, "5.0 MB; the lab takes at most 5 MB"),
        (b"PK\x03\x04rest", "a spreadsheet or an archive"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text"),
        (csv().replace("good day 0", "gööd day").encode("latin-1"), "line 2 holds the byte 0xf6"),
        (codecs.BOM_UTF16_LE + csv().encode("utf-16-le")[:-1], "breaks off"),
        (csv(header="sentence,class").encode(), "no column text and no column label; it says “sentence,class”"),
        (csv(header="text,class").encode(), "no column label"),
        (csv(header="text,text,label").encode(), "Two columns are called text"),
        (csv([("one, two", "good"), *ROWS]).encode(), "between quotation marks"),
        (csv([*ROWS, ("one, two", "good")]).encode(), "between quotation marks"),
        (csv([('"open', "good"), *ROWS]).encode(), "quotation mark"),
        (csv([*ROWS, ("  ", "good")]).encode(), "1 row has no text: 13"),
        ((csv() + "\nno label,").encode(), "1 row has no label: 13"),
        ((csv() + "\nno label").encode(), "1 row has no label: 13"),
        (csv([("good", f"t {i}") for i in range(60)]).encode(), "swapped"),
        (csv(MANY).encode(), "51 different labels; the lab takes at most 50"),
        (csv([(text, "good") for text, _ in ROWS]).encode(), "at least two classes"),
        (csv([*ROWS, ("alone", "rare")]).encode(), "“rare” has 1"),
        (csv([*ROWS, *[(f"few {i}", "rare") for i in range(4)]]).encode(), "“rare” has 4"),
        (csv([*ROWS, (ROWS[0][0], "bad")]).encode(), "“a good day 0” with “good” and “bad”"),
        (csv([(text, f"{label} {'x' * 50}") for text, label in ROWS]).encode(), "longer than 40 characters"),
        (csv([(text, f"<b>{label}") for text, label in ROWS]).encode(), "'<'"),
        (csv([(text, f"![x](http{label})") for text, label in ROWS]).encode(), "holds the sign"),
    ],
)
def test_what_cannot_be_a_data_set_is_refused_with_what_to_do(raw: bytes, said: str):
    with pytest.raises(CsvError) as caught:
        read_labelled_csv(raw)
    assert said in str(caught.value)


def test_more_rows_than_the_lab_takes_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(labelled_csv, "MOST_ROWS", 11)
    with pytest.raises(CsvError, match="more than 11 rows"):
        read_labelled_csv(csv().encode())
