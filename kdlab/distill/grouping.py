"""How many students train stacked: measured once for a shape and a device, not guessed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import Group, fresh_student

_REPEATS = 6
_SLOW = 0.25  # seconds for one step of a lone student: a long measurement would cost more than it saves


def group_size(student: str, dataset: str, count: int, rows: int, device: torch.device, cache: Path) -> int:
    """The group size with the most student-steps a second for ``count`` students and ``rows`` a batch.

    Kept in ``cache``, so that a spec runs in the same groups, hence with the same numbers, every time.
    """
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device} {torch.get_num_threads()}"
    )
    parts = (student, get_dataset(dataset).fingerprint(), str(count), str(rows), name, torch.__version__)
    path = cache / "grouping" / f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}.json"
    if path.is_file():
        return int(json.loads(path.read_text())["group_size"])
    best = _measure(student, dataset, count, rows, device)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(
        json.dumps({"group_size": best, "student": student, "dataset": dataset, "device": name})
    )
    partial.replace(path)
    return best


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
    group = Group([fresh_student(student, dataset, seed) for seed in range(size)], 1e-3, device)
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        loss = cross_entropy(group.logits(x).flatten(0, 1), y.flatten())
        group.step(loss)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
        if times[-1] > _SLOW * size:
            break
    return min(times)
