"""Which examples a seed's students see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.distill.batches import draw_examples, shuffled_batches

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


def test_another_seed_draws_other_rows() -> None:
    first, second = (set(draw_examples(Y, 20, 0, seed)[0]) for seed in (0, 1))
    assert first != second


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
