"""Runs on a visitor's own text: trained with a small teacher, and what a run is told whose text or teacher has gone."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from kdlab.data.corpora import get_corpus, other_author
from kdlab.data.own_corpora import GONE, add_own, signals_of, take_away
from kdlab.models import pocket
from kdlab.models.own_tokens import WINDOW, own_tokens
from kdlab.runs.execute import execute
from kdlab.runs.store import Store
from kdlab.runs.text_needs import not_ready_because, signal_bytes, too_short_because
from kdlab.runs.text_recipes import Race
from kdlab.runs.text_spec import TextSpec
from tests.tiny_causal import tiny_causal

TEXT = other_author()[50_000:80_000]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    tiny_causal(tmp_path / "models" / "tiny")
    return tmp_path


def race(dataset: str, teacher: str = "folder:tiny") -> TextSpec:
    spec = Race(dataset=dataset, teacher=teacher, tokens=4096, seeds=1, batch_size=4, device="cpu").spec()
    assert isinstance(spec, TextSpec)
    return spec


def message_of(spec: TextSpec, store: Store, before: object = None) -> str:
    claim = store.begin(spec, "ann")
    if callable(before):
        before()
    assert not execute(claim, store)
    run = store.get(claim.run_id)
    assert run is not None
    assert run.state == "failed"
    return run.message


def test_students_learn_a_text_of_ones_own_and_what_the_teacher_said_goes_with_it() -> None:
    name = add_own(TEXT.encode(), "whale.txt", "ann")
    spec, store = race(name), Store()
    assert not_ready_because(spec) is None
    claim = store.begin(spec, "ann")
    assert execute(claim, store)
    run = store.get(claim.run_id)
    assert run is not None
    assert run.result is not None
    assert all(math.isfinite(arm["bits_per_byte"][0]) for arm in run.result["arms"])
    written = [row["texts"] for _, kind, row in store.points(claim.run_id) if kind == "samples"]
    assert set(written[-1]) == {arm.key for arm in spec.arms}
    assert list(signals_of(name).iterdir())
    take_away(name, "ann")
    assert not signals_of(name).exists()


def test_a_run_that_waits_is_told_that_its_text_went() -> None:
    name = add_own(TEXT.encode(), "whale.txt", "ann")
    assert message_of(race(name), Store(), lambda: take_away(name, "ann")) == GONE


def test_a_run_is_told_that_the_pocket_teacher_is_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = race(add_own(TEXT.encode(), "whale.txt", "ann"), "pocket")
    monkeypatch.setattr(pocket, "FOLDER", tmp_path)
    assert "train_teachers pocket" in message_of(spec, Store())


def test_a_text_without_a_window_in_a_split_is_refused_before_and_in_the_run() -> None:
    name = add_own(("word" + " " * 1000).encode() * 24, "gaps.txt", "ann")
    short = too_short_because("smollm2", name)
    assert short is not None
    assert f"a window has {WINDOW}" in short
    assert message_of(race(name, "smollm2"), Store()) == short
    assert too_short_because("folder:tiny", "pride") is None
    assert too_short_because("folder:tiny", add_own(TEXT.encode(), "whale.txt", "ann")) is None


def test_what_is_kept_of_the_teacher_is_no_more_than_the_text_has() -> None:
    name = add_own(TEXT.encode(), "whale.txt", "ann")
    windows = len(own_tokens("folder:tiny", name).encode(get_corpus(name).load().train)[0]) // WINDOW
    assert signal_bytes(race(name)) == 2 * 32 * WINDOW * min(windows, 64)
    long = race(name).model_copy(update={"tokens": 4_194_304})
    assert signal_bytes(long) == 2 * 32 * WINDOW * windows
