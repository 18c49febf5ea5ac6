"""What a run's signals take of memory: as many bytes as training holds, and what they may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdlab.models import machine
from kdlab.models.machine import Memory
from kdlab.runs.build import make_trainer
from kdlab.runs.ladder import ladder
from kdlab.runs.signal_memory import allowed_bytes, signal_bytes


def test_the_bytes_are_those_that_training_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = ladder(dataset="digits", student="mlp-16", labels=50, transfer=50, seeds=2, epochs=1, placebos=True)
    held = [part for signal in make_trainer(spec).inside.values() for part in signal]
    assert signal_bytes(spec) == sum(part.nbytes for part in held)


def test_a_ladder_of_black_boxes_takes_nothing_and_no_example_is_held_twice() -> None:
    assert signal_bytes(ladder(dataset="languages", student="ngram-linear")) == 0
    an_example = 2 * (49 * 128 + 49 + 10) + 784  # hidden, map, derivative; the direction's signs
    assert signal_bytes(ladder(labels=300, transfer=700, seeds=3)) == 3_000 * an_example
    assert signal_bytes(ladder(labels=2500, transfer=2500, seeds=5)) == 5_000 * an_example


def test_a_quarter_of_what_is_free_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: Memory(16_000, 8_000))
    assert allowed_bytes() == 2_000
    monkeypatch.setattr(machine, "memory", lambda: Memory(16_000, None))  # no word of what is free: half is taken for it
    assert allowed_bytes() == 2_000
    monkeypatch.setattr(machine, "memory", lambda: Memory(None, None))
    assert allowed_bytes() is None
