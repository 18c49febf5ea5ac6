"""Intervals over seeds, against scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from kdlab.core.intervals import mean_interval, paired_difference

seeds_by_steps = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 9), st.integers(1, 4)), elements=st.floats(-100, 100)
)


@given(seeds_by_steps, st.floats(0.5, 0.99))
def test_mean_interval_is_students_t(values, confidence):
    ours = mean_interval(values, confidence)
    n = len(values)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    np.testing.assert_allclose(ours.mean, values.mean(axis=0))
    np.testing.assert_allclose(ours.high - ours.mean, half, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.mean - ours.low, half, rtol=1e-7, atol=1e-9)
    assert ours.n == n


@pytest.mark.parametrize("shift", [-0.3, 0.05, 1.0])
def test_paired_interval_is_that_of_the_paired_t_test(shift):
    rng = np.random.default_rng(0)
    a = rng.normal(size=6)
    b = a - shift + rng.normal(scale=0.2, size=6)
    ours = paired_difference(a, b)
    expected = stats.ttest_rel(a, b).confidence_interval()
    np.testing.assert_allclose([ours.low, ours.high], expected)
    assert ours.holds_zero is bool(stats.ttest_rel(a, b).pvalue >= 0.05)


def test_pairing_removes_what_the_seeds_share():
    seeds = np.array([0.0, 5.0, 10.0, 15.0])
    a, b = seeds + 1.0, seeds + np.array([0.1, -0.1, 0.1, -0.1])
    assert not paired_difference(a, b).holds_zero
    assert mean_interval(a).low < mean_interval(b).high


def test_swapping_the_sides_mirrors_the_interval():
    a, b = [0.81, 0.79, 0.83], [0.75, 0.77, 0.74]
    forth, back = paired_difference(a, b), paired_difference(b, a)
    np.testing.assert_allclose([forth.low, forth.high], [-back.high, -back.low])


def test_one_seed_shows_nothing():
    interval = paired_difference([0.9], [0.5])
    assert interval.mean == pytest.approx(0.4)
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.holds_zero is True


def test_a_curve_is_judged_step_by_step():
    curve = np.array([[0.0, 1.0], [0.2, 1.1], [-0.1, 0.9]])
    np.testing.assert_array_equal(mean_interval(curve).holds_zero, [True, False])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mean_interval([]), "values is empty"),
        (lambda: mean_interval([1.0, np.nan]), "values holds NaN"),
        (lambda: mean_interval([1.0, 2.0], confidence=1.0), "confidence is 1.0"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), "every row of a needs its row of b"),
    ],
)
def test_bad_input_is_refused_by_name_and_reason(call, says):
    with pytest.raises(ValueError, match=says):
        call()
