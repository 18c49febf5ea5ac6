"""What live bars accept from a link and from the browser, and what they write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.ui.widgets.live_bars import LIMIT, bar_limit, moves_between, read_moves, written

START = np.array([8.613, -0.25, 0.0])
values = st.lists(st.one_of(st.none(), st.floats(-LIMIT, LIMIT)), min_size=3, max_size=3)


@given(values)
def test_what_is_written_is_read_again(given_values):
    moved = [z if v is None else v for z, v in zip(START.tolist(), given_values, strict=True)]
    moves = moves_between(START, moved, LIMIT)
    text = written(moves)
    if text is None:
        assert moved == START.tolist()
    else:
        assert read_moves(text, 3, LIMIT) == (moves, False)
        assert len(text) <= 3 * 5 + 2


def test_bars_as_they_came_leave_no_trace_in_the_link():
    assert written(moves_between(START, START.tolist(), LIMIT)) is None
    assert written(None) is None


def test_only_moved_bars_are_written_and_rounded():
    assert written(moves_between(START, [8.613, 3.14159, -0.04], LIMIT)) == "_3.1_0"


@pytest.mark.parametrize(
    "text", ["", "1_2", "1_2_3_4", "a_b_c", "nan__", "1_nan_2", "1,2", "_" * 5000, "9" * 5000]
)
def test_a_link_that_does_not_fit_is_refused(text):
    assert read_moves(text, 3, LIMIT) is None


@pytest.mark.parametrize("text", ["13__", "1e999__", "-1e9__1"])
def test_huge_values_are_cut_to_the_limit(text):
    moves, cut = read_moves(text, 3, LIMIT)
    assert cut
    assert abs(moves[0]) == LIMIT


def test_the_limit_never_cuts_a_real_logit():
    assert bar_limit(START, np.zeros(3)) == LIMIT
    assert bar_limit(np.array([20.3, -1.0]), np.zeros(2)) == 21
