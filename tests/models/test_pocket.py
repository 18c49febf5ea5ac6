"""The pocket teacher's files are read without torch, its tokenizer writes every text, and what is wrong with a file is said."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from kdlab.data.corpora import other_author
from kdlab.models import pocket
from kdlab.models.pocket import PocketMissing

TOKENIZER = pocket.tokenizer_path()


def written_by(ids: np.ndarray) -> bytes:
    pieces = pocket.pieces()
    return b"".join(pieces[token] for token in ids)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tokenizer, small weights and their card."""
    monkeypatch.setattr(pocket, "FOLDER", tmp_path)
    shutil.copy(TOKENIZER, tmp_path)
    pocket.weights_path().write_bytes(save({"model.norm.weight": np.array([0.1, -2], np.float16)}))
    write_card()
    return tmp_path


def write_card() -> None:
    card = {"weights_sha256": pocket.weights_sha256(), "tokenizer_sha256": pocket.tokenizer_sha256()}
    pocket.card_path().write_text(json.dumps(card), encoding="utf-8")


def test_files_are_read_without_torch() -> None:
    program = (
        "import sys; from kdlab.models import pocket; pocket.encode('A truth'); pocket.is_trained(); "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "It is a truth universally acknowledged",
        "Zoë's naïve café, Ångström, Việt Nam",
        "🦜🏳️‍🌈 and 👩🏽‍🔬",
        "\r\n\t\x00\u2028\ufeff\x1b",
        "かな 漢字 עברית العربية",
        "an <|endoftext|> that somebody types",
    ],
)
def test_a_text_comes_back_to_the_byte(text: str) -> None:
    ids = pocket.encode(text)
    assert written_by(ids) == text.encode()
    assert pocket.pocket_tokenizer().decode(ids.tolist()) == text
    assert pocket.END_OF_TEXT not in ids


@given(st.text())
def test_every_text_comes_back_to_the_byte(text: str) -> None:
    assert written_by(pocket.encode(text)) == text.encode()


def test_moby_dick_comes_back_to_the_byte_in_fewer_tokens() -> None:
    text = other_author()
    ids = pocket.encode(text)
    assert written_by(ids) == text.encode()
    assert ids.min() > pocket.END_OF_TEXT
    assert len(ids) < len(text.encode()) / 2


def test_half_a_character_is_written_as_a_question_mark() -> None:
    assert written_by(pocket.encode("a\ud83db")) == b"a?b"


def test_each_byte_is_a_token_and_no_two_tokens_write_the_same() -> None:
    pieces = pocket.pieces()
    assert len(pieces) == len(set(pieces)) == pocket.VOCABULARY
    assert pieces[pocket.END_OF_TEXT] == b""
    assert {bytes([byte]) for byte in range(256)} <= set(pieces)


def test_weights_are_single_precision_and_not_to_be_written_to(folder: Path) -> None:
    assert pocket.is_trained()
    (array,) = pocket.pocket_weights().values()
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.array([0.1, -2], np.float16))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        (pocket.tokenizer_path, pocket.pocket_tokenizer),
        (pocket.tokenizer_path, lambda: pocket.encode("a")),
        (pocket.tokenizer_path, pocket.pieces),
        (pocket.tokenizer_path, pocket.pocket_weights),
        (pocket.weights_path, pocket.pocket_weights),
        (pocket.weights_path, pocket.weights_sha256),
        (pocket.card_path, pocket.pocket_card),
        (pocket.card_path, pocket.pocket_weights),
    ],
)
def test_a_missing_file_is_named_with_what_to_do(folder: Path, path: Callable[[], Path], ask: Callable[[], object]) -> None:
    path().unlink()
    assert not pocket.is_trained()
    with pytest.raises(PocketMissing, match=r"is missing\. Fetch the project again, or train the teacher: python -m") as caught:
        ask()
    assert path().name in str(caught.value)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def fill_with_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe these are other things")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut_off, fill_with_text, make_empty])
@pytest.mark.parametrize(
    ("path", "ask"),
    [
        (pocket.tokenizer_path, pocket.pocket_tokenizer),
        (pocket.tokenizer_path, pocket.pocket_weights),
        (pocket.weights_path, pocket.pocket_weights),
        (pocket.card_path, pocket.pocket_card),
    ],
)
def test_a_damaged_file_is_named(
    folder: Path, path: Callable[[], Path], ask: Callable[[], object], harm: Callable[[Path], None]
) -> None:
    harm(path())
    with pytest.raises(ValueError, match="is damaged") as caught:
        ask()
    assert path().name in str(caught.value)


def test_a_weights_file_with_one_changed_byte_is_refused(folder: Path) -> None:
    content = bytearray(pocket.weights_path().read_bytes())
    content[-1] ^= 1
    pocket.weights_path().write_bytes(content)
    with pytest.raises(ValueError, match="not the one that its card describes"):
        pocket.pocket_weights()


def test_a_file_that_is_no_safetensors_is_refused_even_where_its_card_describes_it(folder: Path) -> None:
    cut_off(pocket.weights_path())
    write_card()
    with pytest.raises(ValueError, match=r"pocket\.safetensors is damaged"):
        pocket.pocket_weights()


@pytest.mark.parametrize("card", [[], {}, {"weights_sha256": "0"}])
def test_a_card_that_does_not_say_whose_it_is_is_refused(folder: Path, card: object) -> None:
    pocket.card_path().write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ValueError, match=r"pocket\.json is damaged"):
        pocket.pocket_card()


def test_a_tokenizer_with_other_tokens_is_refused(folder: Path) -> None:
    told = json.loads(TOKENIZER.read_text(encoding="utf-8"))
    last = next(token for token, number in told["model"]["vocab"].items() if number == pocket.VOCABULARY - 1)
    del told["model"]["vocab"][last]
    told["model"]["merges"].pop()
    pocket.tokenizer_path().write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ValueError, match=r"pocket\.tokenizer\.json is damaged"):
        pocket.pocket_tokenizer()


def test_a_tokenizer_is_the_same_however_its_lines_end(folder: Path) -> None:
    content = pocket.tokenizer_path().read_bytes()
    assert b"\r" not in content
    pocket.tokenizer_path().write_bytes(content.replace(b"\n", b"\r\n"))
    assert pocket.tokenizer_sha256() == hashlib.sha256(content).hexdigest()
    assert pocket.pocket_weights()


@pytest.mark.skipif(not pocket.is_trained(), reason="the pocket teacher is not trained yet")
def test_the_committed_teacher_is_whole_and_small() -> None:
    weights, card = pocket.pocket_weights(), pocket.pocket_card()
    assert weights["model.embed_tokens.weight"].shape == (pocket.VOCABULARY, 256)
    assert sum(array.size for array in weights.values()) == card["parameters"]
    assert pocket.weights_path().stat().st_size == card["weights_bytes"] <= 8_000_000
    assert all(np.isfinite(array).all() for array in weights.values())
