"""What is refused is tried again, for a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kdlab.runs import patience, reporter
from kdlab.runs.patience import patiently
from kdlab.runs.recipes import three_arms
from kdlab.runs.schema import StoreError
from kdlab.runs.store import Store


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST", 0.001)


def test_what_is_refused_twice_is_done_at_the_third_try_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    answers = [StoreError("the store is locked"), OSError(28, "No space left on device"), 7]
    refusals: list[int] = []

    def do() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    assert patiently(do, "Writing", refused=lambda: refusals.append(1)) == 7
    assert len(refusals) == 2
    assert "the store is locked" in caplog.text


def test_patience_ends_and_says_why() -> None:
    def refuse() -> None:
        raise StoreError("the store is locked")

    with pytest.raises(StoreError, match="locked"):
        patiently(refuse, "Writing", at_most=0.01)


def test_what_will_not_pass_is_not_waited_for() -> None:
    with pytest.raises(KeyError):
        patiently(lambda: {}["gone"], "Writing")


def test_the_heart_of_a_run_that_is_anothers_now_stops_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reporter, "_BEAT_EVERY", 0.001)
    store = Store(f"sqlite:///{tmp_path / 'lab.sqlite'}")
    claim = store.begin(three_arms(), "ann")
    store.finish(claim.run_id, "cancelled")
    with reporter.heartbeat(claim):
        (thread,) = [each for each in threading.enumerate() if each.name == f"heart of {claim.run_id}"] or [None]
        if thread is not None:
            thread.join(60)
            assert not thread.is_alive()
    assert caplog.text == ""
