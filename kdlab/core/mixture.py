"""A one-hump student on a line, fitted to a teacher with two humps: what each divergence makes of it.

Teacher p(x) = a·N(x; −d/2, s²) + (1−a)·N(x; d/2, s²). Student q(x) = N(x; m, e^{2l}) with the parameters
m and l. Integrals are sums over `LINE`, densities per unit of x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from kdlab.core import checks
from kdlab.core.checks import Floats

LINE = np.linspace(-12, 12, 601)
DX = float(LINE[1] - LINE[0])
LEFT_SHARE = 0.6
HUMP_WIDTH = 0.7
START = np.array([1.5, 0.0])
"""Mean and log standard deviation of every student at the start: nearer to the smaller, right hump."""

LONGEST_STEP = 0.12
Divergence = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(log p, log q) -> (the divergence's integrand over the line, q·∂D/∂q)."""


def log_normal(mean: float, log_width: float) -> Floats:
    """log N(x; mean, e^{2·log_width}) over `LINE`."""
    return -0.5 * ((LINE - mean) * np.exp(-log_width)) ** 2 - log_width - 0.5 * np.log(2 * np.pi)


def log_teacher(distance: float) -> Floats:
    """The logarithm of the teacher's density over `LINE`; distance d between the humps, 0 to 10."""
    if not 0 <= distance <= 10:
        raise ValueError(f"distance is {distance}; the humps must be 0 to 10 apart.")
    width = np.log(HUMP_WIDTH)
    return np.logaddexp(
        np.log(LEFT_SHARE) + log_normal(-distance / 2, width),
        np.log(1 - LEFT_SHARE) + log_normal(distance / 2, width),
    )


def forward_kl_integrand(log_p: Floats, log_q: Floats) -> tuple[Floats, Floats]:
    """∫ p·log(p/q): infinite where the student has nothing and the teacher something, so it covers."""
    p = np.exp(log_p)
    return p * (log_p - log_q), -p


def reverse_kl_integrand(log_p: Floats, log_q: Floats) -> tuple[Floats, Floats]:
    """∫ q·log(q/p): costly where the teacher has nothing, so it keeps to one hump."""
    q = np.exp(log_q)
    return q * (log_q - log_p), q * (log_q - log_p + 1)


def jsd_integrand(log_p: Floats, log_q: Floats, beta: float) -> tuple[Floats, Floats]:
    """β·∫ p·log(p/M) + (1−β)·∫ q·log(q/M), M = β·p + (1−β)·q; beta strictly between 0 and 1."""
    p, q = np.exp(log_p), np.exp(log_q)
    log_m = np.logaddexp(np.log(beta) + log_p, np.log1p(-beta) + log_q)
    away = log_q - log_m
    return beta * p * (log_p - log_m) + (1 - beta) * q * away, (1 - beta) * q * away


def squared_error_integrand(log_p: Floats, log_q: Floats) -> tuple[Floats, Floats]:
    """∫ (q − p)² of the densities."""
    p, q = np.exp(log_p), np.exp(log_q)
    return (q - p) ** 2, 2 * q * (q - p)


def value(divergence: Divergence, log_p: Floats, student: Floats) -> float:
    """The divergence for a student (mean, log width); nats, for `squared_error_integrand` per unit of x."""
    return float(divergence(log_p, log_normal(*student))[0].sum() * DX)


def gradient(divergence: Divergence, log_p: Floats, student: Floats) -> Floats:
    """∂D/∂(m, l) = ∫ ∂D/∂q · q · ∂ log q/∂(m, l): (2,)."""
    mean, log_width = student
    pull = divergence(log_p, log_normal(mean, log_width))[1] * DX
    away = (LINE - mean) * np.exp(-log_width)
    return np.array([(pull * away).sum() * np.exp(-log_width), (pull * (away**2 - 1)).sum()])


def normalised_descent(divergence: Divergence, log_p: Floats, steps: int) -> tuple[Floats, Floats]:
    """Students on the way downhill and their divergences: (steps + 1, 2) and (steps + 1,).

    Each step goes along the gradient, as far as `LONGEST_STEP` or half of that, and so on, until the
    divergence falls: divergences of unlike scale keep one pace, and none ever rises.
    """
    student, length = START, LONGEST_STEP
    reached = value(divergence, log_p, student)
    path, values = [student], [reached]
    for _ in range(steps):
        down = -gradient(divergence, log_p, student)
        slope = float(np.hypot(*down))
        while slope > 0 and length > 1e-7:
            ahead = student + down * (length / slope)
            found = value(divergence, log_p, ahead)
            if found < reached:
                student, reached, length = ahead, found, min(LONGEST_STEP, 2 * length)
                break
            length /= 2
        path.append(student)
        values.append(reached)
    return np.stack(path), np.array(values)


@dataclass(frozen=True)
class Descent:
    """One divergence's student on its way: (steps + 1, 2) mean and log width; (steps + 1,) what was left."""

    students: Floats
    values: Floats


def descents(distance: float, beta: float, steps: int) -> dict[str, Descent]:
    """All four divergences from the same start. beta: strictly between 0 and 1."""
    if not 0 < checks.fraction("beta", beta) < 1:
        raise ValueError(f"beta is {beta}; at 0 and 1 the JSD is 0 for every student, so none is best.")
    log_p = log_teacher(distance)
    divergences: dict[str, Divergence] = {
        "forward_kl": forward_kl_integrand,
        "reverse_kl": reverse_kl_integrand,
        "jsd": partial(jsd_integrand, beta=beta),
        "squared_error": squared_error_integrand,
    }
    return {
        name: Descent(*normalised_descent(divergence, log_p, steps))
        for name, divergence in divergences.items()
    }


@dataclass(frozen=True)
class Fit:
    """What a student makes of the teacher, as shares from 0 to 1.

    left: its samples on the left hump's side. astray: its samples outside the teacher's densest 95 %
    (the teacher's own: .05). unsaid: the teacher's samples outside the student's densest 95 %.
    """

    left: float
    astray: float
    unsaid: float

    @property
    def covers(self) -> bool:
        """Whether at least a sixth of the student's samples lies on either side."""
        return 1 / 6 <= self.left <= 5 / 6


def fit(distance: float, student: Floats) -> Fit:
    """How a student (mean, log width) and the teacher miss each other."""
    p, q = np.exp(log_teacher(distance)) * DX, np.exp(log_normal(*student)) * DX
    mean, width = float(student[0]), float(np.exp(student[1]))
    return Fit(
        left=float(special.ndtr(-mean / width)),
        astray=float(q[~_densest(p, 0.95)].sum()),
        unsaid=float(p[np.abs(LINE - mean) > special.ndtri(0.975) * width].sum()),
    )


def _densest(mass: Floats, share: float) -> np.ndarray:
    """The fewest cells of the line that hold the share of the mass."""
    order = np.argsort(-mass, kind="stable")
    inside = np.zeros(len(mass), dtype=bool)
    inside[order[: int(np.searchsorted(np.cumsum(mass[order]), share)) + 1]] = True
    return inside


def beta_curve(distance: float, student: Floats, betas: Floats) -> Floats:
    """JSD(β) of one student at many β strictly between 0 and 1, nats: the shape of `betas`."""
    log_p, log_q = log_teacher(distance), log_normal(*student)
    rows = np.asarray(betas, dtype=np.float64)[..., None]
    return jsd_integrand(log_p, log_q, rows)[0].sum(axis=-1) * DX
