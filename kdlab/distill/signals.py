"""What a teacher reveals, computed once and kept: training reads signals, never the teacher."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import TEACHERS, teacher_logits, weights_sha256
from kdlab.models.checkpoints import load_teacher

Access = Literal["labels", "logits"]


@dataclass(frozen=True)
class TeacherSignal:
    """A teacher's outputs on its dataset at one level of access.

    ``train`` and ``test`` are (N, K) float32 logits, or (N,) classes where only labels are revealed.
    """

    access: Access
    classes: int
    train: np.ndarray
    test: np.ndarray

    @property
    def bits_per_query(self) -> float:
        """How much one answer can tell: log2 K for a label, 32 bits a class for float32 logits."""
        return math.log2(self.classes) if self.access == "labels" else 32.0 * self.classes

    def labels(self) -> TeacherSignal:
        """The same teacher as a black box that says only its likeliest class."""
        if self.access == "labels":
            return self
        return TeacherSignal("labels", self.classes, self.train.argmax(-1), self.test.argmax(-1))


def load_signal(teacher: str, access: Access, cache: Path) -> TeacherSignal:
    """The teacher's signal on the whole of its dataset.

    From the logits that come with the teacher; else from ``cache``, keyed by a hash of the teacher's
    weights and the data; else the teacher answers once, now, and the cache keeps it.
    Raises CheckpointError when the teacher itself cannot be loaded.
    """
    try:
        shipped = teacher_logits(teacher)
        train, test = shipped.train, shipped.test
    except ValueError:
        train, test = _cached_logits(teacher, cache)
    signal = TeacherSignal("logits", train.shape[1], train, test)
    return signal.labels() if access == "labels" else signal


def _cached_logits(teacher: str, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    dataset = get_dataset(TEACHERS[teacher].dataset)
    parts = (teacher, weights_sha256(teacher), dataset.fingerprint())
    path = cache / f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32]}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return kept["train"], kept["test"]
    arrays = dataset.load()
    train, test = answer(teacher, arrays.x_train), answer(teacher, arrays.x_test)
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, train=train, test=test)
    partial.replace(path)
    return train, test


def answer(teacher: str, x: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """The teacher's logits (N, K) float32 on x, computed now."""
    module = load_teacher(teacher)
    with torch.inference_mode():
        batches = [
            module(torch.from_numpy(np.array(x[i : i + batch_size]))) for i in range(0, len(x), batch_size)
        ]
    return torch.cat(batches).float().numpy()
