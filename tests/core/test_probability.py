"""Softmax, temperature and entropy: identities, golden values, and scipy as the independent word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from kdlab.core.probability import entropy, log_softmax, soften, softmax

shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7)
logit_arrays = hnp.arrays(np.float64, shapes, elements=st.floats(-1e4, 1e4))
mild_logits = hnp.arrays(np.float64, shapes, elements=st.floats(-30, 30))
temperatures = st.floats(0.05, 1000)


@given(logit_arrays, temperatures)
def test_softmax_gives_distributions_for_any_logits_and_temperature(logits, temperature):
    p = softmax(logits, temperature)
    assert np.isfinite(p).all()
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-12)


@given(logit_arrays, temperatures)
def test_softmax_and_log_softmax_agree_with_scipy(logits, temperature):
    np.testing.assert_allclose(softmax(logits, temperature), special.softmax(logits / temperature, axis=-1))
    expected = special.log_softmax(logits / temperature, axis=-1)
    np.testing.assert_allclose(log_softmax(logits, temperature), expected, rtol=1e-9, atol=1e-9)


@given(logit_arrays, temperatures, st.floats(-1e4, 1e4))
def test_softmax_ignores_a_constant_added_to_every_logit(logits, temperature, constant):
    np.testing.assert_allclose(
        softmax(logits + constant, temperature), softmax(logits, temperature), rtol=1e-6, atol=1e-12
    )


@given(mild_logits, temperatures)
def test_probabilities_are_enough_to_change_the_temperature(logits, temperature):
    np.testing.assert_allclose(
        soften(softmax(logits), temperature), softmax(logits, temperature), rtol=1e-7, atol=1e-12
    )


@given(mild_logits, st.floats(0.5, 20), st.floats(0.5, 20))
def test_softening_twice_multiplies_the_temperatures(logits, first, second):
    p = softmax(logits)
    np.testing.assert_allclose(
        soften(soften(p, first), second), soften(p, first * second), rtol=1e-6, atol=1e-9
    )


@given(mild_logits)
def test_entropy_never_falls_as_the_temperature_rises(logits):
    ladder = [entropy(softmax(logits, t)) for t in (0.05, 0.5, 1, 2, 5, 20, 1000)]
    assert (np.diff(ladder, axis=0) >= -1e-9).all()


@given(mild_logits, st.sampled_from([2, np.e, 10]))
def test_entropy_agrees_with_scipy_and_stays_within_its_bounds(logits, base):
    p = softmax(logits)
    h = entropy(p, base)
    np.testing.assert_allclose(h, stats.entropy(p, base=base, axis=-1), rtol=1e-9, atol=1e-12)
    assert (h >= 0).all()
    assert (h <= np.log(p.shape[-1]) / np.log(base) + 1e-12).all()


@pytest.mark.parametrize(
    ("p", "temperature", "expected"),
    [
        ([0.7, 0.2, 0.1], 2, [0.523, 0.279, 0.198]),
        ([0.7, 0.2, 0.1], 4, [0.426, 0.312, 0.262]),
        ([0.99, 0.01], 4, [0.759, 0.241]),
    ],
)
def test_the_lessons_vectors_soften_as_the_lesson_says(p, temperature, expected):
    np.testing.assert_allclose(soften(p, temperature), expected, atol=5e-4)


def test_entropy_of_a_fair_coin_is_one_bit_and_of_a_certainty_none():
    np.testing.assert_allclose(entropy([[0.5, 0.5], [1, 0]]), [1, 0])


def test_zero_probability_stays_zero_at_every_temperature():
    np.testing.assert_allclose(soften([0.8, 0.2, 0.0], 1000), [0.5003, 0.4997, 0], atol=1e-4)


def test_temperatures_may_be_an_array_that_broadcasts():
    ladder = np.array([[0.5], [1.0], [8.0]])
    rows = softmax([3.0, 1.0, 0.0], ladder)
    for row, temperature in zip(rows, ladder[:, 0], strict=True):
        np.testing.assert_allclose(row, softmax([3.0, 1.0, 0.0], temperature))


def test_softmax_runs_over_the_axis_it_is_told():
    logits = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(softmax(logits, 2, axis=0), softmax(logits.T, 2).T)
    np.testing.assert_allclose(log_softmax(logits, 2, axis=0), log_softmax(logits.T, 2).T)


def test_arguments_are_left_as_they_were():
    logits = np.array([1.0, 2.0, 3.0])
    softmax(logits, 2), log_softmax(logits, 2)
    np.testing.assert_array_equal(logits, [1, 2, 3])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: softmax([1.0, np.nan]), "logits holds NaN"),
        (lambda: log_softmax([1.0, np.inf]), "logits holds infinity"),
        (lambda: softmax(["a", "b"]), "logits must hold numbers only"),
        (lambda: softmax([[1.0, 2.0], [1.0]]), "rows of equal length"),
        (lambda: softmax([]), "logits is empty"),
        (lambda: softmax(3.0), "logits is a single number"),
        (lambda: softmax([1.0, 2.0], 0), "temperature is 0; it must be above 0"),
        (lambda: log_softmax([1.0, 2.0], -2), "temperature is -2; it must be above 0"),
        (lambda: soften([0.5, 0.5], np.nan), "temperature holds NaN"),
        (lambda: soften([0.5, 0.4], 2), "probabilities sums to 0.9"),
        (lambda: soften([1.5, -0.5], 2), "probabilities holds -0.5"),
        (lambda: entropy([[0.5, 0.5], [0.7, 0.7]]), "p sums to 1.4"),
        (lambda: entropy([0.5, 0.5], base=1), "base is 1"),
    ],
)
def test_bad_input_is_refused_by_name_and_reason(call, says):
    with pytest.raises(ValueError, match=says):
        call()
