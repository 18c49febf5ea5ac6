"""A worker: a process that warms up, waits for one run's id and a token on its standard input, claims that run and ends with it.

``python -m kdlab.runs.worker``. It ends when its input is closed before a run has come; a run that it
has begun goes on even when the server that started it is gone.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch

from kdlab.data.home import home
from kdlab.distill.device import describe_device, resolve_device
from kdlab.distill.trainer import Point, Trainer
from kdlab.models.kept_files import write_whole
from kdlab.runs.backends import slots
from kdlab.runs.build import make_trainer
from kdlab.runs.execute import execute, profiles
from kdlab.runs.patience import MAY_PASS, patiently
from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Store


class _Silent:
    """A listener for the warm-up."""

    def point(self, point: Point) -> None: ...

    def before_step(self, trainer: Trainer) -> bool:
        return False


def warm_up() -> None:
    """Pays the first-time costs before a visitor waits: data, kernels, the default run's grouping and costs."""
    device = resolve_device()
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(0.9 / slots(), device)
    about: dict[str, Any] = describe_device(device) | {"torch": version("torch")}
    with contextlib.suppress(*MAY_PASS):
        write_whole(home() / "device.json", json.dumps(about).encode())
    spec = three_arms()
    trainer = make_trainer(spec)
    trainer.budget = replace(trainer.budget, steps=3)
    trainer.train(_Silent())
    profiles(spec, device)


def serve(run_id: str, token: str) -> None:
    """Claims the run and trains it, unless another has it; a store that is away is waited for."""
    store = patiently(Store, f"Run {run_id}: opening the store")
    claim = patiently(lambda: store.claim(run_id, token), f"Run {run_id}: claiming it")
    if claim is not None:
        execute(claim, store)


def main() -> None:
    warm_up()
    run_id, _, token = sys.stdin.readline().strip().partition(" ")
    if run_id:
        serve(run_id, token)


if __name__ == "__main__":
    main()
