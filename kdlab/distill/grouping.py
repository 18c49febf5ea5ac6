"""How a cohort trains: how many students stacked, with how many threads. Measured for a shape and a device, not guessed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import Build, Group, fresh
from kdlab.distill.device import AVAILABLE_THREADS, free_memory, speed_depends_on, threads
from kdlab.models.catalogue import get_student
from kdlab.models.kept_files import measured_once
from kdlab.models.networks import build_student
from kdlab.models.student_inputs import identity_of, inputs_for

_REPEATS = 6
_SLOW = 0.25  # seconds for one step of a lone student: a long measurement would cost more than it saves
_SHARE_OF_MEMORY = 0.5  # of what is free: scores and the other run need some too


@dataclass(frozen=True)
class Grouping:
    """``size`` students train stacked, PyTorch works with ``threads``; a student's step holds ``step_bytes``."""

    size: int
    threads: int
    step_bytes: int = 0


@dataclass(frozen=True)
class Work:
    """What a student does at a step, to be measured. ``about`` tells it from all other work; ``loss`` gives the loss of a
    group's students on their batches, a sum over them. ``stacks``: whether students of this shape can train as one."""

    about: Mapping[str, str | int]
    build: Build
    loss: Callable[[Group], Tensor]
    stacks: bool


def classifying(student: str, dataset: str, rows: int, device: torch.device) -> Work:
    """A classifier's step of ``rows`` examples."""
    arrays = inputs_for(student, dataset)

    @cache
    def batches(size: int) -> tuple[Tensor, Tensor]:
        picked = torch.arange(size * rows).remainder(len(arrays.x_train)).reshape(size, rows).numpy()
        return torch.from_numpy(arrays.x_train[picked]).to(device), torch.from_numpy(arrays.y_train[picked]).to(device)

    def loss(group: Group) -> Tensor:
        x, y = batches(group.size)
        return cross_entropy(group.outputs(x).flatten(0, 1), y.flatten())

    about = {"student": identity_of(student), "data": get_dataset(dataset).fingerprint(), "rows": rows}
    return Work(about, partial(build_student, student, dataset), loss, get_student(student, dataset).stacks)


def grouping(work: Work, count: int, device: torch.device, cache: Path) -> Grouping:
    """The grouping with the most student-steps a second for ``count`` students, if it fits memory.

    Kept in ``cache``, so that a spec runs in the same groups and threads, hence with the same numbers, every time.
    Where memory is too short for such a group, the cohort is cut into even ones that fit.
    """
    about = {**work.about, "count": count, **speed_depends_on(device)}
    best = measured_once(cache / "grouping", about, Grouping, lambda: _measure(work, count, device))
    size = max(1, min(best.size, count, _most_that_fit(best.step_bytes, device)))
    if size < min(best.size, count):
        size = -(-count // -(-count // size))
    return replace(best, size=size, threads=max(1, min(best.threads, AVAILABLE_THREADS)))


def _most_that_fit(step_bytes: int, device: torch.device) -> int:
    free = free_memory(device)
    return 2**31 if free is None else int(_SHARE_OF_MEMORY * free) // max(1, step_bytes)


def _measure(work: Work, count: int, device: torch.device) -> Grouping:
    step_bytes = _step_bytes(work, device)
    sizes = sorted({1, min(count, 5), count}) if work.stacks else [1]
    sizes = [size for size in sizes if size <= max(1, _most_that_fit(step_bytes, device))]
    rates: dict[Grouping, float] = {}
    for size in sizes:
        for number in _thread_counts(device):
            with threads(number):
                seconds = _seconds_a_step(work, size, device)
            rates[Grouping(size, number, step_bytes)] = size / seconds
        if size == 1 and 1 / max(rates.values()) > _SLOW:
            break
    return max(rates, key=lambda found: rates[found])


def _thread_counts(device: torch.device) -> list[int]:
    """1, 2, 4 … and all; a card's work does not depend on them."""
    if device.type != "cpu":
        return [AVAILABLE_THREADS]
    return sorted({AVAILABLE_THREADS, *(2**i for i in range(AVAILABLE_THREADS.bit_length()))})


def _group(work: Work, size: int, device: torch.device) -> Group:
    students = [fresh(work.build, seed) for seed in range(size)]
    return Group(students, 1e-3, device, slice(0, size), arms=1)


def _seconds_a_step(work: Work, size: int, device: torch.device) -> float:
    group, times = _group(work, size, device), []
    work.loss(group)  # makes the batches
    for _ in range(_REPEATS):
        start = time.perf_counter()
        group.step(work.loss(group), 1e-3)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
        if times[-1] > _SLOW * size:
            break
    return min(times)


def _step_bytes(work: Work, device: torch.device) -> int:
    """What a lone student's step holds beside weights and moments: what its forward pass keeps for the backward pass, its
    batch with it, and as much again for gradients."""
    group, kept = _group(work, 1, device), dict[int, int]()

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = work.loss(group)
    del loss
    return 2 * sum(kept.values())
