"""What can be said from a few seeds: means with their intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from kdlab.core import checks
from kdlab.core.checks import Floats


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval from `low` to `high`, over `n` values.

    With one value there is no spread to judge by: `low` and `high` are NaN.
    """

    mean: Floats
    low: Floats
    high: Floats
    n: int

    @property
    def contains_zero(self) -> bool | NDArray[np.bool_]:
        """Whether no difference is shown: zero lies in the interval, or there are fewer than two values."""
        contains = ~((self.low > 0) | (self.high < 0))  # NaN compares false, so one value contains zero
        return bool(contains) if np.ndim(contains) == 0 else contains

    def within(self, least: float, most: float | None) -> Interval:
        """The same mean, its interval cut to what its quantity can be; most: None where there is no upper end."""
        return replace(self, low=np.clip(self.low, least, most), high=np.clip(self.high, least, most))

    def turned(self) -> Interval:
        """Of b − a, where this one is of a − b."""
        return Interval(-self.mean, -self.high, -self.low, self.n)


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean over the first axis with Student's t interval: mean ± t·s/√n, n−1 degrees of freedom.

    values: (n, ...), one row a seed. The interval's parts have shape (...,); n = 1 gives low = high = NaN.
    Raises ValueError for NaN, infinity, no values, or a confidence that is not between 0 and 1.
    """
    rows = checks.logits("values", values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1, as 0.95 does.")
    n = len(rows)
    mean = rows.mean(axis=0)
    if n == 1:
        nothing = np.full_like(mean, np.nan)
        return Interval(mean, nothing, nothing, n)
    # stdtrit is t's quantile; scipy.stats would say the same but takes half a second to import.
    half = special.stdtrit(n - 1, (1 + confidence) / 2) * rows.std(axis=0, ddof=1) / np.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def share_interval(hits: int, n: int, confidence: float = 0.95) -> Interval:
    """A share of n independent trials with Wilson's score interval, which holds for few trials and near 0 and 1 too.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). Wilson 1927, JASA 22. Raises ValueError where there is no trial.
    """
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"{hits} of {n} is no share.")
    z, p = float(special.ndtri((1 + confidence) / 2)), hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(p, middle - half, middle + half, n).within(0, 1)  # rounding may lead a hair beyond


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of a − b, seed by seed, with its interval: what a seed does to both sides cancels out.

    a, b: (n, ...), row i of both from the same seed. Raises ValueError as `mean_interval`, and for unlike shapes.
    """
    first, second = checks.logits("a", a), checks.logits("b", b)
    if first.shape != second.shape:
        raise ValueError(
            f"a has shape {first.shape} and b {second.shape}; every row of a needs its row of b."
        )
    return mean_interval(first - second, confidence)


def joint_differences(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]], confidence: float = 0.95
) -> list[Interval]:
    """Paired differences that are looked at together: all intervals hold at once with at least this confidence.

    pairs: (a, b) each as for `paired_difference`, one number a seed, (n,). Each of the m intervals has the confidence
    1 − (1 − confidence)/m (Bonferroni; Dunn 1961, JASA 56, 52–64), however the differences depend on each other. A
    difference of one seed has no interval and is not counted. Holm's steps would show some differences more, but the
    intervals that go with them do not hold at once: with these, what is shown and what is printed cannot contradict.
    Raises ValueError as `paired_difference`.
    """
    judged = sum(len(np.asarray(a)) > 1 for a, _ in pairs)
    return [paired_difference(a, b, 1 - (1 - confidence) / max(judged, 1)) for a, b in pairs]
