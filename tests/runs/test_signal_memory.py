"""What a run's signals take of memory: as many bytes as training holds, and what they may take."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from kdlab.distill import inside
from kdlab.distill.white_box_catalogue import Gram, Hint, JacobianMatch, WhiteBox
from kdlab.models import machine
from kdlab.models.checkpoints import CheckpointError
from kdlab.models.machine import Memory
from kdlab.runs import build
from kdlab.runs.build import make_trainer
from kdlab.runs.ladder import ladder
from kdlab.runs.signal_memory import allowed_bytes, signal_bytes
from kdlab.runs.spec import RunSpec


def test_the_bytes_are_those_that_training_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = ladder(dataset="digits", student="mlp-16", labels=50, transfer=50, seeds=2, epochs=1, placebos=True)
    assert signal_bytes(spec) == sum(part.nbytes for part in held_by(spec))


def held_by(spec: RunSpec) -> list[Tensor]:
    """The tensors of what training holds of the teacher's inside, each once."""
    held = [part for signal in make_trainer(spec).inside.values() for part in signal]
    return list({part.data_ptr(): part for part in held}.values())


def of_digits(*asked: WhiteBox) -> RunSpec:
    """Arms that are each asked one of these."""
    plain = ladder(dataset="digits", student="mlp-16", labels=50, transfer=50, seeds=2, epochs=1)
    soft = plain.arm("logits")
    arms = [soft, *(soft.model_copy(update={"key": f"c{i}", "white_box": one}) for i, one in enumerate(asked))]
    return plain.model_copy(update={"arms": tuple(arms), "contrasts": ()})


def test_what_two_objectives_read_alike_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = of_digits(Hint(weight=0.1), Hint(weight=1), Gram(), JacobianMatch(), Hint(whose="untrained"))
    assert len(held_by(spec)) == 4  # the teacher's hidden layer, a derivative and its direction, a placebo's hidden layer
    assert signal_bytes(spec) == sum(part.nbytes for part in held_by(spec))


def test_all_that_a_run_holds_is_weighed_together_before_the_teacher_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(inside, "load_teacher", lambda name: pytest.fail("asked for nothing"))
    spec = of_digits(Hint(), JacobianMatch())
    largest = max(signal_bytes(of_digits(asked)) for asked in (Hint(), JacobianMatch()))
    assert largest < signal_bytes(spec)
    # Each signal would fit by itself.
    monkeypatch.setattr(build, "free_memory", lambda device: 4 * (signal_bytes(spec) - 1))
    with pytest.raises(CheckpointError, match="more than a quarter of the memory"):
        make_trainer(spec)


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
