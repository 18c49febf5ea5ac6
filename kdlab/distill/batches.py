"""Which examples a seed's students see, and in what order: the same for every arm."""

from __future__ import annotations

import numpy as np


def draw_examples(y: np.ndarray, labels: int, transfer: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the labelled examples and of the unlabelled transfer set.

    y (N,) true classes. Labelled rows are spread as evenly over the classes as their number
    allows; transfer rows are drawn from what is left. Raises ValueError when N is too small.
    """
    if labels + transfer > len(y):
        raise ValueError(f"{labels} labels and {transfer} transfer examples, but only {len(y)} examples")
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(y))
    # Rank within its own class: taking the lowest ranks first deals the classes out like cards.
    rank = np.empty(len(y), dtype=np.int64)
    for k in np.unique(y):
        members = order[y[order] == k]
        rank[members] = np.arange(len(members))
    dealt = order[np.argsort(rank[order], kind="stable")]
    return dealt[:labels], rng.permutation(dealt[labels:])[:transfer]


def shuffled_batches(rows: np.ndarray, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """(steps, batch) row numbers: each row once before any comes again.

    A batch is no larger than the rows there are; (steps, 0) when there are none.
    """
    size = min(batch_size, len(rows))
    rng = np.random.default_rng([seed, 2])
    passes = -(-steps * size // len(rows)) if size else 0
    stream = [rng.permutation(rows) for _ in range(passes)]
    return np.concatenate([*stream, rows[:0]])[: steps * size].reshape(steps, size)
