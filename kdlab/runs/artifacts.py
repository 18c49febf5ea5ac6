"""What a run leaves beside its rows: students' weights, their answers on the test set, a paused run's checkpoint."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from kdlab.data.home import home
from kdlab.models.kept_files import read_arrays, write_arrays, write_whole
from kdlab.runs.inside_kept import InsideKept, read_inside


def folder(run_id: str) -> Path:
    """The run's own folder; not made here. Raises ValueError for what is not a run's id."""
    if not run_id.isalnum():
        raise ValueError(f"{run_id[:40]!r} is not the id of a run")
    return home() / "runs" / run_id


def student_path(run_id: str, arm: str, seed: int) -> Path:
    """The safetensors file of one student, by its arm's key."""
    return folder(run_id) / f"{arm}-seed{seed}.safetensors"


def save_answers(run_id: str, answers: list[list[list[int]]]) -> None:
    """answers (arms, seeds, N): the class that each student gives to each test example."""
    write_arrays(folder(run_id) / "answers.npz", answers=np.array(answers, dtype=np.uint8))


def load_answers(run_id: str) -> np.ndarray | None:
    """(arms, seeds, N) classes; None for a run that did not end, or whose file is damaged."""
    answers = (read_arrays(folder(run_id) / "answers.npz") or {}).get("answers")
    return answers if answers is not None and answers.ndim == 3 else None


def save_inside(run_id: str, arrays: dict[str, np.ndarray]) -> None:
    """Keeps what the students hold inside (`kdlab.runs.inside_kept`)."""
    write_arrays(inside_path(run_id), **arrays)


def inside_path(run_id: str) -> Path:
    """Where that is kept."""
    return folder(run_id) / "inside.npz"


def load_inside(run_id: str) -> InsideKept | None:
    """What was kept of the students' inside; None where nothing was, or it is damaged."""
    return read_inside(read_arrays(inside_path(run_id)))


def save_checkpoint(run_id: str, tensors: dict[str, Any], about: dict[str, str]) -> None:
    """Keeps a trainer's state (torch tensors by name) as safetensors, whole. Raises OSError."""
    from safetensors.torch import save  # torch: only a worker has it

    write_whole(folder(run_id) / "paused.safetensors", save(tensors, metadata=about))


def load_checkpoint(run_id: str) -> tuple[dict[str, Any], dict[str, str]] | None:
    """The tensors of a paused run, on the CPU, and what was said about them; None where none can be read."""
    try:
        with safe_open(folder(run_id) / "paused.safetensors", "pt") as kept:
            return {name: kept.get_tensor(name) for name in kept.keys()}, kept.metadata()  # noqa: SIM118
    except (OSError, SafetensorError):
        return None


def drop_checkpoint(run_id: str) -> None:
    with suppress(OSError):  # it takes room, and does no harm
        (folder(run_id) / "paused.safetensors").unlink(missing_ok=True)


def delete(run_id: str) -> None:
    shutil.rmtree(folder(run_id), ignore_errors=True)
