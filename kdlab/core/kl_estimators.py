"""Estimators of the reverse KL from the student's own samples: what they are worth as a value, and what as a gradient.

A student q = softmax(z) draws a token x and asks its teacher p what it thinks of it. With log q(x) and log p(x) alone:

    k1 = log q − log p          k2 = ½·(log q − log p)²          k3 = p/q − 1 − log(p/q)

Schulman 2020, "Approximating KL Divergence". k1 and k3 have the mean KL(q‖p), k2 has not. Taken as a loss, with the drawn
tokens held fixed, each sample's gradient in z is c(x)·(δ_x − q), a coefficient times the score ∂ log q(x)/∂z:

    c = 1 for k1,   log(q/p) for k2,   1 − p/q for k3

so that the mean gradient is 0 for k1, the reverse KL's for k2 and the forward KL's for k3: the gradient of an unbiased
estimate is no unbiased estimate of the gradient. The policy gradient has the log-ratio for its coefficient, as k2 has; a
baseline b taken off it leaves the mean as it is, for E_q[δ_x − q] = 0. Liu et al. 2025, arXiv 2510.01555.

All in nats. V tokens along the last axis; z: (..., V) and log p: (V,) or (..., V) broadcast against each other.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks
from kdlab.core.checks import Floats
from kdlab.core.probability import log_softmax

Estimator = Literal["k1", "k2", "k3"]
Way = Literal["k1", "k2", "k3", "log_ratio"]
"""How a gradient is taken from samples: an estimator as a loss, or the log-ratio as a policy gradient."""


class Divergence(NamedTuple):
    """A KL in nats, (...,), and its gradient in the student's logits, (..., V)."""

    value: Floats
    gradient: Floats


def k1(log_q: ArrayLike, log_p: ArrayLike) -> Floats:
    """log q − log p of a drawn token: KL(q‖p) on average, below 0 for single tokens. Any shapes that broadcast."""
    return np.asarray(log_q, dtype=np.float64) - np.asarray(log_p, dtype=np.float64)


def k2(log_q: ArrayLike, log_p: ArrayLike) -> Floats:
    """½·(log q − log p)²: never negative, and KL(q‖p) on average only where q is near p."""
    return 0.5 * k1(log_q, log_p) ** 2


def k3(log_q: ArrayLike, log_p: ArrayLike) -> Floats:
    """p/q − 1 − log(p/q): never negative, KL(q‖p) on average; of large variance where the student misses what p does."""
    log_ratio = -k1(log_q, log_p)
    return np.expm1(log_ratio) - log_ratio


_VALUES = {"k1": k1, "k2": k2, "k3": k3}


def reverse_kl_of_logits(student_logits: ArrayLike, teacher_log_p: ArrayLike) -> Divergence:
    """KL(q‖p) = Σ q·(log q − log p), with the gradient q∘(log q − log p − KL). Raises ValueError as `expected_value`."""
    log_q, log_p = _checked(student_logits, teacher_log_p)
    q = np.exp(log_q)
    ratio = log_q - log_p
    value = (q * ratio).sum(axis=-1)
    return Divergence(value, q * (ratio - value[..., None]))


def forward_kl_of_logits(student_logits: ArrayLike, teacher_log_p: ArrayLike) -> Divergence:
    """KL(p‖q) = Σ p·(log p − log q), with the gradient q − p. Raises ValueError as `expected_value`."""
    log_q, log_p = _checked(student_logits, teacher_log_p)
    p = np.exp(log_p)
    return Divergence((p * (log_p - log_q)).sum(axis=-1), np.exp(log_q) - p)


def expected_value(estimator: Estimator, student_logits: ArrayLike, teacher_log_p: ArrayLike) -> Floats:
    """E_q[k], over all V tokens: (...,) in nats.

    Raises ValueError for numbers that are not finite, for a teacher whose probabilities do not sum to 1 and for unlike
    vocabularies. A teacher that gives a token 0 has no reverse KL: its log is −∞.
    """
    log_q, log_p = _checked(student_logits, teacher_log_p)
    return (np.exp(log_q) * _VALUES[estimator](log_q, log_p)).sum(axis=-1)


def coefficients(way: Way, log_q: ArrayLike, log_p: ArrayLike) -> Floats:
    """c(x): what a drawn token's score δ_x − q is multiplied by. For an estimator as a loss it is ∂k/∂ log q."""
    ratio = k1(log_q, log_p)
    if way == "k1":
        return np.ones_like(ratio)
    return -np.expm1(-ratio) if way == "k3" else ratio


def expected_gradient(
    way: Way, student_logits: ArrayLike, teacher_log_p: ArrayLike, baseline: ArrayLike = 0.0
) -> Floats:
    """E_q[(c − b)·(δ_x − q)] over all V tokens: (..., V). baseline b: one number, or (...,). Raises as `expected_value`."""
    log_q, log_p = _checked(student_logits, teacher_log_p)
    q = np.exp(log_q)
    c = coefficients(way, log_q, log_p) - np.asarray(baseline, dtype=np.float64)[..., None]
    return q * c - q * (q * c).sum(axis=-1, keepdims=True)


def gradient_variance(
    way: Way, student_logits: ArrayLike, teacher_log_p: ArrayLike, baseline: ArrayLike = 0.0
) -> Floats:
    """How far one sample's gradient lies from their mean: E‖g − E g‖², summed over the logits, (...,).

    N samples without a baseline, or with one that does not look at them, have 1/N of it. Arguments as `expected_gradient`.
    """
    log_q, log_p = _checked(student_logits, teacher_log_p)
    q = np.exp(log_q)
    c = coefficients(way, log_q, log_p) - np.asarray(baseline, dtype=np.float64)[..., None]
    second = (q * c**2 * score_length_squared(q)).sum(axis=-1)
    mean = expected_gradient(way, student_logits, teacher_log_p, baseline)
    return second - (mean**2).sum(axis=-1)


def best_baseline(way: Way, student_logits: ArrayLike, teacher_log_p: ArrayLike) -> Floats:
    """The number b with the least `gradient_variance`: E[c·‖δ_x − q‖²] / E‖δ_x − q‖², (...,). Raises as `expected_value`."""
    log_q, log_p = _checked(student_logits, teacher_log_p)
    q = np.exp(log_q)
    weight = q * score_length_squared(q)
    return (weight * coefficients(way, log_q, log_p)).sum(axis=-1) / weight.sum(axis=-1)


def score_length_squared(q: Floats) -> Floats:
    """‖δ_x − q‖² for every token x: 1 − 2·q(x) + Σ q², (..., V)."""
    return 1 - 2 * q + (q**2).sum(axis=-1, keepdims=True)


def sampled_counts(uniforms: ArrayLike, q: ArrayLike) -> Floats:
    """How often each token is drawn: (B, V), for B batches of N numbers from 0 to 1.

    uniforms: (B, N), each batch sorted. q: (V,). A number u draws the token whose share of the cumulated q holds it, so
    that the same numbers draw nearly the same tokens from students that are nearly alike. Raises ValueError where q is
    no distribution and for a batch that is not sorted.
    """
    u, shares = checks.numbers("uniforms", uniforms), checks.probabilities("q", q)
    if u.ndim != 2 or (np.diff(u, axis=1) < 0).any() or u.min() < 0 or u.max() >= 1:
        raise ValueError("uniforms must be batches by samples, from 0 to below 1, each batch in rising order.")
    edges = np.cumsum(shares)
    edges[np.flatnonzero(shares)[-1] :] = 1.0  # what rounding left off the sum belongs to the last token that can be drawn
    below = np.stack([np.searchsorted(batch, edges) for batch in u])
    return np.diff(below, axis=1, prepend=0).astype(np.float64)


def sampled_gradients(
    way: Way, counts: ArrayLike, student_logits: ArrayLike, teacher_log_p: ArrayLike, leave_one_out: bool = False
) -> Floats:
    """Each batch's gradient, the mean of (c − b)·(δ_x − q) over its samples: (B, V).

    counts: (B, V), how often each token was drawn, the same number of samples in every batch. student_logits,
    teacher_log_p: (V,). leave_one_out: the baseline b of a sample is the mean coefficient of its batch's others, which
    leaves the expectation as it is (Kool, van Hoof and Welling 2019); else b = 0. Raises ValueError as `expected_value`,
    and for a batch of one sample that should leave one out.
    """
    log_q, log_p = _checked(student_logits, teacher_log_p)
    drawn = checks.numbers("counts", counts)
    samples = drawn[0].sum()
    q, c = np.exp(log_q), coefficients(way, log_q, log_p)
    if not leave_one_out:
        weighted = drawn * c
        return (weighted - weighted.sum(axis=1, keepdims=True) * q) / samples
    if samples < 2:
        raise ValueError("a batch of one sample has no others whose mean could be its baseline.")
    # c_i less the mean of the others is N/(N − 1) times c_i less the mean of all; over the batch these sum to 0, so that
    # nothing is left to multiply q by.
    return drawn * (c - (drawn @ c)[:, None] / samples) / (samples - 1)


def _checked(student_logits: ArrayLike, teacher_log_p: ArrayLike) -> tuple[Floats, Floats]:
    """log q and log p as float64."""
    log_q = log_softmax(student_logits)
    log_p = checks.logits("teacher_log_p", teacher_log_p)
    if log_q.shape[-1] != log_p.shape[-1]:
        raise ValueError(
            f"the student has {log_q.shape[-1]} tokens and the teacher {log_p.shape[-1]}; both must be over the same."
        )
    checks.probabilities("exp(teacher_log_p)", np.exp(log_p))
    return log_q, log_p
