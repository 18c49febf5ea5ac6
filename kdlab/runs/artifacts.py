"""What a run leaves beside its rows: the students' weights and their answers on the test set."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from kdlab.models.kept_files import read_arrays, write_arrays
from kdlab.runs.home import home


def folder(run_id: str) -> Path:
    """The run's own folder; not made here. Raises ValueError for what is not a run's id."""
    if not run_id.isalnum():
        raise ValueError(f"{run_id[:40]!r} is not the id of a run")
    return home() / "runs" / run_id


def student_path(run_id: str, role: str, seed: int) -> Path:
    """The safetensors file of one student."""
    return folder(run_id) / f"{role}-seed{seed}.safetensors"


def save_answers(run_id: str, answers: list[list[list[int]]]) -> None:
    """answers (arms, seeds, N): the class that each student gives to each test example."""
    write_arrays(folder(run_id) / "answers.npz", answers=np.array(answers, dtype=np.uint8))


def load_answers(run_id: str) -> np.ndarray | None:
    """(arms, seeds, N) classes; None for a run that did not end, or whose file is damaged."""
    answers = (read_arrays(folder(run_id) / "answers.npz") or {}).get("answers")
    return answers if answers is not None and answers.ndim == 3 else None


def delete(run_id: str) -> None:
    shutil.rmtree(folder(run_id), ignore_errors=True)
