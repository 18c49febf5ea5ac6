"""Hinton's loss over the triangle of three-class distributions: its surface, its optimum, a descent on it.

L(q) = (1−w)·CE(q, y) + w·T²·KL(p_T‖q_T), with z_s = log q. Hinton, Vinyals, Dean 2015, arXiv 1503.02531.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks
from kdlab.core.checks import Floats
from kdlab.core.hinton import hinton_loss, logit_gradients
from kdlab.core.probability import softmax

HEIGHT = float(np.sqrt(3) / 2)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, HEIGHT]])
"""Where the three classes lie in the plane: left, right, top. (3, 2)"""

NEWTON_STEPS = 200
FLAT = 1e-11


def to_plane(p: ArrayLike) -> Floats:
    """A distribution's place in the triangle, Σ_k p_k·corner_k. p: (..., 3); result (..., 2)."""
    return np.asarray(p, dtype=np.float64) @ CORNERS


def from_plane(points: ArrayLike) -> Floats:
    """The three shares that belong to a place in the plane; outside the triangle one of them is negative.

    points: (..., 2); result (..., 3), summing to 1. The inverse of `to_plane`.
    """
    x, y = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    top = y / HEIGHT
    right = x - top / 2
    return np.stack([1 - right - top, right, top], axis=-1)


def loss_at(
    q: ArrayLike,
    teacher_logits: ArrayLike,
    label: int,
    temperature: float,
    kd_weight: float,
    t_squared: bool = True,
) -> Floats:
    """The loss of a student that says q at T = 1, in nats. q: (..., K), all above 0; result (...,).

    Raises ValueError where a share is 0 (the loss is infinite there) and as `hinton_loss`.
    """
    with np.errstate(divide="ignore"):
        z_s = np.log(checks.probabilities("q", q))
    z_t = np.broadcast_to(checks.logits("teacher_logits", teacher_logits), z_s.shape)
    return hinton_loss(z_s, z_t, label, temperature, kd_weight, t_squared).total


def optimum(
    teacher_logits: ArrayLike, label: int, temperature: float, kd_weight: float, t_squared: bool = True
) -> Floats:
    """The distribution at which the loss is least, by Newton's method on the convex loss of the logits: (K,).

    (1−w)·(q − y) + w·T·(q_T − p_T) = 0.  At w = 1 it is the teacher's softmax(z_t), whatever T is; as w
    goes to 0 it goes to the hard label, where it is at w = 0. Raises ValueError as `hinton_loss`.
    """
    z_t = checks.logits("teacher_logits", teacher_logits)
    hinton_loss(z_t, z_t, label, temperature, kd_weight)  # refuses what is no temperature, weight or label
    if kd_weight == 0:
        return np.eye(len(z_t))[label]
    setting = (z_t, label, temperature, kd_weight, t_squared)
    z = z_t - z_t.mean()
    loss = hinton_loss(z, *setting).total
    for _ in range(NEWTON_STEPS):
        gradient = logit_gradients(z, *setting).total
        if np.abs(gradient).max() < FLAT:
            break
        step = np.linalg.solve(_curvature(z, temperature, kd_weight, t_squared), gradient)
        # Far from the optimum the curvature says too little: no step longer than 2, halved until it helps.
        step /= max(1.0, np.abs(step).max() / 2)
        for _ in range(40):
            ahead = hinton_loss(z - step, *setting).total
            if ahead <= loss + 1e-14:
                break
            step = step / 2
        z, loss = z - step, ahead
    return softmax(z)


def _curvature(z: Floats, temperature: float, kd_weight: float, t_squared: bool) -> Floats:
    """The loss's Hessian in the logits. Adding a constant to all logits changes nothing: + 1/K there."""
    scale = kd_weight if t_squared else kd_weight / temperature**2
    q, q_t = softmax(z), softmax(z, temperature)
    spread = (1 - kd_weight) * (np.diag(q) - np.outer(q, q)) + scale * (np.diag(q_t) - np.outer(q_t, q_t))
    return spread + 1 / len(z) + 1e-12 * np.eye(len(z))


def gradient_descent(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    label: int,
    temperature: float,
    kd_weight: float,
    t_squared: bool = True,
    *,
    steps: int = 60,
    learning_rate: float = 1.0,
) -> Floats:
    """The logits on the way of plain gradient descent, z ← z − η·∂L/∂z: (steps + 1, K), the start first.

    The loss never rises while η ≤ 4 / ((1−w) + w·c) with c = 1, or 1/T² without the factor T²: a softmax's
    curvature is at most ½. So η = 1 is safe for every w at T ≥ ½. Raises ValueError as `hinton_loss`.
    """
    z = checks.logits("student_logits", student_logits)
    path = [z]
    for _ in range(steps):
        gradient = logit_gradients(z, teacher_logits, label, temperature, kd_weight, t_squared).total
        z = z - learning_rate * gradient
        path.append(z)
    return np.stack(path)
