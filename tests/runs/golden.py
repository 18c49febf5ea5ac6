"""Golden numbers: whole runs, kept to the bit. ``python -m tests.runs.golden`` records them anew.

Six specs over data sets, students and objectives, one of them steered; the first is the run that a first visit shows.
Group sizes and threads are held, for both change the order of sums.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from kdlab.distill.grouping import Grouping
from kdlab.distill.trainer import Point, Trainer
from kdlab.runs import build
from kdlab.runs.recipes import three_arms

FILE = Path(__file__).with_name("golden_numbers.npz")
SPECS: dict[str, tuple[dict[str, Any], int]] = {  # with the size of the groups
    "recorded": ({}, 5),
    "steered": (
        {"dataset": "digits", "labels": 50, "transfer": 200, "temperature": 4, "epochs": 10, "seeds": 3, "batch_size": 32},
        9,
    ),
    "words": (
        {"dataset": "languages", "labels": 160, "transfer": 320, "objective": {"name": "top_k_kl", "k": 4}}
        | {"epochs": 8, "seeds": 2, "learning_rate": 5e-3},
        2,
    ),
    "alone": (
        {"dataset": "digits", "labels": 40, "transfer": 100, "objective": "dkd", "epochs": 20, "seeds": 1},
        1,
    ),
    "images": (
        {"student": "cnn-small", "labels": 100, "transfer": 200, "epochs": 5, "seeds": 2, "kd_weight": 0.7}
        | {"objective": {"name": "generalized_jsd", "beta": 0.3, "continuous": True}},
        6,
    ),
    "no-transfer": (
        {"labels": 300, "transfer": 0, "objective": {"name": "reverse_kl", "t_squared": False}, "epochs": 6, "seeds": 2},
        4,
    ),
}
STEERED_AT = {"steered": {20: {"temperature": 2.0, "kd_weight": 0.4}}}


class _Kept:
    """A listener that keeps the points and steers where it is told to."""

    def __init__(self, steering: dict[int, dict[str, float]]) -> None:
        self.points: list[Point] = []
        self._steering = steering

    def point(self, point: Point) -> None:
        self.points.append(point)

    def before_step(self, trainer: Trainer) -> bool:
        if trainer.step_number in self._steering:
            trainer.steer(self._steering[trainer.step_number])
        return False


def numbers(name: str) -> dict[str, np.ndarray]:
    """Every point's numbers (points, arms, seeds) and the outcome's (arms, seeds, …) of one of the specs, now."""
    settings, group_size = SPECS[name]
    with _held(group_size):
        trainer = build.make_trainer(three_arms(**{"device": "cpu", **settings}))
        kept = _Kept(STEERED_AT.get(name, {}))
        trainer.train(kept)
        outcome = trainer.outcome()
    found = {
        f"point {metric}": np.array([point.values[metric] for point in kept.points], dtype=np.float32)
        for metric in kept.points[0].values
    }
    found |= {f"end {metric}": np.array(outcome[metric], dtype=np.float32) for metric in outcome if metric != "answers"}
    return found | {
        "step": np.array([point.step for point in kept.points]),
        "answers": np.array(outcome["answers"], dtype=np.uint8),
    }


def golden(name: str) -> dict[str, np.ndarray]:
    """What was recorded of one of the specs."""
    with np.load(FILE) as kept:
        return {key.split("/")[1]: kept[key] for key in kept.files if key.startswith(f"{name}/")}


def to_the_bit() -> bool:
    """Whether this machine adds up as the one that recorded did: the same processor, the same torch."""
    with np.load(FILE) as kept:
        return str(kept["machine"]) == _machine()


def _machine() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    model = sorted({line for line in lines if line.startswith(("vendor_id", "cpu family", "model\t"))})
    return f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()} {platform.machine()} {model}"


@contextmanager
def _held(group_size: int) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (
            tempfile.TemporaryDirectory() as home,
            mock.patch.dict(os.environ, {"KDLAB_HOME": home}),
            mock.patch.object(build, "grouping", return_value=Grouping(group_size, threads=1)),
        ):
            yield
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    found = {f"{name}/{key}": array for name in SPECS for key, array in numbers(name).items()}
    np.savez_compressed(FILE, machine=np.array(_machine()), **found)
