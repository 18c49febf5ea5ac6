"""What logits tell of the layer that makes them: the singular values of logit rows, and the width that they show.

A last layer gives K logits z = W·h from d units, W: (K, d). Where K > d, rows of logits, however many, lie in a space
of d dimensions, and from the (d + 1)th on their singular values are rounding. A bias would add one dimension.
Carlini et al. 2024, arXiv 2403.06634; Finlayson, Ren and Swayamdipta 2024, arXiv 2403.09539.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks
from kdlab.core.checks import Floats

DROP = 100
"""From one singular value to the next: what is at least as much is no longer the spread of a layer's directions, which
fall little by little, but the step down to rounding."""


def logit_singular_values(rows: ArrayLike, log_probabilities: bool = False) -> Floats:
    """Singular values of rows of logits, the largest first: (min(N, K),).

    rows: (N, K), a row a query; K may be a choice of the classes. log_probabilities: the rows are log p = z − log Σ exp z.
    What is taken from each row is another constant, which adds a dimension, the direction of all ones; so each row's
    mean is taken off, which leaves min(N, K − 1) values. The width stays, unless W makes a vector of equal logits, which
    is then not seen. Raises ValueError where rows is no table of finite numbers.
    """
    table = checks.logits("rows", rows)
    if table.ndim != 2:
        raise ValueError(f"rows has shape {table.shape}; it must be a table of queries by classes.")
    if not log_probabilities:
        return np.linalg.svd(table, compute_uv=False)
    centred = table - table.mean(axis=1, keepdims=True)
    return np.linalg.svd(centred, compute_uv=False)[: table.shape[1] - 1]


def shown_width(singular_values: ArrayLike) -> int | None:
    """How wide the layer is: the singular values above the largest drop, None while there is no drop of `DROP`.

    None means that the layer is at least as wide as there are values: too few queries, or fewer classes than units.
    singular_values: as `logit_singular_values` gives them. Raises ValueError where they do not fall, or are negative.
    """
    values = checks.numbers("singular_values", singular_values)
    if values.ndim != 1 or (np.diff(values) > 0).any() or values[-1] < 0:
        raise ValueError("singular_values must be one row of numbers from 0, the largest first.")
    if values[0] == 0:
        return None
    # Below this even exact numbers are rounding, and one of them a chance many times another.
    seen = np.maximum(values, values[0] * np.finfo(np.float64).eps * len(values))
    drops = seen[:-1] / seen[1:]
    widest = int(drops.argmax()) if len(drops) else 0
    return widest + 1 if len(drops) and drops[widest] >= DROP else None
