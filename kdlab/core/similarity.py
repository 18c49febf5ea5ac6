"""What a teacher finds alike: the mean soft target of each true class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks
from kdlab.core.checks import Floats


def class_similarity(soft_targets: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean soft target by true class: S[i, j] = mean of p_j over the examples whose label is i.

    soft_targets: (N, K). labels: (N,) class numbers. Result (K, K); each row sums to 1, a class without
    examples has a row of NaN. Raises ValueError for soft targets that are no distributions, labels that are
    no class, or unlike lengths.
    """
    p = checks.probabilities("soft_targets", soft_targets)
    if p.ndim != 2:
        raise ValueError(f"soft_targets has shape {p.shape}; it must be a table of examples by classes.")
    y = checks.class_labels("labels", labels, p.shape[1])
    if y.shape != p.shape[:1]:
        raise ValueError(
            f"labels has shape {y.shape}; there must be one label for each of {len(p)} examples."
        )
    belongs = (y == np.arange(p.shape[1])[:, None]).astype(np.float64)  # (K, N)
    with np.errstate(invalid="ignore"):
        return belongs @ p / belongs.sum(axis=1, keepdims=True)
