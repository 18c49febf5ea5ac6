"""Estimators of KL(q‖p) against exact enumeration, finite differences and torch's own gradients; samples against their mean."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kdlab.core.divergences import forward_kl, reverse_kl
from kdlab.core.kl_estimators import (
    best_baseline,
    coefficients,
    expected_gradient,
    expected_value,
    forward_kl_of_logits,
    gradient_variance,
    k1,
    k2,
    k3,
    reverse_kl_of_logits,
    sampled_counts,
    sampled_gradients,
)
from kdlab.core.probability import log_softmax, softmax

VALUES = {"k1": k1, "k2": k2, "k3": k3}
LOSSES = tuple(VALUES)
WAYS = (*LOSSES, "log_ratio")
BATCHES, SAMPLES = 400, 64


@st.composite
def pairs(draw):
    """A student's logits and a teacher's log-probabilities over 2 to 7 tokens."""
    size, spread = draw(st.integers(2, 7)), draw(st.sampled_from([0.1, 1.0, 3.0]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return rng.normal(0, spread, size), log_softmax(rng.normal(0, spread, size))


def differences(value, z: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of value(z), by central differences."""
    steps = step * np.eye(len(z))
    return np.array([(value(z + s) - value(z - s)) / (2 * step) for s in steps])


def pair(size: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1.2, size), log_softmax(rng.normal(0, 1.2, size))


def drawn(z: np.ndarray, batches: int = BATCHES, samples: int = SAMPLES, seed: int = 0) -> np.ndarray:
    return sampled_counts(np.sort(np.random.default_rng(seed).random((batches, samples)), axis=1), softmax(z))


@given(pairs())
def test_exact_divergences_are_those_of_the_probabilities_and_their_gradients_are_finite_differences(both):
    z, log_p = both
    p = np.exp(log_p)
    for exact, of_probabilities in ((forward_kl_of_logits, forward_kl), (reverse_kl_of_logits, reverse_kl)):
        found = exact(z, log_p)
        np.testing.assert_allclose(found.value, of_probabilities(p, softmax(z)), atol=1e-9)
        np.testing.assert_allclose(found.gradient, differences(lambda x, f=exact: f(x, log_p).value, z), atol=1e-7)


@given(pairs())
def test_k1_and_k3_have_the_mean_reverse_kl_and_none_of_k2_and_k3_is_negative(both):
    z, log_p = both
    exact = reverse_kl_of_logits(z, log_p).value
    assert expected_value("k1", z, log_p) == pytest.approx(exact, abs=1e-9)
    assert expected_value("k3", z, log_p) == pytest.approx(exact, abs=1e-9)
    for estimator in (k2, k3):
        assert (estimator(log_softmax(z), log_p) >= 0).all()


def test_k2_is_another_number_and_comes_to_the_kl_where_student_and_teacher_meet():
    z, log_p = pair()
    assert expected_value("k2", z, log_p) > 1.2 * reverse_kl_of_logits(z, log_p).value
    near = log_p + 1e-3 * z
    assert expected_value("k2", near, log_p) == pytest.approx(reverse_kl_of_logits(near, log_p).value, rel=1e-2)


@given(pairs(), st.sampled_from(LOSSES))
def test_an_estimator_as_a_loss_has_the_gradient_of_each_token_held_fixed_weighted_by_its_probability(both, name):
    """Enumeration: for every token the estimator's own finite differences, then their mean under the student as it is."""
    z, log_p = both
    q = softmax(z)
    each = [differences(lambda y, x=x: VALUES[name](log_softmax(y), log_p)[x], z) for x in range(len(z))]
    np.testing.assert_allclose(expected_gradient(name, z, log_p), q @ np.array(each), atol=1e-6 * max(1, np.abs(each).max()))


@given(pairs())
def test_as_a_loss_k1_has_no_gradient_k2_the_reverse_kl_s_and_k3_the_forward_kl_s(both):
    z, log_p = both
    np.testing.assert_allclose(expected_gradient("k1", z, log_p), 0, atol=1e-12)
    np.testing.assert_allclose(expected_gradient("k2", z, log_p), reverse_kl_of_logits(z, log_p).gradient, atol=1e-12)
    np.testing.assert_allclose(expected_gradient("k3", z, log_p), forward_kl_of_logits(z, log_p).gradient, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_what_torch_gives_for_the_loss_over_given_samples(name):
    z, log_p = pair(seed=3)
    tokens = np.random.default_rng(1).choice(len(z), 50, p=softmax(z))
    leaf = torch.tensor(z, requires_grad=True)
    log_q = torch.log_softmax(leaf, -1)[torch.tensor(tokens)]
    ratio = torch.tensor(log_p[tokens]) - log_q
    loss = {"k1": -ratio, "k2": 0.5 * ratio**2, "k3": torch.exp(ratio) - 1 - ratio}[name].mean()
    loss.backward()
    counts = np.bincount(tokens, minlength=len(z))[None]
    np.testing.assert_allclose(sampled_gradients(name, counts, z, log_p)[0], leaf.grad.numpy(), atol=1e-12)


@given(pairs(), st.floats(-5, 5))
def test_the_policy_gradient_is_the_reverse_kl_s_with_any_baseline(both, baseline):
    z, log_p = both
    exact = reverse_kl_of_logits(z, log_p).gradient
    np.testing.assert_allclose(expected_gradient("log_ratio", z, log_p), exact, atol=1e-12)
    np.testing.assert_allclose(expected_gradient("log_ratio", z, log_p, baseline), exact, atol=1e-11)


@given(pairs(), st.sampled_from(WAYS), st.floats(-2, 2))
def test_the_variance_of_a_gradient_is_its_mean_squared_distance_over_all_tokens(both, way, baseline):
    z, log_p = both
    q, log_q = softmax(z), log_softmax(z)
    each = (coefficients(way, log_q, log_p) - baseline)[:, None] * (np.eye(len(z)) - q)
    mean = q @ each
    exact = float(q @ ((each - mean) ** 2).sum(axis=1))
    assert gradient_variance(way, z, log_p, baseline) == pytest.approx(exact, abs=1e-9 * max(1, np.abs(each).max() ** 2))


@given(pairs(), st.sampled_from(WAYS), st.floats(-3, 3))
def test_no_baseline_has_less_variance_than_the_best_one(both, way, other):
    z, log_p = both
    best = best_baseline(way, z, log_p)
    least = gradient_variance(way, z, log_p, best)
    for baseline in (0.0, other):
        assert least <= gradient_variance(way, z, log_p, baseline) + 1e-9


def test_the_mean_log_ratio_as_baseline_lowers_the_variance_of_a_student_that_is_off():
    z, log_p = pair(40, seed=5)
    kl = reverse_kl_of_logits(z, log_p).value
    assert gradient_variance("log_ratio", z, log_p, kl) < 0.7 * gradient_variance("log_ratio", z, log_p)


def test_rows_of_students_are_taken_one_by_one():
    z = np.stack([pair(seed=s)[0] for s in range(3)])
    log_p = pair(seed=9)[1]
    kl = reverse_kl_of_logits(z, log_p)
    assert kl.value.shape == (3,)
    for way in WAYS:
        rows = [expected_gradient(way, z[i], log_p, kl.value[i]) for i in range(3)]
        np.testing.assert_allclose(expected_gradient(way, z, log_p, kl.value), rows, atol=1e-12)
        alone = [gradient_variance(way, row, log_p) for row in z]
        np.testing.assert_allclose(gradient_variance(way, z, log_p), alone, atol=1e-12)


def test_counts_are_those_of_drawing_token_by_token():
    uniforms = np.sort(np.random.default_rng(0).random((5, 30)), axis=1)
    q = np.array([0.2, 0.0, 0.5, 0.3, 0.0])
    edges = np.array([0.2, 0.2, 0.7, 1.0, 1.0])
    by_hand = np.zeros((5, 5))
    for batch, row in enumerate(uniforms):
        for u in row:
            by_hand[batch, next(k for k, edge in enumerate(edges) if u < edge)] += 1
    np.testing.assert_array_equal(sampled_counts(uniforms, q), by_hand)


def test_every_number_below_one_draws_a_token_that_has_a_probability():
    q = np.append(np.full(10, 0.1), 0.0)
    assert np.cumsum(q)[-1] < 1  # rounding
    counts = sampled_counts(np.array([[0.0, 0.1, np.nextafter(1, 0)]]), q)
    assert counts.sum() == 3
    np.testing.assert_array_equal(counts[0, [0, 9, 10]], [1, 1, 0])  # 0.1 itself is the second token's


def test_nearly_alike_students_draw_nearly_the_same_tokens():
    z = pair(30)[0]
    one, other, anew = drawn(z), drawn(z + 1e-4 * np.arange(30)), drawn(z, seed=1)
    assert np.abs(one - other).sum() < 0.05 * np.abs(one - anew).sum()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("leave_one_out", [False, True])
def test_sampled_gradients_have_the_exact_mean_and_the_exact_variance(way, leave_one_out):
    """The mean of B independent batches has variance V/(N·B): its squared distance is near that, by chi-squared's width."""
    z, log_p = pair(8, seed=2)
    found = sampled_gradients(way, drawn(z), z, log_p, leave_one_out)
    exact = expected_gradient(way, z, log_p)
    scatter = ((found - exact) ** 2).sum(axis=1)
    variance = scatter.mean()
    # Each number within 4 standard errors, from the batches' own spread: 8 × 8 numbers, one in 16,000 fails by chance.
    errors = found.std(axis=0, ddof=1) / np.sqrt(BATCHES)
    assert (np.abs(found.mean(axis=0) - exact) <= 4 * errors + 1e-12).all()
    if not leave_one_out:
        told = float(gradient_variance(way, z, log_p)) / SAMPLES
        assert variance == pytest.approx(told, abs=4 * scatter.std(ddof=1) / np.sqrt(BATCHES))


def test_leaving_one_out_keeps_the_expectation_exactly():
    """Over all 27 batches of three samples from three tokens, each with its probability."""
    z, log_p = pair(3, seed=4)
    q = softmax(z)
    mean = np.zeros(3)
    for tokens in itertools.product(range(3), repeat=3):
        counts = np.bincount(tokens, minlength=3)[None]
        mean += q[list(tokens)].prod() * sampled_gradients("log_ratio", counts, z, log_p, leave_one_out=True)[0]
    np.testing.assert_allclose(mean, reverse_kl_of_logits(z, log_p).gradient, atol=1e-14)


def test_leaving_one_out_is_each_sample_less_the_mean_of_the_others():
    z, log_p = pair(5, seed=6)
    tokens = np.array([0, 3, 3, 1])
    c = coefficients("log_ratio", log_softmax(z), log_p)[tokens]
    scores = np.eye(5)[tokens] - softmax(z)
    by_hand = np.mean([(c[i] - np.delete(c, i).mean()) * scores[i] for i in range(4)], axis=0)
    counts = np.bincount(tokens, minlength=5)[None]
    np.testing.assert_allclose(sampled_gradients("log_ratio", counts, z, log_p, leave_one_out=True)[0], by_hand, atol=1e-14)


def test_leaving_one_out_scatters_less_than_no_baseline():
    z, log_p = pair(40, seed=5)
    exact = reverse_kl_of_logits(z, log_p).gradient
    plain, less = (((sampled_gradients("log_ratio", drawn(z), z, log_p, one) - exact) ** 2).sum(axis=1) for one in (False, True))
    assert less.mean() < 0.7 * plain.mean()


def test_k2_as_a_loss_and_the_policy_gradient_are_the_same_sample_by_sample():
    z, log_p = pair()
    np.testing.assert_array_equal(sampled_gradients("k2", drawn(z), z, log_p), sampled_gradients("log_ratio", drawn(z), z, log_p))


@pytest.mark.parametrize("estimator", [expected_value, expected_gradient])
@pytest.mark.parametrize(
    ("log_p", "words"),
    [
        (np.log([0.5, 0.5]), "the student has 3 tokens and the teacher 2"),
        (np.log([0.5, 0.4, 0.2]), "sums to 1.1"),
        (np.array([np.log(0.5), np.log(0.5), -np.inf]), "infinity"),
    ],
)
def test_what_is_no_teacher_of_this_student_is_refused(estimator, log_p, words):
    with pytest.raises(ValueError, match=words):
        estimator("k1", np.zeros(3), log_p)


@pytest.mark.parametrize("uniforms", [[[0.5, 0.2]], [[0.2, 1.0]], [0.2, 0.5], [[-0.1, 0.2]]])
def test_what_are_no_sorted_batches_from_0_to_below_1_is_refused(uniforms):
    with pytest.raises(ValueError, match="in rising order"):
        sampled_counts(uniforms, [0.5, 0.5])


def test_a_batch_of_one_has_nobody_to_leave_out():
    with pytest.raises(ValueError, match="no others"):
        sampled_gradients("log_ratio", [[1, 0]], np.zeros(2), np.log([0.5, 0.5]), leave_one_out=True)
