"""The class-by-class map of mean soft targets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kdlab.core.probability import softmax
from kdlab.core.similarity import class_similarity


@given(st.integers(1, 30), st.integers(2, 6), st.data())
def test_map_agrees_with_a_group_by(n, k, data):
    soft_targets = softmax(data.draw(hnp.arrays(np.float64, (n, k), elements=st.floats(-9, 9))))
    labels = data.draw(hnp.arrays(np.int64, (n,), elements=st.integers(0, k - 1)))
    expected = pd.DataFrame(soft_targets).groupby(labels).mean().reindex(range(k)).to_numpy()
    np.testing.assert_allclose(class_similarity(soft_targets, labels), expected, rtol=1e-9)


def test_class_without_examples_has_an_empty_row_and_others_sum_to_one():
    similarity = class_similarity([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]], [0, 0])
    np.testing.assert_allclose(similarity[0], [0.6, 0.3, 0.1])
    assert np.isnan(similarity[1:]).all()


@pytest.mark.parametrize(
    ("soft_targets", "labels", "says"),
    [
        ([[0.7, 0.2]], [0], "soft_targets sums to 0.9"),
        ([0.7, 0.3], [0], "must be a table"),
        ([[0.7, 0.3]], [2], "labels holds 2; it must be a class number from 0 to 1"),
        ([[0.7, 0.3]], [0, 1], "one label for each of 1 examples"),
    ],
)
def test_bad_input_is_refused_by_name_and_reason(soft_targets, labels, says):
    with pytest.raises(ValueError, match=says):
        class_similarity(soft_targets, labels)
