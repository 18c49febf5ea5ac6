"""Whether a model is as sure as it is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """How far confidence and accuracy stand apart: ECE = Σ_m |B_m|/N · |accuracy(B_m) − confidence(B_m)|, 0 to 1.

    B_m: the examples whose largest probability lies in (m/bins, (m+1)/bins]. probabilities: (N, K), labels: (N,).
    Raises ValueError where a row is no distribution. Guo et al. 2017, arXiv 1706.04599.
    """
    p = checks.probabilities("probabilities", probabilities)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == np.asarray(labels)
    # A sum over a bin of (right − confidence) is its size times the gap of the two means.
    where = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(where, right - confidence, minlength=bins)).sum() / len(p))
