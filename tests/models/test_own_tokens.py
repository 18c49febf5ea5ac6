"""A text's own tokens: to the byte, in windows, and as a tokenizer that is cut down to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from kdlab.data.corpora import get_corpus, other_author
from kdlab.models import own_tokens as module
from kdlab.models.language_teachers import end_of_text, tokenizer_of
from kdlab.models.own_tokens import WINDOW, OwnTokens, own_tokens, sizes_of, tokenizer_json, windows


@pytest.fixture(scope="module", params=["smollm2", "pocket"])
def own(request: pytest.FixtureRequest) -> OwnTokens:
    return own_tokens(request.param, "pride")


def test_every_split_is_its_own_tokens_to_the_byte(own: OwnTokens) -> None:
    for split in ("train", "validation", "test"):
        text = getattr(get_corpus("pride").load(), split)
        ids, unknown = own.encode(text)
        assert unknown == ()
        assert ids.min() > 0  # nothing in the text ends it
        assert own.decode(ids) == text
        assert own.byte_lengths[ids].sum() == len(text.encode())
        theirs = tokenizer_of(own.teacher).encode(text, add_special_tokens=False).ids
        np.testing.assert_array_equal(own.teacher_ids[ids], theirs)


def test_id_0_ends_a_text_and_every_token_is_there_once(own: OwnTokens) -> None:
    assert own.teacher_ids[0] == end_of_text(own.teacher)
    assert own.pieces[0] == b""
    assert len(np.unique(own.teacher_ids)) == len(own.teacher_ids) == len(own)
    assert len(set(own.pieces)) == len(own)


def test_their_number_and_the_teachers_width() -> None:
    assert sizes_of("pocket", "pride") == (2048, 256)
    vocabulary, width = sizes_of("smollm2", "pride")
    assert 5_000 < vocabulary < 10_000
    assert width == 576
    with pytest.raises(ValueError, match="pride"):
        sizes_of("smollm2", "no such text")


def test_what_the_text_does_not_have_is_told_and_left_out() -> None:
    own = own_tokens("smollm2", "pride")
    ids, unknown = own.encode("It is a truth about whales and Quidditch 🐋.")
    assert own.decode(ids).startswith("It is a truth about")
    assert unknown
    assert "whales" not in own.decode(ids)
    pocket = own_tokens("pocket", "pride")
    text = other_author()[:5_000] + "é 🐋 \ud800"
    ids, unknown = pocket.encode(text)
    assert unknown == ()
    assert pocket.decode(ids) == text.replace("\ud800", "?")


def test_windows_follow_one_another_each_begun_by_0() -> None:
    ids = np.arange(1, 3 * WINDOW + 10)
    rows = windows(ids)
    assert rows.shape == (3, WINDOW + 1)
    assert (rows[:, 0] == 0).all()
    np.testing.assert_array_equal(rows[:, 1:].ravel(), ids[: 3 * WINDOW])
    assert windows(ids[: WINDOW - 1]).shape == (0, WINDOW + 1)


def test_the_tokenizer_that_is_cut_down_cuts_the_text_alike(own: OwnTokens) -> None:
    cut = Tokenizer.from_str(json.dumps(tokenizer_json(own)))
    texts = get_corpus("pride").load()
    for text in (texts.train, texts.validation, texts.test):
        np.testing.assert_array_equal(cut.encode(text, add_special_tokens=False).ids, own.encode(text).ids)
    assert cut.id_to_token(0) == tokenizer_of(own.teacher).id_to_token(end_of_text(own.teacher))
    # Other words are written too, with tokens that no student has learned.
    other = "Call me Ishmael. Whales!"
    ids = cut.encode(other, add_special_tokens=False).ids
    assert cut.decode(ids) == other
    assert cut.get_vocab_size() >= len(own)
    if own.teacher == "pocket":
        assert cut.get_vocab_size() == len(own)


def test_another_kind_of_tokenizer_has_pieces_too_and_is_not_cut_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = get_corpus("pride").load().test
    other = Tokenizer(models.Unigram())
    other.pre_tokenizer, other.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    other.train_from_iterator([text], trainers.UnigramTrainer(vocab_size=400, special_tokens=["</s>"], unk_token="</s>"))
    monkeypatch.setattr(module, "tokenizer_of", lambda _: other)
    monkeypatch.setattr(module, "end_of_text", lambda _: other.token_to_id("</s>"))
    monkeypatch.setattr(module, "identity", lambda _: "a hash")
    own = own_tokens("folder:other", "pride")
    words = " ".join(text.split()[:60])
    assert own.decode(own.encode(words).ids).strip() == words
    with pytest.raises(ValueError, match="byte-level"):
        tokenizer_json(own)
