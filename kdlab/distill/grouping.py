"""How a cohort trains: how many students stacked, with how many threads. Measured for a shape and a device, not guessed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import Group, fresh_student
from kdlab.distill.device import AVAILABLE_THREADS, free_memory, speed_depends_on, threads
from kdlab.models.catalogue import get_student
from kdlab.models.kept_files import measured_once
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


def grouping(student: str, dataset: str, count: int, rows: int, device: torch.device, cache: Path) -> Grouping:
    """The grouping with the most student-steps a second for ``count`` students and ``rows`` a batch, if it fits memory.

    Kept in ``cache``, so that a spec runs in the same groups and threads, hence with the same numbers, every time.
    Where memory is too short for such a group, the cohort is cut into even ones that fit.
    """
    about = {
        "student": identity_of(student),
        "data": get_dataset(dataset).fingerprint(),
        "count": count,
        "rows": rows,
        **speed_depends_on(device),
    }
    best = measured_once(
        cache / "grouping", about, Grouping, lambda: _measure(student, dataset, count, rows, device)
    )
    size = max(1, min(best.size, count, _most_that_fit(best.step_bytes, device)))
    if size < min(best.size, count):
        size = -(-count // -(-count // size))
    return replace(best, size=size, threads=max(1, min(best.threads, AVAILABLE_THREADS)))


def _most_that_fit(step_bytes: int, device: torch.device) -> int:
    free = free_memory(device)
    return 2**31 if free is None else int(_SHARE_OF_MEMORY * free) // max(1, step_bytes)


def _measure(student: str, dataset: str, count: int, rows: int, device: torch.device) -> Grouping:
    step_bytes = _step_bytes(student, dataset, rows, device)
    stacks = get_student(student, dataset).stacks
    sizes = sorted({1, min(count, 5), count}) if stacks else [1]
    sizes = [size for size in sizes if size <= max(1, _most_that_fit(step_bytes, device))]
    rates: dict[Grouping, float] = {}
    for size in sizes:
        for number in _thread_counts(device):
            with threads(number):
                seconds = _seconds_a_step(student, dataset, size, rows, device)
            rates[Grouping(size, number, step_bytes)] = size / seconds
        if size == 1 and 1 / max(rates.values()) > _SLOW:
            break
    return max(rates, key=lambda found: rates[found])


def _thread_counts(device: torch.device) -> list[int]:
    """1, 2, 4 … and all; a card's work does not depend on them."""
    if device.type != "cpu":
        return [AVAILABLE_THREADS]
    return sorted({AVAILABLE_THREADS, *(2**i for i in range(AVAILABLE_THREADS.bit_length()))})


def _group(student: str, dataset: str, size: int, rows: int, device: torch.device) -> tuple[Group, Tensor, Tensor]:
    """Students with a batch each: x (size, rows, …), y (size, rows)."""
    arrays = inputs_for(student, dataset)
    picked = torch.arange(size * rows).remainder(len(arrays.x_train)).reshape(size, rows)
    x = torch.from_numpy(arrays.x_train[picked.numpy()]).to(device)
    y = torch.from_numpy(arrays.y_train[picked.numpy()]).to(device)
    students = [fresh_student(student, dataset, seed) for seed in range(size)]
    return Group(students, 1e-3, device, slice(0, size), arms=1), x, y


def _seconds_a_step(student: str, dataset: str, size: int, rows: int, device: torch.device) -> float:
    group, x, y = _group(student, dataset, size, rows, device)
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        loss = cross_entropy(group.logits(x).flatten(0, 1), y.flatten())
        group.step(loss, 1e-3)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
        if times[-1] > _SLOW * size:
            break
    return min(times)


def _step_bytes(student: str, dataset: str, rows: int, device: torch.device) -> int:
    """What a lone student's step holds beside weights and moments: its batch, what its forward pass keeps for the
    backward pass, and as much again for gradients."""
    group, x, y = _group(student, dataset, 1, rows, device)
    kept: dict[int, int] = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = cross_entropy(group.logits(x).flatten(0, 1), y.flatten())
    del loss
    return 2 * sum(kept.values())
