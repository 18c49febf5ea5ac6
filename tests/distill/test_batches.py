"""Which examples a seed's students see."""

from __future__ import annotations

from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.data.registry import get_dataset
from kdlab.distill.batches import deal, draw_examples, overlap_between_seeds, shuffled_batches

Y = np.random.default_rng(7).permutation(np.repeat(np.arange(5), 40))


@given(labels=st.integers(1, 100), transfer=st.integers(0, 100), seed=st.integers(0, 50))
def test_labelled_and_transfer_rows_are_disjoint_and_classes_even(
    labels: int, transfer: int, seed: int
) -> None:
    labelled, unlabelled = draw_examples(Y, labels, transfer, seed)
    assert len(labelled) == labels
    assert len(unlabelled) == transfer
    assert len(set(labelled) | set(unlabelled)) == labels + transfer
    counts = np.bincount(Y[labelled], minlength=5)
    assert counts.max() - counts.min() <= 1


def times_drawn(y: np.ndarray, labels: int, transfer: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each row is labelled, and how often it is drawn at all."""
    labelled, drawn = np.zeros(len(y), dtype=int), np.zeros(len(y), dtype=int)
    for known, unknown in islice(deal(y, labels, transfer), seeds):
        labelled[known] += 1
        drawn[np.concatenate([known, unknown])] += 1
    return labelled, drawn


def shared_pairs(times: np.ndarray) -> int:
    """In how many pairs of seeds a row is met twice, over all rows."""
    return int((times * (times - 1) // 2).sum())


def fewest_shared_pairs(times: np.ndarray) -> int:
    """The fewest possible for as many draws: every row as often as any other, or once more."""
    often, rest = divmod(times.sum(), len(times))
    return shared_pairs(np.repeat([often, often + 1], [len(times) - rest, rest]))


@given(labels=st.integers(1, 20), transfer=st.integers(0, 20), seeds=st.integers(1, 10))
def test_seeds_share_as_few_rows_as_the_pool_allows(labels: int, transfer: int, seeds: int) -> None:
    _, drawn = times_drawn(Y, 5 * labels, 5 * transfer, seeds)
    assert shared_pairs(drawn) == fewest_shared_pairs(drawn)


@pytest.mark.parametrize(
    ("dataset", "labels", "transfer"),
    [
        ("fashion", 200, 500),
        ("fashion", 1000, 2000),
        ("digits", 50, 300),
        ("digits", 100, 500),
        ("languages", 160, 800),
        ("glosses", 200, 2000),
    ],
)
@pytest.mark.parametrize("seeds", [2, 5, 10])
def test_seeds_of_the_labs_runs_share_as_few_examples_and_labels_as_possible(
    dataset: str, labels: int, transfer: int, seeds: int
) -> None:
    labelled, drawn = times_drawn(get_dataset(dataset).load().y_train, labels, transfer, seeds)
    assert shared_pairs(labelled) == fewest_shared_pairs(labelled)
    assert shared_pairs(drawn) == fewest_shared_pairs(drawn)


@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    share=st.floats(0, 1),
    labelled=st.floats(0, 1),
    seeds=st.integers(1, 6),
)
def test_no_row_of_a_class_comes_again_before_all_have_come(
    sizes: list[int], share: float, labelled: float, seeds: int
) -> None:
    y = np.random.default_rng(3).permutation(np.repeat(np.arange(len(sizes)), sizes))
    drawn = max(1, round(share * len(y)))
    labels = round(labelled * drawn)
    _, times = times_drawn(y, labels, drawn - labels, seeds)
    assert all(np.ptp(times[y == k]) <= 1 for k in np.unique(y))


def test_a_seed_draws_the_same_rows_however_many_follow_it() -> None:
    for seed, dealt in enumerate(islice(deal(Y, 30, 60), 4)):
        again = draw_examples(Y, 30, 60, seed)
        assert all(np.array_equal(one, other) for one, other in zip(dealt, again, strict=True))


@given(labels=st.integers(1, 100), transfer=st.integers(0, 100), seeds=st.integers(2, 6))
def test_overlap_is_what_pairs_of_seeds_share_on_average(labels: int, transfer: int, seeds: int) -> None:
    drawn = [draw_examples(Y, labels, transfer, seed) for seed in range(seeds)]
    pairs = list(combinations(range(seeds), 2))
    overlap = overlap_between_seeds(Y, labels, transfer, seeds)
    known = [len(set(drawn[a][0]) & set(drawn[b][0])) / labels for a, b in pairs]
    every = [set(np.concatenate(rows)) for rows in drawn]
    met = [len(every[a] & every[b]) / (labels + transfer) for a, b in pairs]
    assert overlap.labelled == pytest.approx(np.mean(known))
    assert overlap.examples == pytest.approx(np.mean(met))


def test_a_seed_that_needs_the_whole_pool_shares_all_of_it() -> None:
    assert overlap_between_seeds(Y, 200, 0, 3) == (1, 1)
    assert overlap_between_seeds(Y, 20, 80, 2) == (0, 0)


def test_more_examples_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="only 200 examples"):
        draw_examples(Y, 100, 101, 0)


@given(rows=st.integers(1, 70), size=st.integers(1, 40), steps=st.integers(1, 30))
def test_every_row_comes_before_any_comes_again(rows: int, size: int, steps: int) -> None:
    batches = shuffled_batches(np.arange(100, 100 + rows), size, steps, seed=3)
    assert batches.shape == (steps, min(size, rows))
    stream = batches.ravel()
    for start in range(0, len(stream) - rows + 1, rows):
        assert len(set(stream[start : start + rows])) == rows


def test_no_rows_give_empty_batches() -> None:
    assert shuffled_batches(np.arange(0), 8, 5, seed=0).shape == (5, 0)
