"""The width of a layer, from singular values of the logits that it gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.core.logit_rank import DROP, logit_singular_values, shown_width
from kdlab.core.probability import log_softmax


def logits_of_a_layer(queries: int, width: int, classes: int, rounding: float = 0.0, seed: int = 0) -> np.ndarray:
    """Random hidden states times random weights, rounded to steps."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(queries, width)) @ rng.normal(size=(width, classes))
    return np.round(z / rounding) * rounding if rounding else z


@given(st.integers(1, 12), st.integers(3, 20), st.integers(3, 20), st.sampled_from([0.0, 1e-7]), st.integers(0, 99))
def test_logits_and_log_probabilities_both_show_the_width(width, more_queries, more_classes, rounding, seed):
    z = logits_of_a_layer(width + more_queries, width, width + more_classes, rounding, seed)
    assert shown_width(logit_singular_values(z)) == width
    assert shown_width(logit_singular_values(log_softmax(z), log_probabilities=True)) == width
    assert shown_width(logit_singular_values(z, log_probabilities=True)) == width


def test_log_probabilities_show_one_unit_too_many_where_they_are_taken_for_logits():
    z = logits_of_a_layer(queries=40, width=9, classes=30)
    assert shown_width(logit_singular_values(log_softmax(z))) == 10


@pytest.mark.parametrize("log_probabilities", [False, True])
@pytest.mark.parametrize(("queries", "classes"), [(5, 40), (9, 40), (40, 5), (40, 9)])
def test_fewer_queries_or_classes_than_units_show_no_width(queries, classes, log_probabilities):
    z = logits_of_a_layer(queries, 9, classes)
    values = logit_singular_values(z, log_probabilities)
    assert len(values) == min(queries, classes - log_probabilities)
    assert shown_width(values) is None


def test_the_mean_of_each_row_leaves_no_value_that_is_only_its_rounding():
    """Ten centred classes lie in nine dimensions: the tenth value is no drop of the teacher's."""
    z = log_softmax(logits_of_a_layer(queries=50, width=128, classes=10))
    assert shown_width(np.linalg.svd(z - z.mean(axis=1, keepdims=True), compute_uv=False)) == 9
    assert shown_width(logit_singular_values(z, log_probabilities=True)) is None


def test_rounding_as_large_as_the_smallest_direction_hides_the_width():
    z = logits_of_a_layer(queries=60, width=9, classes=40)
    assert shown_width(logit_singular_values(np.round(z))) is None


@pytest.mark.parametrize(
    ("values", "width"),
    [
        ([7, 5, 3, 3 / DROP], 3),
        ([7, 5, 3, 3 / DROP * 1.01], None),
        ([7, 5, 0.01, 1e-9], 3),
        ([7, 5, 0, 0], 2),
        ([7, 5, 1e-15, 1e-300], 2),
        ([7], None),
        ([0, 0], None),
    ],
)
def test_the_largest_drop_of_at_least_a_hundredfold_is_the_width(values, width):
    assert shown_width(values) == width


@pytest.mark.parametrize(
    ("values", "says"), [([1, 2], "largest first"), ([2, -1], "from 0"), ([[2, 1]], "one row"), ([], "empty")]
)
def test_what_are_no_singular_values_is_refused(values, says):
    with pytest.raises(ValueError, match=says):
        shown_width(values)


@pytest.mark.parametrize(("rows", "says"), [([1, 2], "table of queries"), ([[1, np.nan]], "NaN"), ([[]], "empty")])
def test_what_is_no_table_is_refused(rows, says):
    with pytest.raises(ValueError, match=says):
        logit_singular_values(rows)
