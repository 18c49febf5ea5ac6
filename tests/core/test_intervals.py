"""Intervals over seeds, against scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from kdlab.core.intervals import joint_differences, mean_interval, paired_difference, share_interval

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


@pytest.mark.parametrize("shared", [False, True])
def test_differences_that_are_looked_at_together_hold_all_at_once(shared):
    """Six differences of a size where a step-down shows some: its intervals hold at once in 0.90 of such runs only.

    shared: all are taken from one control. Allowed are four standard errors of the simulation.
    """
    rng, runs, shift = np.random.default_rng(1), 4000, 1.5
    held = 0
    for _ in range(runs):
        control = rng.normal(size=10) if shared else np.zeros(10)
        found = joint_differences([(arm, control) for arm in shift + rng.normal(size=(6, 10))])
        held += all(one.low <= shift <= one.high for one in found)
    assert held / runs >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs)


def test_each_of_several_is_bonferronis_interval():
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(size=5), rng.normal(size=5)) for _ in range(6)]
    for one, (a, b) in zip(joint_differences(pairs), pairs, strict=True):
        assert one == paired_difference(a, b, 1 - 0.05 / 6)
        assert one.contains_zero is bool(6 * stats.ttest_rel(a, b).pvalue >= 0.05)


def test_one_difference_alone_is_not_corrected_and_none_are_none():
    a, b = np.arange(4.0), np.array([1.0, 3.0, 2.0, 5.0])
    assert joint_differences([(a, b)]) == [paired_difference(a, b)]
    assert joint_differences([]) == []


def test_a_difference_of_one_seed_stands_beside_others_and_costs_them_nothing():
    pair = ([0.5, 0.6, 0.7], [0.1, 0.21, 0.29])
    (first, second) = joint_differences([([0.5], [0.4]), pair])
    assert np.isnan(first.low)
    assert second == paired_difference(*pair)


def test_an_interval_is_cut_to_what_its_quantity_can_be_and_keeps_its_mean():
    found = mean_interval([0.99, 0.90]).within(0, 1)
    assert (found.mean, found.high, found.n) == (pytest.approx(0.945), 1, 2)
    assert found.low > 0
    assert np.isnan(mean_interval([0.9]).within(0, 1).low)
    assert mean_interval([0.1, 5.0]).within(0, None).low == 0


def test_a_difference_turned_is_that_of_the_sides_swapped():
    a, b = [0.81, 0.79, 0.83], [0.75, 0.77, 0.74]
    turned, swapped = paired_difference(a, b).turned(), paired_difference(b, a)
    np.testing.assert_allclose([turned.mean, turned.low, turned.high], [swapped.mean, swapped.low, swapped.high])
