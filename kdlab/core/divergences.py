"""How far one distribution is from another. All in nats, over the last axis, broadcasting the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from kdlab.core import checks
from kdlab.core.checks import Floats


def forward_kl(p: ArrayLike, q: ArrayLike) -> Floats:
    """KL(p‖q) = Σ_k p_k·log(p_k / q_k): the teacher p judges, so the student q must cover all that p does.

    p, q: (..., K). Result (...,) in nats, never negative; infinite where q has 0 and p has not.
    Raises ValueError where p or q is no distribution, or their classes do not match.
    """
    p, q = _pair(p, q)
    return _kl(p, q)


def reverse_kl(p: ArrayLike, q: ArrayLike) -> Floats:
    """KL(q‖p) = Σ_k q_k·log(q_k / p_k): the student q judges, so it may keep to a part of what p does.

    Shapes, units and errors as in `forward_kl`. Gu et al. 2024 (MiniLLM), arXiv 2306.08543.
    """
    p, q = _pair(p, q)
    return _kl(q, p)


def generalized_jsd(p: ArrayLike, q: ArrayLike, beta: float) -> Floats:
    """Generalised Jensen–Shannon divergence: β·KL(p‖M) + (1−β)·KL(q‖M) with M = β·p + (1−β)·q.

    p, q: (..., K). beta: from 0 to 1; 0.5 is the symmetric form. Result (...,) in nats, from 0 to log 2.
    At β → 0 and β → 1 it goes to 0; divided by β·(1−β) it goes to KL(p‖q) and KL(q‖p) instead.
    Raises ValueError as `forward_kl`, and for beta outside 0 to 1. Agarwal et al. 2024, arXiv 2306.13649.
    """
    p, q = _pair(p, q)
    beta = checks.fraction("beta", beta)
    middle = beta * p + (1 - beta) * q
    # At the ends the middle is one of the two and may lack the other's classes: 0·∞ there means 0.
    from_p = beta * _kl(p, middle) if beta > 0 else 0.0
    from_q = (1 - beta) * _kl(q, middle) if beta < 1 else 0.0
    return from_p + from_q


def _kl(p: Floats, q: Floats) -> Floats:
    # Σ p·log(p/q) − p + q is the same sum for distributions, and stays near 0 for equal ones that sum to
    # 1.00001; what rounding leaves below 0 (−1e-16) is cut off.
    return np.maximum(special.kl_div(p, q).sum(axis=-1), 0.0)


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    p, q = checks.probabilities("p", p), checks.probabilities("q", q)
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"p has {p.shape[-1]} classes and q has {q.shape[-1]}; both must be over the same classes."
        )
    return p, q
