"""What a library's loss settings come to: its terms as numbers, and the same loss in the lab's terms.

Nearly every library adds a weighed cross-entropy and a weighed divergence of softened answers, and hides in its
parameters how. A `WeightedSum` is what is left once the parameters are read: a·CE(q, y) + b·D(p_T, q_T) + c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core.divergences import generalized_jsd
from kdlab.core.hinton import cross_entropy, forward_kl_from_logits
from kdlab.core.probability import entropy, softmax

Values = Mapping[str, float]
SMALLEST = 1e-7  # Keras's epsilon: its losses cut probabilities there


@dataclass(frozen=True)
class Parameter:
    """One of a library's own settings, by its own name.

    default: what its code gives, or where that gives none, what `default_from` names. in_loss: false where the
    loss never reads it.
    """

    name: str
    what: str
    default: float
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01
    scale: Literal["linear", "log"] = "linear"
    default_from: str = ""
    in_loss: bool = True


@dataclass(frozen=True)
class WeightedSum:
    """a·CE + b·D at a temperature, plus c.

    cross_entropy: a. soft: b, with T² and the reduction's divisor already in it. beta: how D judges, as TRL
    names it: 0 forward KL, 1 reverse KL, between them the generalised Jensen–Shannon divergence.
    entropy_too: D is −Σ p_T·log q_T, so it holds the teacher's entropy. cut: D is a KL's sum over numbers cut to
    1e-7…1, p_T and q_T, or `without_softmax` z/T, which are no probabilities. other: c, a term without logits.
    """

    cross_entropy: float
    soft: float
    temperature: float
    beta: float = 0.0
    entropy_too: bool = False
    cut: bool = False
    without_softmax: bool = False
    other: float = 0.0


@dataclass(frozen=True)
class Terms:
    """A library's loss in nats, mean over the examples: total = supervised + distillation + other.

    other: what ours does not have: the teacher's entropy, or a loss on hidden states.
    """

    supervised: float
    distillation: float
    other: float

    @property
    def total(self) -> float:
        """The loss that the library would minimise."""
        return self.supervised + self.distillation + self.other


class Translation(NamedTuple):
    """The same loss here: scale·[(1−w)·CE + w·T²·KL], where its other term plays no part."""

    temperature: float
    kd_weight: float
    scale: float


@dataclass(frozen=True)
class Convention:
    """How one library writes Hinton's loss.

    supervised, distillation, other: its terms as LaTeX, with its own parameter names; other_words: what that other
    is. citation: repository, file and version that was read. alpha: the parameter that one would take for our
    kd_weight. alpha_weighs: the one term that it weighs, None where it is neither alone; alpha_words: the table's
    words, where that term does not say it. t_squared: whether its soft term carries T². weighted_sum: (values,
    classes) → `WeightedSum`. settings: (T, w, classes) → values that give our loss up to a factor, None where none
    do. why_not: why it may have no translation.
    """

    name: str
    title: str
    parameters: tuple[Parameter, ...]
    supervised: str
    distillation: str
    citation: str
    claim: str
    t_squared: bool
    reduction: str
    tested_against: str
    weighted_sum: Callable[[Values, int], WeightedSum]
    settings: Callable[[float, float, int], dict[str, float] | None]
    other: str = ""
    other_words: str = ""
    alpha: str | None = None
    alpha_weighs: Literal["cross-entropy", "distillation"] | None = None
    alpha_words: str = ""
    why_not: str = ""

    @property
    def formula(self) -> str:
        """The whole loss, LaTeX."""
        return " + ".join(part for part in (self.supervised, self.distillation, self.other) if part)

    @property
    def what_alpha_weighs(self) -> str:
        """In words, for the table."""
        return self.alpha_words or self.alpha_weighs or ""

    def loss(
        self, student_logits: ArrayLike, teacher_logits: ArrayLike, label: ArrayLike, values: Values
    ) -> Terms:
        """Its loss by term. student_logits, teacher_logits: (..., K); label: (...) class numbers.

        Raises ValueError as `hinton_loss`.
        """
        return mix(
            self.weighted_sum(values, np.shape(student_logits)[-1]), student_logits, teacher_logits, label
        )

    def translate(self, values: Values, classes: int) -> Translation | None:
        """The temperature, kd_weight and factor that make ours this loss; None where nothing does."""
        return in_our_terms(self.weighted_sum(values, classes))


def mix(
    weighted: WeightedSum, student_logits: ArrayLike, teacher_logits: ArrayLike, label: ArrayLike
) -> Terms:
    """The terms of the sum on examples. Shapes and errors as in `hinton_loss`; result in nats, mean over examples."""
    t = weighted.temperature
    ce = cross_entropy(student_logits, label).mean()
    p, q = softmax(teacher_logits, t), softmax(student_logits, t)
    # The two ends from logits: a probability that underflows to 0 would make a KL infinite.
    if weighted.beta == 0:
        divergence = forward_kl_from_logits(teacher_logits, student_logits, t).mean()
    elif weighted.beta == 1:
        divergence = forward_kl_from_logits(student_logits, teacher_logits, t).mean()
    else:
        divergence = generalized_jsd(p, q, weighted.beta).mean()
    other = weighted.other
    if weighted.entropy_too:
        other += weighted.soft * entropy(p, base=np.e).mean()
    if weighted.without_softmax:
        p, q = (np.asarray(z, dtype=np.float64) / t for z in (teacher_logits, student_logits))
    if weighted.cut:
        p, q = np.clip(p, SMALLEST, 1), np.clip(q, SMALLEST, 1)
        divergence = (p * np.log(p / q)).sum(axis=-1).mean()
    return Terms(float(weighted.cross_entropy * ce), float(weighted.soft * divergence), float(other))


def in_our_terms(weighted: WeightedSum) -> Translation | None:
    """a·CE + b·KL = (a + b/T²)·[(1−w)·CE + w·T²·KL] with w = (b/T²)/(a + b/T²); None for another divergence.

    Where the sum cuts probabilities, they are the same only as far as nothing is cut.
    """
    soft = weighted.soft / weighted.temperature**2
    scale = weighted.cross_entropy + soft
    another = weighted.beta != 0 or weighted.without_softmax
    if (another and weighted.soft != 0) or scale <= 0:
        return None
    return Translation(weighted.temperature, soft / scale, scale)
