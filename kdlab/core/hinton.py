"""Hinton's distillation loss and its gradient, term by term.

L = (1−w)·CE(q, y) + w·T²·KL(p_T‖q_T), with p_T = softmax(z_t/T), q_T = softmax(z_s/T), q = q_1.
Hinton, Vinyals, Dean 2015, arXiv 1503.02531.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core import checks
from kdlab.core.checks import Floats
from kdlab.core.probability import log_softmax, softmax


@dataclass(frozen=True)
class HintonTerms:
    """Weighted contributions to the loss, in nats: total = supervised + distillation.

    supervised: (1−w)·CE(q, y). distillation: w·T²·KL(p_T‖q_T). Each has shape (...,): one value an example;
    a batch's loss is their mean.
    """

    supervised: Floats
    distillation: Floats
    total: Floats


@dataclass(frozen=True)
class LogitGradients:
    """Weighted contributions to ∂L/∂z_s, each of shape (..., K): total = supervised + distillation.

    supervised: (1−w)·(q − y). distillation: w·T²·(q_T − p_T)/T. Each example's own gradient, not yet
    divided by the number of examples.
    """

    supervised: Floats
    distillation: Floats
    total: Floats


def cross_entropy(logits: ArrayLike, label: ArrayLike) -> Floats:
    """The supervised term before its weight: CE(q, y) = −log q_y with q = softmax(z), of each example.

    logits z: (..., K). label y: class numbers (...,), or one for all. Result (...,) in nats, never negative;
    finite for every finite logit, for it works on logarithms.
    Raises ValueError for NaN, infinity, labels that are no class, unlike shapes.
    """
    z = checks.logits("logits", logits)
    return _cross_entropy(z, _labels(label, z))


def forward_kl_from_logits(
    teacher_logits: ArrayLike, student_logits: ArrayLike, temperature: float = 1.0
) -> Floats:
    """The distillation term before its weight: KL(p_T‖q_T) = Σ_k p_k·(log p_k − log q_k), of each example.

    p_T = softmax(z_t/T), q_T = softmax(z_s/T); the reverse KL has the two logits exchanged. Logits: (..., K).
    Result (...,) in nats, never negative. It is `divergences.forward_kl` of both softmaxes, but finite where
    their probabilities underflow to 0. Raises ValueError for NaN, infinity, T ≤ 0, unlike shapes.
    Hinton et al. 2015, arXiv 1503.02531.
    """
    z_s, z_t = _both_logits(student_logits, teacher_logits, temperature)
    return _forward_kl(z_t, z_s, temperature)


def hinton_loss(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    label: ArrayLike,
    temperature: float,
    kd_weight: float,
    t_squared: bool = True,
) -> HintonTerms:
    """Loss (1−w)·CE(q, y) + w·T²·KL(p_T‖q_T) of each example, by term; T² is 1 if not `t_squared`.

    student_logits, teacher_logits: (..., K). label: class numbers (...,). kd_weight w: 0 to 1.
    Finite for logits of ±1e4 at T = 0.05: it works on logarithms, never on probabilities that underflow.
    Raises ValueError for NaN, infinity, T ≤ 0, w outside 0 to 1, labels that are no class, unlike shapes.
    """
    z_s, z_t, y = _checked(student_logits, teacher_logits, label, temperature)
    w = checks.fraction("kd_weight", kd_weight)
    supervised = (1 - w) * _cross_entropy(z_s, y)
    distillation = w * _scale(temperature, t_squared) * _forward_kl(z_t, z_s, temperature)
    return HintonTerms(supervised, distillation, supervised + distillation)


def logit_gradients(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    label: ArrayLike,
    temperature: float,
    kd_weight: float,
    t_squared: bool = True,
) -> LogitGradients:
    """Gradient of `hinton_loss` in the student's logits, by term, weights included.

    (1−w)·(q − y)  and  w·T²·(q_T − p_T)/T; for high T and centred logits the second tends to
    w·(z_s − z_t)/K, whatever T is: that is what T² is for. Shapes and errors as in `hinton_loss`.
    """
    z_s, z_t, y = _checked(student_logits, teacher_logits, label, temperature)
    w = checks.fraction("kd_weight", kd_weight)
    off_label = softmax(z_s)
    np.put_along_axis(
        off_label, y[..., None], np.take_along_axis(off_label, y[..., None], axis=-1) - 1, axis=-1
    )
    supervised = (1 - w) * off_label
    soft_gap = softmax(z_s, temperature) - softmax(z_t, temperature)
    distillation = w * _scale(temperature, t_squared) / temperature * soft_gap
    return LogitGradients(supervised, distillation, supervised + distillation)


def _scale(temperature: float, t_squared: bool) -> float:
    return float(temperature) ** 2 if t_squared else 1.0


def _cross_entropy(z: Floats, y: NDArray[np.int64]) -> Floats:
    return -np.take_along_axis(log_softmax(z), y[..., None], axis=-1)[..., 0]


def _forward_kl(z_t: Floats, z_s: Floats, temperature: float) -> Floats:
    log_p, log_q = log_softmax(z_t, temperature), log_softmax(z_s, temperature)
    kl = (np.exp(log_p) * (log_p - log_q)).sum(axis=-1)
    return np.maximum(kl, 0.0)  # rounding can leave −1e-17 where the two agree


def _checked(
    student_logits: ArrayLike, teacher_logits: ArrayLike, label: ArrayLike, temperature: float
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    z_s, z_t = _both_logits(student_logits, teacher_logits, temperature)
    return z_s, z_t, _labels(label, z_s)


def _both_logits(
    student_logits: ArrayLike, teacher_logits: ArrayLike, temperature: float
) -> tuple[Floats, Floats]:
    z_s = checks.logits("student_logits", student_logits)
    z_t = checks.logits("teacher_logits", teacher_logits)
    if z_s.shape != z_t.shape:
        raise ValueError(
            f"student_logits has shape {z_s.shape} and teacher_logits {z_t.shape}; "
            "student and teacher must score the same examples over the same classes."
        )
    if checks.temperature(temperature).ndim:
        raise ValueError("temperature must be one number here, the same for every example.")
    return z_s, z_t


def _labels(label: ArrayLike, z: Floats) -> NDArray[np.int64]:
    y = checks.class_labels("label", label, z.shape[-1])
    if y.ndim and y.shape != z.shape[:-1]:
        raise ValueError(f"label has shape {y.shape}; there must be one label for each of {z.shape[:-1]}.")
    return np.broadcast_to(y, z.shape[:-1])
