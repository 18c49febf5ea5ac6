"""Weights that a student of texts starts from: its teacher's embeddings and layers."""

from __future__ import annotations

from torch import Tensor

from kdlab.models.checkpoints import load_teacher
from kdlab.models.networks import build_student


def copied_layers(
    teacher: str, student: str, dataset: str, pairs: tuple[tuple[int, int], ...]
) -> dict[str, Tensor]:
    """By their names in the student. pairs: (the student's layer, the teacher's), from 1. Errors as `load_teacher`.

    A student knows the first of the teacher's word pieces and positions, so it takes the first rows of its tables.
    """
    theirs = load_teacher(teacher).state_dict()
    ours = build_student(student, dataset).state_dict()
    start = "bert.encoder.layer."
    copied = {name: theirs[name][: len(own)] for name, own in ours.items() if name.startswith("bert.embeddings.")}
    for m, t in pairs:
        source, target = f"{start}{t - 1}.", f"{start}{m - 1}."
        copied |= {name: theirs[source + name.removeprefix(target)] for name in ours if name.startswith(target)}
    return {name: tensor.clone() for name, tensor in copied.items()}
