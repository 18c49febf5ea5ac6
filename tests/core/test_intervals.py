"""Intervals over seeds, against scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from kdlab.core.intervals import holm_differences, mean_interval, paired_difference, share_interval

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


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (1, 1), (37, 50), (1990, 2000)])
def test_a_shares_interval_is_wilsons(hits, n):
    ours = share_interval(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose([ours.mean, ours.low, ours.high], [hits / n, *expected], atol=1e-12)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_a_share_of_nothing_has_no_interval(hits, n):
    with pytest.raises(ValueError, match="no share"):
        share_interval(hits, n)


@pytest.mark.parametrize("shift", [-0.3, 0.05, 1.0])
def test_paired_interval_is_that_of_the_paired_t_test(shift):
    rng = np.random.default_rng(0)
    a = rng.normal(size=6)
    b = a - shift + rng.normal(scale=0.2, size=6)
    ours = paired_difference(a, b)
    expected = stats.ttest_rel(a, b).confidence_interval()
    np.testing.assert_allclose([ours.low, ours.high], expected)
    assert ours.contains_zero is bool(stats.ttest_rel(a, b).pvalue >= 0.05)


def test_pairing_removes_what_the_seeds_share():
    seeds = np.array([0.0, 5.0, 10.0, 15.0])
    a, b = seeds + 1.0, seeds + np.array([0.1, -0.1, 0.1, -0.1])
    assert not paired_difference(a, b).contains_zero
    assert mean_interval(a).low < mean_interval(b).high


def test_swapping_the_sides_mirrors_the_interval():
    a, b = [0.81, 0.79, 0.83], [0.75, 0.77, 0.74]
    forth, back = paired_difference(a, b), paired_difference(b, a)
    np.testing.assert_allclose([forth.low, forth.high], [-back.high, -back.low])


def test_one_seed_shows_nothing():
    interval = paired_difference([0.9], [0.5])
    assert interval.mean == pytest.approx(0.4)
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.contains_zero is True


def test_a_curve_is_judged_step_by_step():
    curve = np.array([[0.0, 1.0], [0.2, 1.1], [-0.1, 0.9]])
    np.testing.assert_array_equal(mean_interval(curve).contains_zero, [True, False])


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


def _holm_rejects(p_values: list[float], alpha: float = 0.05) -> list[bool]:
    """The test as Holm wrote it, from p values."""
    rejected = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[i] >= alpha / (len(p_values) - step):
            break
        rejected[i] = True
    return rejected


@pytest.mark.parametrize("seed", range(20))
def test_intervals_that_hold_together_leave_zero_out_just_where_holms_test_rejects(seed):
    rng = np.random.default_rng(seed)
    pairs = []
    for shift in rng.uniform(0, 3, size=6):
        a = rng.normal(size=5)
        pairs.append((a, a + shift + rng.normal(size=5)))
    p_values = [float(stats.ttest_rel(a, b).pvalue) for a, b in pairs]
    found = holm_differences(pairs)
    assert [not one.contains_zero for one in found] == _holm_rejects(p_values)
    for one, (a, b) in zip(found, pairs, strict=True):
        alone = paired_difference(a, b)
        assert one.mean == alone.mean
        assert one.low <= alone.low


def test_one_difference_alone_is_not_corrected_and_none_are_none():
    a, b = np.arange(4.0), np.array([1.0, 3.0, 2.0, 5.0])
    assert holm_differences([(a, b)]) == [paired_difference(a, b)]
    assert holm_differences([]) == []


def test_a_difference_of_one_seed_stands_beside_others():
    (first, second) = holm_differences([([0.5], [0.4]), ([0.5, 0.6, 0.7], [0.1, 0.21, 0.29])])
    assert np.isnan(first.low)
    assert not second.contains_zero
