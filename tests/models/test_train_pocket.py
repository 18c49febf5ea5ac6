"""The pocket teacher reads no chapter that settings or verdicts come from; its card is measured on the stored weights."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdlab.data.corpora import Texts, get_corpus, pride_chapters
from kdlab.models import pocket, train_pocket, train_teachers
from kdlab.models.causal import CausalNetwork, causal_config
from kdlab.models.causal_shapes import LanguageStudent, parameters
from kdlab.models.own_tokens import windows
from kdlab.models.train_pocket import (
    build_pocket,
    measured,
    read_texts,
    train_tokenizer,
    training_ids,
)

SHAPE = LanguageStudent("tiny", "Tiny", "For tests.", "llama", 1, 32)
SETTINGS = replace(train_pocket.SETTINGS, steps=6, batch=2, context=16, warm_up=2, validate_every=3)


def build_tiny() -> CausalNetwork:
    return CausalNetwork(causal_config(SHAPE, pocket.VOCABULARY, positions=pocket.CONTEXT))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """All that `train_teachers pocket` does, but with a tiny network on a few pages, into an empty folder."""
    whole = get_corpus("pride").load()
    texts = Texts(whole.train[:120_000], whole.validation[:3000], whole.test[:4000], whole.transfer[:60_000])
    corpus = SimpleNamespace(name="pride", load=lambda: texts, fingerprint=lambda: "f" * 64)
    monkeypatch.setattr(pocket, "FOLDER", tmp_path)
    monkeypatch.setattr(train_pocket, "get_corpus", lambda name: corpus)
    monkeypatch.setattr(train_pocket, "build_pocket", build_tiny)
    monkeypatch.setattr(train_pocket, "SETTINGS", SETTINGS)
    return corpus


def start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train_teachers", "pocket", *arguments])
    train_teachers.main()


def test_no_validation_or_test_chapter_is_read() -> None:
    texts = get_corpus("pride").load()
    read = "".join(read_texts(texts))
    unread = [chapter for chapter in pride_chapters() if chapter in texts.validation or chapter in texts.test]
    assert len(unread) == 10
    assert sum(map(len, unread)) == len(texts.validation) + len(texts.test)
    for chapter in unread:
        paragraphs = [part for part in re.split(r"\n\s*\n", chapter) if len(part) > 80]
        assert len(paragraphs) > 3
        assert not [part for part in paragraphs if part in read]


def test_what_is_read_is_the_training_text_and_the_transfer_text_with_an_end_behind_each() -> None:
    tokenizer = pocket.pocket_tokenizer()
    texts = Texts("It is a truth", "universally", "acknowledged", "that <|endoftext|> Emma")
    ids, pieces = training_ids(tokenizer, texts), pocket.pieces()
    ends = np.flatnonzero(ids == pocket.END_OF_TEXT)
    assert len(ends) == 2
    assert ends[-1] == len(ids) - 1
    assert b"".join(pieces[token] for token in ids[: ends[0]]).decode() == texts.train
    assert b"".join(pieces[token] for token in ids[ends[0] : ends[1]]).decode() == texts.transfer


def test_the_committed_tokenizer_is_made_again_from_the_novels() -> None:
    made = train_tokenizer(read_texts(get_corpus("pride").load()))
    assert made.to_str() + "\n" == pocket.tokenizer_path().read_text(encoding="utf-8")


def test_the_teacher_has_the_shape_that_it_says_and_fits_in_8_mb() -> None:
    network = build_pocket()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == parameters("pocket", pocket.VOCABULARY)
    assert 2 * count + 20_000 < 8_000_000


def test_measures_are_those_counted_one_by_one() -> None:
    torch.manual_seed(0)
    network = build_tiny()
    with torch.no_grad():
        network.head.mul_(20)
    rng = np.random.default_rng(0)
    shown, lengths = rng.integers(0, pocket.VOCABULARY, (5, 9)), rng.integers(0, 7, pocket.VOCABULARY)
    with torch.no_grad():
        p = (network(torch.tensor(shown[:, :-1])) @ network.head.T).double().softmax(-1).numpy()
    nats = written = right = doubt = 0.0
    bins: dict[int, list[float]] = {}
    for row in range(5):
        for place in range(8):
            true, said = shown[row, place + 1], p[row, place]
            nats -= math.log(said[true])
            written += lengths[true]
            right += said.argmax() == true
            doubt -= sum(q * math.log2(q) for q in said if q)
            bins.setdefault(math.ceil(said.max() * 15) - 1, []).append(float(said.argmax() == true) - said.max())
    found = measured(network, shown, lengths)
    assert found["tokens"] == 40
    assert found["cross_entropy"] == pytest.approx(nats / 40, abs=1e-3)
    assert found["perplexity"] == pytest.approx(math.exp(nats / 40), rel=1e-3)
    assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / written, rel=1e-3)
    assert found["bytes"] == written
    assert found["agreement"] == pytest.approx(right / 40, abs=1e-4)
    assert found["entropy"] == pytest.approx(doubt / 40, abs=1e-3)
    assert found["calibration_error"] == pytest.approx(sum(abs(sum(gaps)) for gaps in bins.values()) / 40, abs=1e-3)


def test_a_training_stores_weights_and_a_card_that_is_measured_on_them(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start(monkeypatch, "--steps", "5", "--dropout", "0.1")
    assert {path.name for path in pocket.FOLDER.iterdir()} == {"pocket.safetensors", "pocket.json", "pocket.tokenizer.json"}
    weights, card = pocket.pocket_weights(), pocket.pocket_card()
    assert (card["steps"], card["dropout"], card["dataset_fingerprint"]) == (5, 0.1, "f" * 64)
    assert sum(array.size for array in weights.values()) == card["parameters"]
    assert [one["step"] for one in card["training_curve"]] == [3, 5]
    assert card["training_kept_step"] in (3, 5)
    stored = build_tiny()
    stored.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    lengths = np.array([len(piece) for piece in pocket.pieces()])
    for split in ("validation", "test"):
        ids = pocket.encode(getattr(small.load(), split))
        found = measured(stored, windows(ids), lengths)
        assert found == {key: card[f"{split}_{key}"] for key in found}
        assert card[f"{split}_bytes"] == sum(lengths[ids[: card[f"{split}_tokens"]]])
    before = pocket.card_path().read_bytes()
    start(monkeypatch, "--card-only")
    assert json.loads(pocket.card_path().read_bytes()) == json.loads(before)
    assert '"test_perplexity"' in capsys.readouterr().out


def test_a_training_whose_card_could_not_be_written_is_not_lost(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train_pocket, "make_card", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start(monkeypatch)
    weights = pocket.weights_path().read_bytes()
    assert train_pocket.part_path().exists()
    monkeypatch.setattr(train_pocket.PretrainingRun, "advance", lambda run: pytest.fail("it is trained already"))
    start(monkeypatch)
    assert pocket.weights_path().read_bytes() == weights
    assert pocket.pocket_card()["steps"] == SETTINGS.steps
    assert not train_pocket.part_path().exists()


def test_trials_compare_on_the_validation_and_store_nothing(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = small.load()._replace(test=None)  # whoever reads it fails
    small.load = lambda: texts
    monkeypatch.setattr(train_pocket, "TRIAL_STEPS", 3)
    start(monkeypatch, "--trials")
    assert [*pocket.FOLDER.iterdir()] == []
    header, *rows = capsys.readouterr().out.splitlines()[-4:]
    assert header.startswith("learning rate  validation, nats a token")
    assert [float(row.split()[0]) for row in rows] == list(train_pocket.TRIALS)
    assert all(6 < float(row.split()[1]) < 9 for row in rows)
