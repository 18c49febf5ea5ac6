"""Text to character ids: any string, always the same shape, nothing lost that the alphabet holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.data.registry import language_paragraphs
from kdlab.data.text import (
    ALPHABET,
    ALPHABET_SIZE,
    PADDING,
    SEEN,
    UNKNOWN,
    WINDOW,
    encode,
    is_cut,
    known_letters,
)

any_text = st.text(st.characters(), max_size=3 * WINDOW)  # every plane of Unicode, lone surrogates included


@given(st.lists(any_text, max_size=4))
def test_any_text_becomes_ids_followed_by_padding_only(texts: list[str]) -> None:
    ids = encode(texts)
    assert ids.shape == (len(texts), WINDOW)
    assert ids.dtype == np.int64
    assert ids.min(initial=0) >= 0
    assert ids.max(initial=0) < ALPHABET_SIZE
    padding = ids == PADDING
    assert (padding[:, 1:] >= padding[:, :-1]).all()


@given(st.lists(any_text, min_size=2, max_size=4))
def test_a_text_is_encoded_alike_alone_and_among_others(texts: list[str]) -> None:
    assert np.array_equal(encode(texts), np.concatenate([encode([text]) for text in texts]))


@given(st.lists(st.text("abzßçñøåăęłșțžÀÉŰ", min_size=1, max_size=8), min_size=1, max_size=8))
def test_words_of_the_alphabet_can_be_read_back(words: list[str]) -> None:
    ids = encode([" \n".join(words)])[0]
    read = "".join(ALPHABET[i - 2] for i in ids if i != PADDING)
    assert read == f" {' '.join(words)} ".lower()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Droits de l’homme", "droits de l'homme"),
        ("e\u0301te\u0301", "été"),  # combining accents
        ("naţiunile şi", "națiunile și"),  # cedilla for comma below
        ("s‐au", "s-au"),
        ("  two\t words\n", "two words"),
    ],
)
def test_two_ways_to_write_the_same_give_the_same_ids(one: str, other: str) -> None:
    assert np.array_equal(encode([one]), encode([other]))


def test_a_megabyte_is_cut_at_the_window() -> None:
    text = "droits humains " * 70_000
    assert np.array_equal(encode([text]), encode([text[: 2 * WINDOW]]))
    assert (encode([text]) > 0).all()


def test_a_text_is_cut_where_a_letter_of_it_is_not_seen() -> None:
    for length in (SEEN, SEEN + 1):
        seen = (encode(["a" * length]) == encode(["a"])[0, 1]).sum()
        assert is_cut("a" * length) == (seen < length)
    assert not is_cut("a  " * 40)  # of which 40 letters and the spaces between are left


def test_other_scripts_are_unknown_characters_and_empty_text_is_spaces() -> None:
    assert set(encode(["Привет 你好"])[0]) == {PADDING, UNKNOWN, ALPHABET.index(" ") + 2}
    assert np.count_nonzero(encode([""])) == 2
    assert known_letters("Привет 你好 123") == 0
    assert known_letters("été 1") == 3


def test_every_letter_of_the_languages_is_in_the_alphabet() -> None:
    words = {word for paragraphs in language_paragraphs().values() for words in paragraphs for word in words}
    letters = {letter for word in words for letter in word.lower() if letter.isalpha()}
    assert (encode(sorted(letters))[:, 1] != UNKNOWN).all()
