"""Two token sequences over the same bytes, aligned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.core.byte_alignment import align, align_pieces


@st.composite
def two_cuts(draw):
    """One text cut twice into pieces."""
    text = draw(st.binary(min_size=1, max_size=30))
    cuts = [sorted(draw(st.sets(st.integers(1, len(text)), max_size=len(text))) | {len(text)}) for _ in "ab"]
    return text, *([text[a:b] for a, b in zip([0, *cut], cut, strict=False)] for cut in cuts)


@given(two_cuts())
def test_groups_say_the_same_bytes_cover_the_text_and_cannot_be_split_further(cut):
    text, first, second = cut
    aligned = align_pieces(first, second)
    assert aligned.ends[-1] == len(text)
    start = (0, 0)
    for end, one, other in zip(aligned.ends, aligned.first_last, aligned.second_last, strict=True):
        groups = first[start[0] : one + 1], second[start[1] : other + 1]
        said = [b"".join(group) for group in groups]
        assert said[0] == said[1] != b""
        assert b"".join(first[: one + 1]) == text[:end]
        inner = [set(np.cumsum([len(piece) for piece in group])[:-1].tolist()) for group in groups]
        assert not inner[0] & inner[1]
        start = (one + 1, other + 1)


def test_a_sequence_is_aligned_with_itself_token_by_token():
    aligned = align([3, 1, 4, 1], [3, 1, 4, 1])
    np.testing.assert_array_equal(aligned.first_last, range(4))
    np.testing.assert_array_equal(aligned.second_last, range(4))
    np.testing.assert_array_equal(aligned.ends, [3, 4, 8, 9])


def test_tokens_may_end_within_a_letter():
    letter = "é".encode()
    aligned = align_pieces([b"caf", letter[:1], letter[1:], b"s"], [b"ca", b"f" + letter[:1], letter[1:] + b"s"])
    np.testing.assert_array_equal(aligned.ends, [4, 6])
    np.testing.assert_array_equal(aligned.first_last, [1, 3])
    np.testing.assert_array_equal(aligned.second_last, [1, 2])
    assert len(aligned) == 2


def test_tokens_without_bytes_are_in_no_group_and_are_never_a_group_s_last():
    aligned = align([0, 2, 0, 2, 0], [4, 0])
    np.testing.assert_array_equal(aligned.ends, [4])
    np.testing.assert_array_equal(aligned.first_last, [3])
    np.testing.assert_array_equal(aligned.second_last, [0])


def test_what_one_sequence_says_beyond_the_other_is_in_no_group():
    aligned = align([2, 2, 2], [2, 3])
    np.testing.assert_array_equal(aligned.ends, [2])
    assert len(align([2], [3])) == 0
    assert len(align([], [3])) == 0


def test_unlike_texts_are_refused_with_the_byte_where_they_part():
    with pytest.raises(ValueError, match="from byte 3 on"):
        align_pieces([b"ab", b"cd"], [b"abcx"])


@pytest.mark.parametrize("lengths", [[1.5], [-1], [[1, 2]], [float("nan")]])
def test_what_are_no_lengths_is_refused(lengths):
    with pytest.raises(ValueError, match="first_lengths"):
        align(lengths, [1])
