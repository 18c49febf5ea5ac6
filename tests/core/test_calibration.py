"""Calibration against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kdlab.core.calibration import expected_calibration_error


def test_a_model_that_is_right_as_often_as_it_is_sure_has_no_error() -> None:
    assert expected_calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1]) == pytest.approx(0)
    assert expected_calibration_error([[1.0, 0.0]] * 3, [0, 0, 0]) == 0


def test_the_error_is_the_mean_gap_weighted_by_the_bins_size() -> None:
    p = np.array([[0.95, 0.05], [0.96, 0.04], [0.6, 0.4]])  # two bins of 15: (14/15, 1] and (8/15, 9/15]
    expected = 2 / 3 * abs(0.5 - 0.955) + 1 / 3 * abs(1 - 0.6)
    assert expected_calibration_error(p, [0, 1, 0]) == pytest.approx(expected)


def test_errors_of_either_sign_do_not_make_up_for_each_other_across_bins() -> None:
    p = [[0.9, 0.1], [0.6, 0.4]]
    assert expected_calibration_error(p, [1, 0]) == pytest.approx((0.9 + 0.4) / 2)
    assert expected_calibration_error(p, [1, 0], bins=1) == pytest.approx(0.25)


def test_a_border_belongs_to_the_bin_below() -> None:
    p = [[0.75, 0.25], [0.76, 0.24]]
    assert expected_calibration_error(p, [0, 1], bins=4) == pytest.approx((0.25 + 0.76) / 2)


def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        expected_calibration_error([[0.7, 0.7]], [0])
