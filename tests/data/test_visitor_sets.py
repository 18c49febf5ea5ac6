"""A visitor's own data set: kept once, split by a rule, private, and gone when its owners want it."""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kdlab.data import visitor_sets, word_pieces
from kdlab.data.labelled_csv import LabelledTexts
from kdlab.data.registry import find_dataset, get_dataset
from kdlab.models.catalogue import students_for, teachers_for
from kdlab.runs.recipes import three_arms

TEXTS = [(f"a fine word number {i}", "good") for i in range(40)] + [(f"an awful thing, {i}", "bad") for i in range(20)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return tmp_path


def table(rows: list[tuple[str, str]] = TEXTS) -> LabelledTexts:
    texts, labels = zip(*rows, strict=True)
    return LabelledTexts(texts, labels)


def test_every_text_stands_in_one_split_and_every_class_in_all_three():
    data = get_dataset(visitor_sets.keep(table(), "mine.csv", "ann"))
    arrays = data.load()
    split = {"train": arrays.text_train, "validation": arrays.text_validation, "test": arrays.text_test}
    assert sorted(sum(split.values(), ())) == sorted(text for text, _ in TEXTS)
    shares = {name: Counter(data.classes[k] for k in y) for name, (_, y) in arrays.splits().items()}
    assert shares["test"] == {"good": 8, "bad": 4}
    assert shares["validation"] == {"good": 4, "bad": 2}
    label_of = dict(TEXTS)
    for name, (x, y) in arrays.splits().items():
        assert [label_of[text] for text in split[name]] == [data.classes[k] for k in y]
        assert x.shape == (len(y), word_pieces.WINDOW)
    assert (data.train_size, data.validation_size, data.test_size) == tuple(len(y) for _, y in arrays.splits().values())


def test_the_same_texts_are_the_same_set_in_whichever_order_and_whoever_brings_them():
    first = visitor_sets.keep(table(), "mine.csv", "ann")
    before = get_dataset(first).fingerprint()
    assert visitor_sets.keep(table(TEXTS[::-1]), "yours.csv", "bob") == first
    assert get_dataset(first).fingerprint() == before
    assert visitor_sets.sets_of("ann") == {first: "mine.csv"}
    assert visitor_sets.sets_of("bob") == {first: "yours.csv"}
    assert visitor_sets.keep(table([*TEXTS, ("one more", "bad")]), "mine.csv", "ann") != first


def test_a_class_that_brings_one_file_at_one_moment_has_it_in_every_hand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(visitor_sets, "_ONE_AT_A_TIME", contextlib.nullcontext())  # as servers apart from each other
    students = [f"student {i}" for i in range(8)]
    with ThreadPoolExecutor(len(students)) as pool:
        names = set(pool.map(lambda student: visitor_sets.keep(table(), "mine.csv", student), students))
    (name,) = names
    assert all(visitor_sets.may_read(name, student) for student in students)
    assert len(get_dataset(name).load().text_train) == get_dataset(name).train_size


def test_texts_that_were_half_removed_are_gone_and_can_be_brought_again(home: Path, monkeypatch: pytest.MonkeyPatch):
    name = visitor_sets.keep(table(), "mine.csv", "ann")
    monkeypatch.setattr(visitor_sets.shutil, "rmtree", lambda *_, **__: None)  # killed before
    visitor_sets.take_away(name, "ann")
    monkeypatch.undo()
    monkeypatch.setenv("KDLAB_HOME", str(home))
    assert get_dataset(name).taken_away
    assert visitor_sets.keep(table(), "mine.csv", "ann") == name
    assert get_dataset(name).load().text_train
    shutil.rmtree(home / "sets" / name / "content")  # in another tab, a moment ago
    visitor_sets.take_away(name, "ann")
    assert not [path for path in home.rglob("*") if path.name in ("texts.json", "rows.npz")]


def test_ids_are_few_and_those_of_the_training_texts():
    texts = get_dataset(visitor_sets.keep(table(), "mine.csv", "ann")).load()
    seen = np.unique(texts.x_train)
    assert seen.tolist() == [word_pieces.PADDING, *range(2, len(seen) + 1)]
    assert set(np.unique(texts.x_test)) <= {*seen, word_pieces.UNKNOWN}


def test_its_pieces_are_those_of_its_own_numbering():
    name = visitor_sets.keep(table(), "mine.csv", "ann")
    pieces, texts = visitor_sets.pieces_of(name), get_dataset(name).load()
    assert sorted(pieces) == sorted(word_pieces.vocabulary().pieces)
    for ids, text in zip(texts.x_train, texts.text_train, strict=True):
        told = [pieces[piece] for piece in ids if piece != word_pieces.PADDING]
        assert told == ["[CLS]", *text.replace(",", " ,").split(), "[SEP]"]
    assert visitor_sets.pieces_of("glosses") == word_pieces.vocabulary().pieces


def test_only_who_brought_a_set_finds_and_reads_it():
    name = visitor_sets.keep(table(), "mine.csv", "ann")
    assert visitor_sets.may_read(name, "ann")
    assert not visitor_sets.may_read(name, "bob")
    assert visitor_sets.sets_of("bob") == {}
    assert "mine" not in get_dataset(name).title


def test_texts_go_with_their_last_owner_and_runs_can_still_be_read(home: Path):
    name = visitor_sets.keep(table(), "mine.csv", "ann")
    visitor_sets.keep(table(), "mine.csv", "bob")
    visitor_sets.take_away(name, "eve")
    visitor_sets.take_away(name, "ann")
    assert get_dataset(name).load().text_train
    visitor_sets.take_away(name, "bob")
    assert not any(b"fine word" in path.read_bytes() for path in home.rglob("*") if path.is_file())
    found = get_dataset(name)
    assert found.taken_away
    assert found.classes == ("bad", "good")
    with pytest.raises(visitor_sets.TextsGoneError, match="Upload the file again"):
        visitor_sets.read(name)
    with pytest.raises(ValueError, match="upload the file again"):
        three_arms(dataset=name, labels=2, transfer=0)
    visitor_sets.keep(table(), "mine.csv", "ann")
    assert not get_dataset(name).taken_away


@pytest.mark.parametrize("name", ["own-0123456789abcdef", "own-../../secret", "own-", "../own-0123456789abcdef"])
def test_a_name_that_is_no_set_here_finds_nothing(name: str):
    assert find_dataset(name) is None


def test_word_piece_students_read_it_and_a_run_asks_for_a_teacher():
    name = visitor_sets.keep(table(), "mine.csv", "ann")
    assert [shape.name for shape in students_for(name)] == [shape.name for shape in students_for("glosses")]
    assert teachers_for(name) == []
    with pytest.raises(ValueError, match="has no teacher yet"):
        three_arms(dataset=name, labels=2, transfer=0)
