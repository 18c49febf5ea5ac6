"""Two tokenizers of one text, side by side: where tokens of both end at the same byte.

Between two such places stand groups of tokens that say the same bytes, one or several of either. What a model says of the
next token can be compared there alone, and of a group its distribution is the one at its last position: it is conditioned on
the group's earlier tokens as they stand, for every token of the vocabulary (trl#5152, mended in trl#5905). Bytes are counted,
not letters: a token may end in the middle of a letter (trl#5885).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core import checks

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Alignment:
    """The G places where tokens of both sequences end at the same byte.

    ends: (G,), how many bytes stand before each. first_last, second_last: (G,), in either sequence the position of the
    group's last token. Group g has the positions after those of group g − 1, up to these; a token without bytes among them
    belongs to no group.
    """

    ends: Positions
    first_last: Positions
    second_last: Positions

    def __len__(self) -> int:
        return len(self.ends)


def align(first_lengths: ArrayLike, second_lengths: ArrayLike) -> Alignment:
    """Aligns two sequences that say the same bytes, by the lengths of their tokens in bytes: (L,) and (M,).

    One may say more than the other: what follows the last common end is in no group. A token without bytes, as the end of a
    text is, has nothing to be aligned by and is passed over. Raises ValueError for lengths that are no whole numbers from 0.
    """
    first_ends, first_at = _ends("first_lengths", first_lengths)
    second_ends, second_at = _ends("second_lengths", second_lengths)
    ends, in_first, in_second = np.intersect1d(first_ends, second_ends, assume_unique=True, return_indices=True)
    return Alignment(ends, first_at[in_first], second_at[in_second])


def align_pieces(first: Sequence[bytes], second: Sequence[bytes]) -> Alignment:
    """`align`, for tokens whose bytes are at hand. Raises ValueError where the two do not say the same bytes."""
    one, other = b"".join(first), b"".join(second)
    shared = min(len(one), len(other))
    if one[:shared] != other[:shared]:
        unlike = next(i for i in range(shared) if one[i] != other[i])
        raise ValueError(f"the two sequences say unlike bytes from byte {unlike} on; only the same text can be aligned.")
    return align([len(piece) for piece in first], [len(piece) for piece in second])


def _ends(name: str, lengths: ArrayLike) -> tuple[Positions, Positions]:
    """Of the tokens that have bytes: the byte at which each ends, and its position."""
    if np.size(lengths) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    given = checks.logits(name, lengths)
    whole = given.astype(np.int64)
    if given.ndim != 1 or (whole != given).any() or whole.min() < 0:
        raise ValueError(f"{name} must be one row of whole numbers from 0: how many bytes each token has.")
    at = np.flatnonzero(whole)
    return np.cumsum(whole[at]), at
