"""SmolLM2's tokenizer as the lab has it: every text it can write comes back, and digits stand alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kdlab.data.corpora import get_corpus
from kdlab.models.smollm2_tokenizer import Pieces, build, pieces_of, smollm2_tokenizer, write_pieces


def _tokens(text: str) -> list[str]:
    return smollm2_tokenizer().encode(text, add_special_tokens=False).tokens


def test_a_novel_comes_back_to_the_letter() -> None:
    text = get_corpus("pride").load().test
    ids = smollm2_tokenizer().encode(text, add_special_tokens=False).ids
    assert smollm2_tokenizer().decode(ids) == text
    assert 3.5 < len(text) / len(ids) < 5  # characters a token, as English has them in a vocabulary of this size


def test_each_digit_is_a_token_and_spaces_before_it_are_one() -> None:
    assert _tokens("in 1813") == ["in", "Ġ", "1", "8", "1", "3"]
    assert _tokens("\n\n1") == ["ĊĊ", "1"]


def test_a_mark_that_somebody_types_is_text() -> None:
    assert smollm2_tokenizer().token_to_id("<|endoftext|>") == 0
    ids = smollm2_tokenizer().encode("<|endoftext|>", add_special_tokens=False).ids
    assert 0 not in ids
    assert smollm2_tokenizer().decode(ids) == "<|endoftext|>"


def test_it_is_read_without_torch_and_transformers() -> None:
    look = (
        "import sys; from kdlab.models.smollm2_tokenizer import smollm2_tokenizer; smollm2_tokenizer(); "
        "print([name for name in ('torch', 'transformers', 'gguf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pieces_are_told_from_a_vocabulary_whose_ids_follow_its_merges_and_from_no_other(tmp_path: Path) -> None:
    pieces = Pieces(("<end>",), ("a", "b", "Ġ"), (("a", "b"), ("Ġ", "ab")))
    assert pieces_of(["<end>", "a", "b", "Ġ", "ab", "Ġab"], ["<end>"], ["a b", "Ġ ab"]) == pieces
    assert build(pieces).encode("ab ab a", add_special_tokens=False).tokens == ["ab", "Ġab", "Ġ", "a"]
    with pytest.raises(ValueError, match="order of their merges"):
        pieces_of(["<end>", "a", "b", "Ġ", "Ġab", "ab"], ["<end>"], ["a b", "Ġ ab"])
    write_pieces(pieces, tmp_path / "first")
    write_pieces(pieces, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
