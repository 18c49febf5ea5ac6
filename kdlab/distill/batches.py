"""Which examples a seed's students see, and in what order: the same for every arm."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np


def draw_examples(y: np.ndarray, labels: int, transfer: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of one seed's labelled examples and of its unlabelled transfer set, as `deal` gives them."""
    return next(islice(deal(y, labels, transfer), seed, None))


def deal(y: np.ndarray, labels: int, transfer: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Labelled and transfer rows of seed 0, 1, 2, …: seeds share as few rows as the pool of N allows.

    y (N,) true classes. Labelled rows are spread as evenly over the classes as their number allows. The pool is dealt
    out like cards: no row of a class comes again before all of its class have come. What a seed draws depends on the
    seeds before it, never on how many follow. Raises ValueError when N is too small.
    """
    if labels + transfer > len(y):
        raise ValueError(f"{labels} labels and {transfer} transfer examples, but only {len(y)} examples")
    _, y = np.unique(y, return_inverse=True)
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(len(y))
    size = np.bincount(y)
    used, labelled_before = np.zeros(len(y), dtype=int), np.zeros(len(y), dtype=int)
    while True:
        # Every class lays out its rows, the least used first; the classes give in turn, the least used ones one more.
        place = _places(y, np.lexsort((shuffled, labelled_before, used)))
        worn = np.bincount(y, used) / size
        labelled = np.lexsort((shuffled, worn[y], used, place))[:labels]
        rest = np.setdiff1d(np.arange(len(y)), labelled)
        # Of the rows least used, the class with the largest part of its own left gives first, and of its rows those
        # that had a label: the others wait for one.
        own = y[rest] * (used.max() + 2) + used[rest]
        behind = _places(own, np.lexsort((shuffled[rest], labelled_before[rest])))
        share = (behind + 0.5) / size[y[rest]]
        drawn = rest[np.lexsort((shuffled[rest], -share, used[rest]))[:transfer]]
        used[labelled] += 1
        used[drawn] += 1
        labelled_before[labelled] += 1
        yield labelled, drawn


def shuffled_batches(rows: np.ndarray, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """(steps, batch) row numbers: each row once before any comes again.

    A batch is no larger than the rows there are; (steps, 0) when there are none.
    """
    size = min(batch_size, len(rows))
    rng = np.random.default_rng([seed, 2])
    passes = -(-steps * size // len(rows)) if size else 0
    stream = [rng.permutation(rows) for _ in range(passes)]
    return np.concatenate([*stream, rows[:0]])[: steps * size].reshape(steps, size)


class Overlap(NamedTuple):
    """What two seeds have in common, as a share of what one has, the mean over all pairs of seeds: 0 to 1."""

    labelled: float
    examples: float  # labelled or not


def overlap_between_seeds(y: np.ndarray, labels: int, transfer: int, seeds: int) -> Overlap:
    """How many examples the seeds of a run share, at least two seeds. Errors as in `deal`."""
    drawn = list(islice(deal(y, labels, transfer), seeds))
    pairs = seeds * (seeds - 1) / 2

    def shared(rows: list[np.ndarray]) -> float:
        times = np.bincount(np.concatenate(rows))
        return float((times * (times - 1) / 2).sum() / pairs / len(rows[0]))

    return Overlap(shared([rows for rows, _ in drawn]), shared([np.concatenate(rows) for rows in drawn]))


def _places(group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(N,) each row's place, from 0, among the rows of its group, in that order."""
    place = np.empty(len(group), dtype=int)
    for k in np.unique(group):
        members = order[group[order] == k]
        place[members] = np.arange(len(members))
    return place
