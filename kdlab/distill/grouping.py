"""How many students train stacked: measured once for a shape and a device, not guessed."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import Group, fresh_student
from kdlab.distill.device import speed_depends_on
from kdlab.models.kept_files import measured_once

_REPEATS = 6
_SLOW = 0.25  # seconds for one step of a lone student: a long measurement would cost more than it saves


def group_size(student: str, dataset: str, count: int, rows: int, device: torch.device, cache: Path) -> int:
    """The group size with the most student-steps a second for ``count`` students and ``rows`` a batch.

    Kept in ``cache``, so that a spec runs in the same groups, hence with the same numbers, every time.
    """
    about = {
        "student": student,
        "data": get_dataset(dataset).fingerprint(),
        "count": count,
        "rows": rows,
        **speed_depends_on(device),
    }
    best = measured_once(
        cache / "grouping", about, int, lambda: _measure(student, dataset, count, rows, device)
    )
    return max(1, min(best, count))


def _measure(student: str, dataset: str, count: int, rows: int, device: torch.device) -> int:
    candidates = sorted({1, min(count, 5), count})
    rates: dict[int, float] = {}
    for size in candidates:
        seconds = _seconds_a_step(student, dataset, size, rows, device)
        rates[size] = size / seconds
        if size == 1 and seconds > _SLOW:
            break
    return max(rates, key=lambda size: rates[size])


def _seconds_a_step(student: str, dataset: str, size: int, rows: int, device: torch.device) -> float:
    arrays = get_dataset(dataset).load()
    picked = torch.arange(size * rows).remainder(len(arrays.x_train)).reshape(size, rows)
    x = torch.from_numpy(arrays.x_train[picked.numpy()]).to(device)
    y = torch.from_numpy(arrays.y_train[picked.numpy()]).to(device)
    students = [fresh_student(student, dataset, seed) for seed in range(size)]
    group = Group(students, 1e-3, device, slice(0, size), arms=1)
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
