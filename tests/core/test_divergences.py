"""KL and Jensen–Shannon divergences: their identities, and scipy as the independent word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial.distance import jensenshannon

from kdlab.core.divergences import forward_kl, generalized_jsd, reverse_kl
from kdlab.core.probability import softmax

DIVERGENCES = {
    "forward_kl": forward_kl,
    "reverse_kl": reverse_kl,
    "jsd": lambda p, q: generalized_jsd(p, q, 0.3),
}


@st.composite
def pairs_of_distributions(draw, spread=20.0, min_side=2):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=min_side, max_side=6))
    values = st.floats(-spread, spread)
    return tuple(softmax(draw(hnp.arrays(np.float64, shape, elements=values))) for _ in "pq")


@given(pairs_of_distributions(), st.sampled_from(sorted(DIVERGENCES)))
def test_divergence_is_never_negative_and_zero_on_equal(pair, name):
    p, q = pair
    assert (DIVERGENCES[name](p, q) >= 0).all()
    np.testing.assert_allclose(DIVERGENCES[name](p, p), 0, atol=1e-12)


@given(pairs_of_distributions(spread=8))
def test_divergence_of_different_distributions_is_positive(pair):
    p, q = pair
    assume((np.abs(p - q).max(axis=-1) > 1e-3).all())
    for divergence in DIVERGENCES.values():
        assert (divergence(p, q) > 0).all()


@given(pairs_of_distributions())
def test_forward_kl_agrees_with_scipy_and_reverse_kl_swaps_the_two(pair):
    p, q = pair
    np.testing.assert_allclose(forward_kl(p, q), stats.entropy(p, q, axis=-1), rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(reverse_kl(p, q), forward_kl(q, p))


@given(pairs_of_distributions())
def test_jsd_at_one_half_is_scipys_and_symmetric(pair):
    p, q = pair
    ours = generalized_jsd(p, q, 0.5)
    # Where p and q nearly agree, rounding leaves scipy the root of −1e-17: its NaN is a distance of 0.
    with np.errstate(invalid="ignore"):
        scipys = np.nan_to_num(jensenshannon(p, q, axis=-1)) ** 2
    np.testing.assert_allclose(ours, scipys, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(ours, generalized_jsd(q, p, 0.5), rtol=1e-9, atol=1e-12)
    assert (ours <= np.log(2) + 1e-12).all()


@given(pairs_of_distributions(), st.floats(0, 1))
def test_jsd_is_unchanged_when_both_sides_and_beta_swap(pair, beta):
    p, q = pair
    np.testing.assert_allclose(
        generalized_jsd(p, q, beta), generalized_jsd(q, p, 1 - beta), rtol=1e-6, atol=1e-12
    )


@given(pairs_of_distributions(spread=3))
def test_jsd_vanishes_at_its_ends_and_its_quotient_becomes_the_two_kls(pair):
    p, q = pair
    near = 1e-5
    for end in (0, 1):
        np.testing.assert_allclose(generalized_jsd(p, q, end), 0, atol=1e-12)
    scale = near * (1 - near)
    np.testing.assert_allclose(generalized_jsd(p, q, near) / scale, forward_kl(p, q), rtol=1e-2, atol=1e-7)
    np.testing.assert_allclose(
        generalized_jsd(p, q, 1 - near) / scale, reverse_kl(p, q), rtol=1e-2, atol=1e-7
    )


def test_kl_by_hand():
    assert forward_kl([0.5, 0.5], [0.75, 0.25]) == pytest.approx(0.5 * np.log(4 / 3))
    assert reverse_kl([0.5, 0.5], [0.75, 0.25]) == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5))


def test_kl_is_infinite_only_where_the_other_side_rules_a_class_out():
    assert forward_kl([0.5, 0.5], [1, 0]) == np.inf
    assert reverse_kl([0.5, 0.5], [1, 0]) == pytest.approx(np.log(2))
    for beta in (0, 0.5, 1):
        assert np.isfinite(generalized_jsd([0.5, 0.5], [1, 0], beta))


def test_one_distribution_is_compared_with_many():
    many = softmax(np.arange(12.0).reshape(4, 3) ** 1.5)
    singly = [forward_kl([0.7, 0.2, 0.1], q) for q in many]
    np.testing.assert_allclose(forward_kl([0.7, 0.2, 0.1], many), singly)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: forward_kl([0.5, 0.6], [0.5, 0.5]), "p sums to 1.1"),
        (lambda: reverse_kl([0.5, 0.5], [0.5, 0.6]), "q sums to 1.1"),
        (lambda: forward_kl([0.5, 0.5], [np.nan, 1]), "q holds NaN"),
        (lambda: forward_kl([0.5, 0.5], [0.2, 0.3, 0.5]), "p has 2 classes and q has 3"),
        (lambda: generalized_jsd([0.5, 0.5], [0.5, 0.5], 1.5), "beta must be one number from 0 to 1"),
        (lambda: generalized_jsd([0.5, 0.5], [0.5, 0.5], np.nan), "beta holds NaN"),
    ],
)
def test_bad_input_is_refused_by_name_and_reason(call, says):
    with pytest.raises(ValueError, match=says):
        call()
