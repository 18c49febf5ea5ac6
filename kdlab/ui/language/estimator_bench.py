"""The numbers of the estimator bench: a real teacher, a student at a distance from it, and what samples make of their KL.

The teacher is SmolLM2 at one place of a text, over the 1,000 tokens whose logits come with the lab. The student's logits are
the teacher's, mixed with those that the same model gives at another place: both ends are real, and so is every step of the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from kdlab.core import checks
from kdlab.core.intervals import Interval, mean_interval
from kdlab.core.kl_estimators import (
    Estimator,
    Way,
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
from kdlab.models.logit_rows import read_logit_rows, read_logit_spectra

TEACHER_ROW, STUDENT_ROW = 21, 71
"""Queries of the stored rows, and the words that each stands after."""
TEACHER_PLACE, STUDENT_PLACE = "It is a", "this truth is"
WORDS = {
    4011: "cold",
    262: "s",
    19724: "dull",
    2872: "wild",
    3697: "German",
    588: "so",
    2743: "almost",
    1343: "known",
    260: "the",
    9388: "regarded",
}
"""The five likeliest tokens of either place, by their number in SmolLM2's vocabulary; a space stands before each."""
BATCHES = 200
_MIDDLE = (2.5, 97.5)  # percentiles
_NOTHING = 1e-12  # a gradient that short is rounding
_FORMS = {"k1": k1, "k2": k2, "k3": k3}
Target = str
REVERSE, FORWARD = "reverse", "forward"


@dataclass(frozen=True)
class Method:
    """A row of the bench: its name, whose value it has, how its gradient is taken, and whether with a baseline."""

    title: str
    short: str
    """As an axis has room for it, in two lines."""
    estimator: Estimator
    way: Way
    baseline: bool = False


METHODS = {
    "k1": Method("k1 as a loss", "k1<br>as loss", "k1", "k1"),
    "k2": Method("k2 as a loss", "k2<br>as loss", "k2", "k2"),
    "k3": Method("k3 as a loss", "k3<br>as loss", "k3", "k3"),
    "policy": Method("log-ratio as policy gradient", "policy<br>gradient", "k1", "log_ratio"),
    "baseline": Method("policy gradient with baseline", "with<br>baseline", "k1", "log_ratio", True),
}


@dataclass(frozen=True)
class Exact:
    """Over all tokens, without a sample: the two KLs in nats, the lengths of their gradients, and the cosine between these.

    teacher, student: the probabilities of the tokens in `WORDS`.
    """

    reverse_kl: float
    forward_kl: float
    lengths: dict[Target, float]
    cosine: float
    teacher: np.ndarray
    student: np.ndarray


@dataclass(frozen=True)
class Found:
    """What one method makes of it. A cosine with a gradient that is nothing is NaN.

    mean: its value over all tokens, nats. batch: the mean of the first batch's samples with its 95 % interval. held: the share of
    all batches whose interval holds the reverse KL. cosine: of the mean gradient with that of either KL; length: of the mean
    gradient. cosines, lengths: of single batches' gradients, their mean and the middle 95 %. variance: of one sample's gradient.
    """

    mean: float
    batch: Interval
    held: float
    cosine: dict[Target, float]
    length: float
    cosines: dict[Target, Interval]
    lengths: Interval
    variance: float


@dataclass(frozen=True)
class Bench:
    """Everything that is shown at one distance and number of samples."""

    distance: float
    samples: int
    exact: Exact
    found: dict[str, Found]


@cache
def _ends() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits at the teacher's place and at the other, (V,) each, and the tokens' numbers.

    In the order of what the other place adds: on the way from one to the other probability then moves along the row, and a
    random number that draws by the cumulated sum goes from a token to one alike.
    """
    rows = read_logit_rows()
    here, there = rows.logits[TEACHER_ROW], rows.logits[STUDENT_ROW]
    order = np.argsort(there - here, kind="stable")
    return here[order], there[order], rows.columns[order]


def tokens() -> int:
    """How many tokens both models choose among here."""
    return len(_ends()[2])


@cache
def vocabulary() -> int:
    """How many tokens SmolLM2 has."""
    return read_logit_spectra().vocabulary


def student_logits(distance: float) -> np.ndarray:
    """(1 − d)·z at the teacher's place + d·z at the other: (V,), its tokens in the bench's order."""
    here, there, _ = _ends()
    d = checks.fraction("distance", distance)
    return (1 - d) * here + d * there


def word_places() -> list[int]:
    """Where the tokens of `WORDS` stand among all."""
    return [int(np.flatnonzero(_ends()[2] == word)[0]) for word in WORDS]


@lru_cache(maxsize=4)
def _uniforms(samples: int) -> np.ndarray:
    """The same random numbers at every distance, so that a drag moves the samples' answers and does not throw dice anew."""
    return np.sort(np.random.default_rng(samples).random((BATCHES, samples)), axis=1)


@lru_cache(maxsize=1024)
def bench(distance: float, samples: int) -> Bench:
    """The bench at a distance from 0 to 1: some 10 ms, and nothing for those who come after."""
    z, named = student_logits(distance), word_places()
    log_q, log_p = log_softmax(z), log_softmax(_ends()[0])
    counts = sampled_counts(_uniforms(samples), softmax(z))
    reverse, forward = reverse_kl_of_logits(z, log_p), forward_kl_of_logits(z, log_p)
    targets = {REVERSE: reverse.gradient, FORWARD: forward.gradient}
    exact = Exact(
        float(reverse.value),
        float(forward.value),
        {name: _length(gradient) for name, gradient in targets.items()},
        float(_cosine(reverse.gradient[None], forward.gradient)[0]),
        np.exp(log_p)[named],
        np.exp(log_q)[named],
    )
    intervals = {name: mean_interval(_drawn(form(log_q, log_p), counts)) for name, form in _FORMS.items()}
    found = {}
    for name, method in METHODS.items():
        gradients = sampled_gradients(method.way, counts, z, log_p, method.baseline)
        baseline = exact.reverse_kl if method.baseline else 0.0
        mean_gradient = expected_gradient(method.way, z, log_p, baseline)
        drawn = intervals[method.estimator]
        found[name] = Found(
            float(expected_value(method.estimator, z, log_p)),
            Interval(drawn.mean[0], drawn.low[0], drawn.high[0], samples),
            float(((drawn.low <= exact.reverse_kl) & (exact.reverse_kl <= drawn.high)).mean()),
            {one: float(_cosine(mean_gradient[None], target)[0]) for one, target in targets.items()},
            _length(mean_gradient),
            {one: _middle(_cosine(gradients, target)) for one, target in targets.items()},
            _middle(np.linalg.norm(gradients, axis=1)),
            float(gradient_variance(method.way, z, log_p, baseline)),
        )
    return Bench(distance, samples, exact, found)


def _drawn(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The values of the drawn tokens, (N, B), from those of all, (V,), and how often each was drawn, (B, V)."""
    tokens = np.tile(np.arange(len(values)), len(counts))
    return values[np.repeat(tokens, counts.ravel().astype(int)).reshape(len(counts), -1)].T


def _length(gradient: np.ndarray) -> float:
    """‖g‖, and 0 where only rounding is left."""
    length = float(np.linalg.norm(gradient))
    return length if length > _NOTHING else 0.0


def _cosine(gradients: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Of each row with the target; NaN where either is nothing."""
    lengths = np.linalg.norm(gradients, axis=-1) * np.linalg.norm(target)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > _NOTHING, gradients @ target / lengths, np.nan)


def _middle(values: np.ndarray) -> Interval:
    """The mean of the batches and where their middle 95 % lie; NaN where a value is."""
    low, high = np.percentile(values, _MIDDLE)
    return Interval(values.mean(), low, high, len(values))
