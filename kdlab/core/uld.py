"""Universal Logit Distillation: what can be compared where teacher and student have unlike vocabularies.

    ULD(p, q) = Σ_i |p_(i) − q_(i)|

with both distributions sorted from the largest probability down, the shorter one filled up with zeros. It is the Wasserstein
distance where every token costs the same: who has which probability is given up, and only the shape is left. So a teacher whose
tokens are exchanged at will has ULD 0 to itself. Boizard et al. 2024, arXiv 2402.12030.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks
from kdlab.core.checks import Floats
from kdlab.core.probability import softmax


def uld(p: ArrayLike, q: ArrayLike) -> Floats:
    """Σ |sorted p − sorted q|: (...,), from 0 to below 2.

    p: (..., V_t), q: (..., V_s), of any two lengths; the axes before the last broadcast.
    Raises ValueError where p or q is no distribution.
    """
    first, second = _sorted_alike(checks.probabilities("p", p), checks.probabilities("q", q))
    return np.abs(first - second).sum(axis=-1)


def uld_logit_gradient(p: ArrayLike, student_logits: ArrayLike) -> Floats:
    """A subgradient of ULD(p, q) in the logits of q = softmax(z): (..., V_s).

    The token of q with rank i is pushed by s_i = sign(q_(i) − p_(i)), 0 where both are equal; through the softmax that is
    q∘(s − Σ q·s). Where probabilities of q are equal the order among them, and so the subgradient, is one of several.
    p: (..., V_t), student_logits z: (..., V_s). Raises ValueError where p is no distribution and for logits that are not
    finite.
    """
    teacher, q = checks.probabilities("p", p), softmax(student_logits)
    first, second = _sorted_alike(teacher, q)
    by_rank = np.sign(second - first)[..., : q.shape[-1]]
    q = np.broadcast_to(q, by_rank.shape)
    order = np.argsort(-q, axis=-1, kind="stable")
    push = np.empty_like(by_rank)
    np.put_along_axis(push, order, by_rank, axis=-1)
    return q * (push - (q * push).sum(axis=-1, keepdims=True))


def falling(p: Floats, length: int) -> Floats:
    """Probabilities from the largest down, filled up with zeros to that length: (..., length)."""
    missing = length - p.shape[-1]
    ordered = -np.sort(-p, axis=-1)
    return np.pad(ordered, [(0, 0)] * (p.ndim - 1) + [(0, missing)])


def _sorted_alike(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    longest = max(p.shape[-1], q.shape[-1])
    return falling(p, longest), falling(q, longest)
