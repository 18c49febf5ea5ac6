"""How rare a text's words are: counted by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kdlab.data.registry import get_dataset
from kdlab.data.word_frequency import frequency_bands, word_frequency, words

TRAINING = ["the cat", "The dog barks", "the the cat's paw"]


def test_words_are_distinct_and_in_lower_case() -> None:
    assert words("The cat, the CAT; a cat's well-fed 3 times") == ["the", "cat", "a", "cat's", "well-fed", "times"]


def test_a_texts_frequency_is_the_geometric_mean_of_how_many_texts_hold_its_words() -> None:
    found = word_frequency(["the dog", "cat", "the zebra", "", "THE the"], TRAINING)
    assert found[0] == pytest.approx((3 * 1) ** 0.5)  # "the the" is one text
    assert found[1] == pytest.approx(1)
    assert found[2] == pytest.approx((3 * 0.5) ** 0.5)  # no training text knows a zebra
    assert found[3] == 0
    assert found[4] == pytest.approx(3)


def test_bands_are_even_from_the_rarest_on_and_hold_each_text_once() -> None:
    frequency = np.array([5.0, 1.0, 3.0, 2.0, 4.0])
    bands = frequency_bands(frequency, 2)
    assert [band.rows.tolist() for band in bands] == [[1, 3, 2], [4, 0]]
    assert [(band.low, band.high) for band in bands] == [(1, 3), (4, 5)]


def test_of_the_glosses_the_rarest_quarter_has_words_that_few_training_glosses_have() -> None:
    data = get_dataset("glosses").load()
    assert data.text_train is not None
    assert data.text_test is not None
    bands = frequency_bands(word_frequency(data.text_test, data.text_train))
    assert sorted(np.concatenate([band.rows for band in bands]).tolist()) == list(range(len(data.text_test)))
    assert all(a.high <= b.low for a, b in pairwise(bands))
    assert 2 * bands[0].high < bands[-1].low
