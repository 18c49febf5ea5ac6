"""Scores of text, against their definitions by hand and by exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.core.text_scores import bits_per_byte, distinct_n, perplexity, top_k_overlap


def test_a_uniform_guess_costs_its_bits_and_has_the_vocabulary_for_its_perplexity():
    tokens, vocabulary = 30, 256
    nats = tokens * math.log(vocabulary)
    assert bits_per_byte(nats, tokens) == pytest.approx(8)  # a byte a token
    assert perplexity(nats, tokens) == pytest.approx(vocabulary)


def test_longer_tokens_raise_the_perplexity_and_leave_the_bits_per_byte():
    """The same uniform guess of bytes, told byte by byte and in pairs."""
    by_bytes, by_pairs = (100 * math.log(4), 100), (50 * math.log(16), 50)
    assert perplexity(*by_pairs) == pytest.approx(perplexity(*by_bytes) ** 2)
    assert bits_per_byte(by_pairs[0], 100) == pytest.approx(bits_per_byte(by_bytes[0], 100))


def test_rows_are_scored_one_by_one_and_a_lost_model_has_an_infinite_perplexity():
    np.testing.assert_allclose(perplexity([math.log(2), math.log(9)], [1, 2]), [2, 3])
    np.testing.assert_allclose(bits_per_byte([math.log(2), math.log(4)], 2), [0.5, 1])
    assert perplexity(1e6, 10) == math.inf


@pytest.mark.parametrize("score", [bits_per_byte, perplexity])
def test_without_text_there_is_no_score(score):
    with pytest.raises(ValueError, match="something to divide by"):
        score(1.0, 0)


@given(st.lists(st.lists(st.integers(0, 3), max_size=8), max_size=4), st.integers(1, 3))
def test_distinct_n_counts_the_different_among_all_n_grams(texts, n):
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    found = distinct_n(texts, n)
    assert math.isnan(found) if not grams else found == len(set(grams)) / len(grams)


def test_no_n_gram_reaches_from_one_text_into_the_next():
    assert distinct_n([[1, 2], [1, 2]], 2) == 0.5
    assert distinct_n(np.array([[1, 1, 1, 1]]), 1) == 0.25
    with pytest.raises(ValueError, match="at least one token"):
        distinct_n([[1]], 0)


@given(st.integers(0, 1000), st.integers(1, 6))
def test_top_k_overlap_is_that_of_the_stable_order(seed, k):
    rng = np.random.default_rng(seed)
    p, q = rng.integers(0, 4, (3, 6)) / 10, rng.integers(0, 4, (3, 6)) / 10  # many are equal
    by_hand = [
        len(set(np.argsort(-p[i], kind="stable")[:k]) & set(np.argsort(-q[i], kind="stable")[:k])) / k for i in range(3)
    ]
    np.testing.assert_allclose(top_k_overlap(p, q, k), by_hand)


def test_top_k_overlap_is_1_with_oneself_and_0_with_the_reverse():
    p = np.arange(10.0)
    assert top_k_overlap(p, 2 * p - 5, 4) == 1
    assert top_k_overlap(p, -p, 5) == 0
    assert top_k_overlap(p, -p, 6) == pytest.approx(2 / 6)


@pytest.mark.parametrize("k", [0, 4])
def test_k_must_be_a_number_of_tokens(k):
    with pytest.raises(ValueError, match="from 1 to 3"):
        top_k_overlap(np.ones(3), np.ones(3), k)
    with pytest.raises(ValueError, match="the same tokens"):
        top_k_overlap(np.ones(3), np.ones(2), 1)
