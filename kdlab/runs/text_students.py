"""What the students of a text run say of a text, in NumPy: their weights as the run left them, or as a recording keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from kdlab.models.causal_numpy import head, hidden
from kdlab.models.causal_shapes import get_shape
from kdlab.runs import artifacts, recorded
from kdlab.runs.store import Run
from kdlab.runs.text_spec import TextSpec


@dataclass(frozen=True)
class TextStudent:
    """A student of an arm: the first of the run's seeds whose weights are there, in ``path``."""

    arm: str
    label: str
    hue: str
    seed: int
    shape: str
    path: Path


def students_of(run: Run) -> list[TextStudent]:
    """The students of a text run whose weights are here, one an arm. Of another run there are none."""
    spec = run.spec
    if not isinstance(spec, TextSpec):
        return []
    found = []
    for arm in spec.arms:
        paths = ((seed, _path(run, arm.key, seed)) for seed in range(spec.seeds))
        seed, path = next(((seed, path) for seed, path in paths if path.is_file()), (0, None))
        if path is not None:
            found.append(TextStudent(arm.key, arm.label, arm.hue, seed, spec.student, path))
    return found


def student_logits(student: TextStudent, ids: np.ndarray) -> np.ndarray:
    """(L, V) what it says comes after each of the own ids (L,), at most a window of them.

    Raises ValueError where its weights are damaged, or those of another network.
    """
    told = student.path.stat()
    return _logits(student, told.st_mtime_ns, ids.astype(np.int64).tobytes())


@lru_cache(16)
def _logits(student: TextStudent, written: int, ids: bytes) -> np.ndarray:
    weights, shape = _weights(student, written), get_shape(student.shape)
    try:
        logits = hidden(weights, shape, np.frombuffer(ids, np.int64)) @ head(weights, shape).T
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"The weights of the student {student.label!r} are those of another network.") from error
    if not np.isfinite(logits).all():
        raise ValueError(f"The student {student.label!r} says nothing: its weights hold values that are not numbers.")
    return logits


@lru_cache(8)
def _weights(student: TextStudent, _: int) -> Mapping[str, np.ndarray]:
    try:
        return {name: array.astype(np.float32) for name, array in load_file(student.path).items()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"The weights of the student {student.label!r} are damaged.") from error


def _path(run: Run, arm: str, seed: int) -> Path:
    if run.owner == recorded.OWNER:
        return recorded.student_path(recorded.name_of(run), arm)
    return artifacts.student_path(run.id, arm, seed)
