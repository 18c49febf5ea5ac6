"""Unlike vocabularies without a browser: real tokenizers on real text, and models that counted it."""

from __future__ import annotations

import html
import json
import re
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from kdlab.core.divergences import forward_kl
from kdlab.data.corpora import get_corpus
from kdlab.models.causal import build_causal
from kdlab.models.causal_shapes import get_shape
from kdlab.ui.language.vocabularies import LONGEST, SENTENCE
from kdlab.ui.language.vocabulary_boxes import boxes, boxes_alt
from kdlab.ui.language.vocabulary_charts import RANKS, rank_pairs, ranked
from kdlab.ui.language.vocabulary_readers import (
    Compared,
    Cut,
    Passage,
    Reader,
    Readers,
    WholeVocabulary,
    compare,
    exchange,
    lab_readers,
    pocket_says,
    read,
    says_of_passages,
    seen,
)
from kdlab.ui.language.vocabulary_words import (
    blind_words,
    compared_alt,
    compared_words,
    group_words,
    silent_words,
)

ODD = "naïve 日本 🙂\t<b>&amp; 12 **x**"


def byte_level(text: str, tokens: int) -> Tokenizer:
    """A byte-level BPE of so many tokens, trained on the text; every text can be written in it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=tokens,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([text], trainer)
    return made


class Counted:
    """A model that says how often each token followed the last one in a text, one more for all."""

    def __init__(self, vocabulary: WholeVocabulary, text: str) -> None:
        ids, _ = vocabulary.encode(text)
        self.counts = np.ones((len(vocabulary.pieces),) * 2)
        np.add.at(self.counts, (np.array([0, *ids[:-1]]), np.array(ids)), 1)

    def __call__(self, cut):
        rows = self.counts[[0, *cut.ids[:-1]]]
        return rows / rows.sum(axis=1, keepdims=True)


@cache
def readers(says: bool = True) -> Readers:
    text = get_corpus("pride").read().train[:60_000]
    found = []
    for title, tokens in (("Large", 600), ("Small", 300)):
        vocabulary = WholeVocabulary(byte_level(text, tokens))
        found.append(Reader(title, vocabulary, Counted(vocabulary, text)) if says else Reader(title, vocabulary))
    return Readers(*found)


def section() -> None:
    from kdlab.ui.language.vocabularies import show_vocabularies
    from kdlab.ui.url_state import arrive

    arrive()
    show_vocabularies()


@pytest.fixture
def vocabularies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setattr("kdlab.ui.language.vocabularies.lab_readers", readers)
    return AppTest.from_function(section, default_timeout=180)


def figures(app: AppTest) -> list[dict]:
    sent = [json.loads(component.proto.json) for component in app.get("bidi_component") if component.proto.json]
    return [data for data in sent if "figure" in data]


def drawn_boxes(app: AppTest) -> str:
    return next(str(node.proto.body) for node in app.get("html") if "kd-cut-group" in str(node.proto.body))


@pytest.mark.parametrize("text", [SENTENCE, ODD, "x", "  "])
def test_groups_write_the_same_bytes_and_the_whole_sentence(text):
    reading = read(text, readers())
    written = b""
    for group in range(len(reading.groups)):
        teacher, student = (
            b"".join(cut.pieces[i] for i in part)
            for cut, part in zip((reading.teacher, reading.student), reading.parts(group), strict=True)
        )
        assert teacher == student != b""
        written += teacher
    assert written == text.encode()


def test_uld_compares_the_last_distribution_of_each_group_by_hand():
    reading = read(SENTENCE, readers())
    found = compare(reading)
    assert len(found) == len(reading.groups)
    assert max(len(part) for group in range(len(found)) for part in reading.parts(group)) > 1
    p_rows, q_rows = (reader.says(cut) for reader, cut in reading.sides())
    for group, compared in enumerate(found):
        teacher, student = reading.parts(group)
        p, q = p_rows[teacher[-1]], q_rows[student[-1]]
        padded = np.zeros(len(p))
        padded[: len(q)] = np.sort(q)[::-1]
        assert compared.value == pytest.approx(np.abs(np.sort(p)[::-1] - padded).sum())
    assert min(one.value for one in found) > 0


def test_a_teacher_with_exchanged_tokens_has_uld_0_and_a_large_kl():
    found = exchange()
    assert found.uld == 0
    assert found.kl > 4
    assert found.after == found.before[::-1]
    p, q = np.array(found.before), np.array(found.after)
    assert found.kl == pytest.approx(float((p * np.log(p / q)).sum()))  # all other tokens are where they were
    rest = np.array([1 - p.sum()])
    assert found.kl == pytest.approx(float(forward_kl(np.append(p, rest), np.append(q, rest))))
    words = blind_words(found)
    assert f"**{found.kl:.2f} nats**" in words
    assert "is **0**, exactly" in words
    assert all(f"“{word}”" in words for word in ("cold", "regarded"))


def test_the_lab_s_two_tokenizers_write_the_first_sentence_and_align():
    reading = read(SENTENCE, lab_readers())
    assert reading.readers.teacher.title.startswith("SmolLM2")
    assert len(reading.readers.teacher.tokens.pieces) == 49_152
    assert len(reading.readers.student.tokens.pieces) == 2_048
    assert len(reading.teacher.pieces) < len(reading.student.pieces)
    assert b" universally" in reading.teacher.pieces
    assert len(reading.groups) > 20


def test_what_a_tokenizer_drops_is_named():
    """Of a byte without a letter SmolLM2 has no token, and its tokenizer says nothing of it."""
    tokens = lab_readers().teacher.tokens
    assert tokens.encode("a\x13b\U00040000")[1] == ["\x13", "\U00040000"]
    with pytest.raises(ValueError, match="has no tokens for “13”, “F1 80 80 80”"):
        read("a\x13b\U00040000", lab_readers())


def test_tokens_of_a_corpus_name_what_they_cannot_write():
    class Few:
        pieces = (b"", b"a")

        def encode(self, text):
            return [1] * text.count("a"), [c for c in text if c != "a"]

    with pytest.raises(ValueError, match="Few has no tokens for “b”"):
        read("ab", Readers(Reader("Few", Few()), readers().student))


def test_of_a_kept_passage_its_beginnings_are_answered_with_the_names_of_the_answers():
    """As of SmolLM2: all its tokens are cut, and the probabilities are over those alone that a corpus has."""
    whole = readers().teacher.tokens
    ids, _ = whole.encode(SENTENCE)
    own = (b"", *sorted({whole.pieces[i] for i in ids}))
    p = np.random.default_rng(0).dirichlet(np.ones(len(own)), len(ids))
    says = says_of_passages([Passage(tuple(whole.pieces[i] for i in ids), lambda: p)])
    both = Readers(Reader("Kept", whole, says, own), readers().student)
    beginning = read(SENTENCE[: len("It is a truth")], both)
    found = compare(beginning)
    np.testing.assert_array_equal(found[0].p, p[beginning.groups.first_last[0]])
    assert len(found[0].p) == len(own)
    assert f"“{seen(own[int(p[0].argmax())])}”" in compared_alt(beginning, Compared(p[0], found[0].q, 0.0))
    assert compare(read("Another.", both)) is None


def test_the_pocket_teacher_is_silent_where_it_is_not_trained_or_the_text_is_too_long(monkeypatch):
    cut = read(SENTENCE, lab_readers()).student
    monkeypatch.setattr("kdlab.ui.language.vocabulary_readers.is_trained", lambda: False)
    assert pocket_says(cut) is None
    monkeypatch.setattr("kdlab.ui.language.vocabulary_readers.is_trained", lambda: True)
    assert pocket_says(Cut(cut.ids * 10, cut.pieces * 10)) is None


def test_the_pocket_teacher_answers_in_numpy_as_torch_does(monkeypatch):
    """With weights of its shape; each row is given the tokens before it and none after."""
    shape = get_shape("pocket")
    torch.manual_seed(0)
    network = build_causal(shape.name, 2048).eval()
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    monkeypatch.setattr("kdlab.ui.language.vocabulary_readers.pocket_weights", lambda: weights)
    monkeypatch.setattr("kdlab.ui.language.vocabulary_readers.is_trained", lambda: True)
    cut = read("A truth told twice.", lab_readers()).student
    with torch.no_grad():
        states = network(torch.tensor([[0, *cut.ids[:-1]]]))[0]
        expected = torch.softmax(states @ network.head.T, -1).numpy()
    np.testing.assert_allclose(pocket_says(cut), expected, atol=1e-5)
    shorter = Cut(cut.ids[:3], cut.pieces[:3])
    np.testing.assert_allclose(pocket_says(shorter), expected[:3], atol=1e-5)


def test_a_damaged_model_is_told_and_the_tokens_are_shown(vocabularies, monkeypatch):
    def damaged(cut):
        raise ValueError("The pocket teacher's file pocket.safetensors is damaged.")

    broken = Readers(readers().teacher, replace(readers().student, says=damaged))
    monkeypatch.setattr("kdlab.ui.language.vocabularies.lab_readers", lambda: broken)
    vocabularies.run()
    assert not vocabularies.exception
    assert "is damaged" in vocabularies.warning[0].value.replace("\\", "")
    assert "kd-cut-group" in drawn_boxes(vocabularies)


def test_each_box_stands_over_its_bytes():
    reading = read(SENTENCE, readers())
    drawn = boxes(reading, 4)
    for group in re.findall(r'<div class="kd-cut-group.*?</div>', drawn):
        size = int(re.search(r"--bytes:(\d+)", group)[1])
        for who in ("teacher", "student"):
            edges = re.findall(rf'kd-cut-{who}[^>]*grid-column:(\d+)/(\d+)', group)
            assert edges[0][0] == "1"
            assert int(edges[-1][1]) == size + 1
            assert all(before[1] == after[0] for before, after in pairwise(edges))
            assert len(re.findall(rf"kd-cut-{who} kd-cut-last", group)) == 1
    assert drawn.count("kd-cut-now") == 1
    assert html.escape(boxes_alt(reading, 4)) in drawn


def test_no_sign_of_a_sentence_is_taken_for_markup():
    drawn = boxes(read(ODD, readers()), 0)
    inner = re.sub(r'</?(div|span|small|p|b)( [^<>]*)?>', "", drawn)
    assert "<" not in inner
    assert "&lt;" in drawn


@pytest.mark.parametrize(
    ("piece", "sign"),
    [(b" the", "␣the"), (b"\n", "↵"), ("é".encode()[:1], "C3"), ("日".encode(), "日"), (b"\x00", "00"), ("\u202e".encode(), "E2 80 AE")],
)
def test_a_token_is_shown_so_that_it_can_be_seen(piece, sign):
    assert seen(piece) == sign


def test_the_picture_pairs_the_ranks_whatever_the_tokens():
    reading = read(SENTENCE, readers())
    compared = compare(reading)[3]
    figure = rank_pairs(reading, compared)
    bars = figure["data"][::2]
    np.testing.assert_allclose(bars[0]["x"], np.sort(compared.p)[::-1][:RANKS])
    np.testing.assert_allclose(bars[1]["x"], np.sort(compared.q)[::-1][:RANKS])
    assert max(bars[0]["x"][0], bars[1]["x"][0]) <= figure["layout"]["xaxis"]["tickvals"][-1]
    names = [name for name, _ in ranked(compared.p, reading.readers.teacher.tokens.pieces)]
    assert figure["data"][1]["text"][0].strip() == names[0].replace("&", "&amp;").replace("<", "&lt;")
    json.dumps(figure, allow_nan=False)
    assert f"1: “{names[0]}”" in compared_alt(reading, compared)


def test_the_words_tell_what_was_read_before_and_what_is_compared():
    reading = read(SENTENCE, readers())
    several = next(g for g in range(len(reading.groups)) if max(map(len, reading.parts(g))) > 1)
    single = next(g for g in range(1, len(reading.groups)) if max(map(len, reading.parts(g))) == 1)
    assert "they have not read the same" in group_words(reading, several)
    assert "Both have read the same before" in group_words(reading, single)
    assert "nothing" in group_words(reading, 0)
    compared = compare(reading)
    words = compared_words(reading, compared, several)
    assert f"ULD is {compared[several].value:.2f} here" in words
    assert "600 probabilities stand against 300" in words


def test_at_first_the_novel_s_first_sentence_is_shown_and_the_address_is_empty(vocabularies):
    vocabularies.run()
    assert not vocabularies.exception
    assert not vocabularies.warning
    reading = read(SENTENCE, readers())
    usual = next(g for g in range(len(reading.groups)) if max(map(len, reading.parts(g))) > 1)
    assert boxes(reading, usual) in drawn_boxes(vocabularies)
    ranks, blindness = figures(vocabularies)
    assert ranks["alt"] == compared_alt(reading, compare(reading)[usual])
    assert blindness["sentence"] == blind_words(exchange())
    assert not {"sentence", "end"} & set(vocabularies.query_params)


def test_a_link_sets_the_sentence_and_the_end(vocabularies):
    vocabularies.query_params["sentence"], vocabularies.query_params["end"] = ODD, "3"
    vocabularies.run()
    assert not vocabularies.exception
    assert boxes(read(ODD, readers()), 2) in drawn_boxes(vocabularies)
    assert (vocabularies.query_params["sentence"], vocabularies.query_params["end"]) == (ODD, "3")


@pytest.mark.parametrize("end", ["0", "999", "two"])
def test_an_end_that_does_not_fit_gives_the_first_with_several_tokens(vocabularies, end):
    vocabularies.query_params["end"] = end
    vocabularies.run()
    assert not vocabularies.exception
    assert "end" not in vocabularies.query_params


def test_another_sentence_is_looked_at_from_its_own_first_place_on(vocabularies):
    vocabularies.query_params["end"] = "9"
    vocabularies.run()
    vocabularies.text_input(key="sentence").set_value("Single men want wives.").run()
    assert not vocabularies.exception
    assert vocabularies.query_params["sentence"] == "Single men want wives."
    assert "end" not in vocabularies.query_params
    assert 'aria-label="The sentence in tokens' in drawn_boxes(vocabularies)


@pytest.mark.parametrize("typed", ["", "   ", "y" * 5000, "\u202e" + "ﷺ" * 20, "z"])
def test_no_sentence_breaks_the_section(vocabularies, typed):
    vocabularies.run()
    vocabularies.session_state["sentence"] = typed
    vocabularies.run()
    assert not vocabularies.exception
    text = typed[:LONGEST] if typed.strip() else SENTENCE
    assert drawn_boxes(vocabularies).count('<div class="kd-cut-group') == len(read(text, readers()).groups)


def test_a_sentence_that_cannot_be_written_is_refused_and_the_first_one_shown(vocabularies, monkeypatch):
    monkeypatch.setattr("kdlab.ui.language.vocabularies.lab_readers", lab_readers)
    vocabularies.query_params["sentence"] = "a\x13b*"
    vocabularies.run()
    assert not vocabularies.exception
    assert "has no tokens for" in vocabularies.warning[0].value
    assert "universally" in drawn_boxes(vocabularies)


def test_where_a_model_is_not_at_hand_the_tokens_are_shown_all_the_same(vocabularies, monkeypatch):
    monkeypatch.setattr("kdlab.ui.language.vocabularies.lab_readers", lambda: readers(says=False))
    vocabularies.run()
    assert not vocabularies.exception
    assert len(figures(vocabularies)) == 1
    assert "Large and Small would say" in silent_words(read(SENTENCE, readers(says=False)))
    assert any("is not at hand" in caption.value for caption in vocabularies.caption)


def test_a_page_may_begin_with_another_sentence_and_other_models():
    def other() -> None:
        from test_vocabularies_readers import given

        from kdlab.ui.language.vocabularies import show_vocabularies
        from kdlab.ui.url_state import arrive

        arrive()
        show_vocabularies(given(), "Single men want wives.")

    stand_in = ModuleType("test_vocabularies_readers")
    stand_in.given = readers  # a script is run by its text alone
    sys.modules[stand_in.__name__] = stand_in
    try:
        app = AppTest.from_function(other, default_timeout=180).run()
    finally:
        del sys.modules[stand_in.__name__]
    assert not app.exception
    assert app.text_input(key="sentence").proto.placeholder == "Single men want wives."
    assert drawn_boxes(app).count('<div class="kd-cut-group') == len(read("Single men want wives.", readers()).groups)


def test_a_missing_tokenizer_is_told_and_nothing_breaks(vocabularies, monkeypatch):
    def missing():
        raise ValueError("The pocket teacher's file pocket.tokenizer.json is missing.")

    monkeypatch.setattr("kdlab.ui.language.vocabularies.lab_readers", missing)
    vocabularies.run()
    assert not vocabularies.exception
    assert "is missing" in vocabularies.warning[0].value
