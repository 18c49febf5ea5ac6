"""Typed text of any kind is classified, or refused in a learner's words."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from kdlab.data import word_pieces
from kdlab.data.registry import LANGUAGE_CLASSES, get_dataset
from kdlab.models.catalogue import teacher_logits
from kdlab.models.classify import classify_text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("where is the nearest library", "English"),
        ("wo ist die nächste Bibliothek", "German"),
        ("gdzie jest najbliższa biblioteka", "Polish"),
        ("unde este cea mai apropiată bibliotecă", "Romanian"),
    ],
)
def test_sentences_of_no_declaration_are_recognised(text: str, language: str) -> None:
    assert LANGUAGE_CLASSES[classify_text(text).argmax()] == language


def test_a_test_snippet_gets_the_stored_logits() -> None:
    texts = get_dataset("languages").load().text_test
    assert texts is not None
    for row in (0, 1, 2):
        logits = classify_text(texts[row])
        assert logits.shape == (16,)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, teacher_logits("languages").test[row], atol=1e-3)


def test_a_megabyte_is_cut_and_answered() -> None:
    text = "all human beings are born free " * 34_000
    assert np.array_equal(classify_text(text), classify_text(text[:500]))


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_blank_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Type a word or a sentence"):
        classify_text(text)


@pytest.mark.parametrize("text", ["Привет", "你好", "123 + 4", "🙂"])
def test_text_without_a_known_letter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Latin letters"):
        classify_text(text)


def test_a_teacher_of_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="reads pictures"):
        classify_text("hello", teacher="digits")


@pytest.mark.skipif(not word_pieces.model_installed(), reason="needs requirements-minilm.txt")
def test_a_gloss_is_classified_and_a_test_gloss_gets_the_stored_logits() -> None:
    data = get_dataset("glosses")
    said = classify_text("a large wild cat with stripes that lives in the jungle", "glosses")
    assert data.classes[said.argmax()] == "animal"
    texts = data.load().text_test
    assert texts is not None
    for row in (0, 1, 2):
        np.testing.assert_allclose(
            classify_text(texts[row], "glosses"), teacher_logits("glosses").test[row], atol=1e-3
        )
    for nothing, words in (("🙂", "knows nothing in this text"), (" ", "Type a word or a sentence")):
        with pytest.raises(ValueError, match=words):
            classify_text(nothing, "glosses")


def test_a_gloss_of_ones_own_needs_the_model_and_the_refusal_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    word_pieces.tokenizer.cache_clear()
    with pytest.raises(ValueError, match=r"not installed here.*requirements-minilm\.txt"):
        classify_text("a bird", "glosses")


def test_torch_is_imported_only_when_a_text_is_classified() -> None:
    program = (
        "import sys; from kdlab.models.classify import classify_text; before = 'torch' in sys.modules; "
        "classify_text('hello'); print(before, 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "True"]
