"""SmolLM2's tokenizer, which comes with the lab: a text is cut into its tokens without the model and without torch.

Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): each digit is a token by itself, everything else is merged from
bytes by rank. An id is a place in the row of marks, letters and merged pairs, so the file holds these and nothing else. Of the
256 bytes 21 have no letter, and no token: the tokenizer drops them. `kdlab.models.record_language_signals` wrote the file.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kdlab.data import FILES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = FILES / "smollm2_tokenizer.txt.gz"


class Pieces(NamedTuple):
    """What the tokens are made of: marks such as end-of-text, letters (a byte each), and pairs in the order of their ranks."""

    marks: tuple[str, ...]
    letters: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]

    def tokens(self) -> list[str]:
        """All tokens by their ids."""
        return [*self.marks, *self.letters, *map("".join, self.merges)]


def build(pieces: Pieces) -> Tokenizer:
    """The tokenizer of these pieces."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(models.BPE({token: i for i, token in enumerate(pieces.tokens())}, list(pieces.merges)))
    # What GGUF calls "smollm". Without the first step, two spaces before a digit would be two tokens in place of one.
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    made.pre_tokenizer = pre_tokenizers.Sequence(steps)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in pieces.marks])
    return made


def pieces_of(tokens: Sequence[str], marks: Sequence[str], merges: Sequence[str]) -> Pieces:
    """The pieces of a vocabulary by its ids, with its marks and its merges ("Ġ t"). Raises ValueError where ids have another order."""
    letters = tokens[len(marks) : len(tokens) - len(merges)]
    first, second = zip(*(merge.split(" ") for merge in merges), strict=True)
    found = Pieces(tuple(marks), tuple(letters), tuple(zip(first, second, strict=True)))
    if found.tokens() != list(tokens):
        raise ValueError("its tokens are not in the order of their merges")
    return found


def write_pieces(pieces: Pieces, path: Path = TOKENIZER) -> None:
    """Writes the file that `smollm2_tokenizer` reads."""
    rows = [" ".join(pieces.marks), " ".join(pieces.letters), *map(" ".join, pieces.merges)]
    path.write_bytes(gzip.compress("\n".join(rows).encode(), mtime=0))


@lru_cache(1)
def smollm2_tokenizer() -> Tokenizer:
    """The tokenizer. A mark that somebody types is text."""
    marks, letters, *merges = gzip.decompress(TOKENIZER.read_bytes()).decode().split("\n")
    pairs = tuple((first, second) for first, second in (merge.split(" ") for merge in merges))
    made = build(Pieces(tuple(marks.split(" ")), tuple(letters.split(" ")), pairs))
    made.encode_special_tokens = True
    return made
