"""From logits to probabilities and back to softer ones: softmax, temperature, entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from kdlab.core import checks
from kdlab.core.checks import Floats


def softmax(logits: ArrayLike, temperature: ArrayLike = 1.0, axis: int = -1) -> Floats:
    """Probabilities p_T = softmax(z / T).

    p_k = exp(z_k / T) / Σ_j exp(z_j / T)

    logits: (..., K), classes along `axis`. temperature: one number, or an array that broadcasts against the
    logits, so that logits (K,) with temperatures (n, 1) give (n, K). Stable for any spread of logits.
    Raises ValueError for NaN, infinity and temperatures of 0 or less. Hinton et al. 2015, arXiv 1503.02531.
    """
    scaled = _scaled(logits, temperature, axis)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=axis, keepdims=True)
    return scaled


def log_softmax(logits: ArrayLike, temperature: ArrayLike = 1.0, axis: int = -1) -> Floats:
    """Logarithms (nats) of `softmax`, finite even where the probability itself underflows to 0.

    log p_k = z_k / T − log Σ_j exp(z_j / T)

    Shapes and errors as in `softmax`.
    """
    scaled = _scaled(logits, temperature, axis)
    scaled -= np.log(np.exp(scaled).sum(axis=axis, keepdims=True))
    return scaled


def soften(probabilities: ArrayLike, temperature: ArrayLike) -> Floats:
    """Probabilities at another temperature, without the logits: softmax(log p / T) = softmax(z / T).

    probabilities: (..., K). A probability of 0 stays 0 at every temperature. temperature: as in `softmax`.
    Raises ValueError where p is negative or does not sum to 1, and for temperatures of 0 or less.
    """
    p = checks.probabilities("probabilities", probabilities)
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    log_p = log_p - log_p.max(axis=-1, keepdims=True)
    softer = np.exp(log_p / checks.temperature(temperature))
    return softer / softer.sum(axis=-1, keepdims=True)


def entropy(p: ArrayLike, base: float = 2) -> Floats:
    """How undecided a distribution is: H(p) = −Σ_k p_k·log p_k, in bits (base 2) or nats (base e).

    p: (..., K); result (...,), from 0 (certain) to log K (all classes alike).
    Raises ValueError where p is no distribution, and for a base that is not above 1.
    """
    if not base > 1:
        raise ValueError(f"base is {base}; the logarithm's base must be above 1 (2 for bits, e for nats).")
    return special.entr(checks.probabilities("p", p)).sum(axis=-1) / np.log(base)


def _scaled(logits: ArrayLike, temperature: ArrayLike, axis: int) -> Floats:
    """(z − max z) / T: the largest is 0, so no exponential overflows."""
    z = checks.logits("logits", logits)
    return (z - z.max(axis=axis, keepdims=True)) / checks.temperature(temperature)
