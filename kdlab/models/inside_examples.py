"""What a teacher holds inside for a few test examples, as `kdlab.models.record_inside` kept it; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kdlab.data.registry import get_dataset
from kdlab.data.word_pieces import PADDING, vocabulary
from kdlab.models.catalogue import get_teacher, weights_path, weights_sha256
from kdlab.models.kept_files import read_arrays
from kdlab.models.last_layer import last_layer


@dataclass(frozen=True)
class InsideExample:
    """One example's inside.

    hidden (positions, channels): the last hidden layer. attention: of a picture where that layer is busy, (positions,); of
    a text how much each piece looks to each, (positions, positions), the mean over the heads of the last layer. jacobian:
    of a picture the logits' in the input, (K, …); of a text how far a step of a tenth of a piece's embedding can move each
    logit, were it a straight line, (K, positions). output_weights (K, channels): the last layer of the teacher,
    the same for every example. pieces: of a text, without padding.
    """

    hidden: np.ndarray
    attention: np.ndarray
    jacobian: np.ndarray
    output_weights: np.ndarray
    pieces: tuple[str, ...] = ()


def _busy(hidden: np.ndarray) -> np.ndarray:
    """Where a layer is busy, (positions,): the mean square over channels, of length 1, as `kdlab.distill.white_box.attention_map`
    has it (arXiv 1612.03928)."""
    energy = np.square(hidden.astype(np.float32)).mean(1)
    return energy / max(float(np.linalg.norm(energy)), 1e-12)


def inside_path(teacher: str) -> Path:
    """Where it is kept, beside the teacher's weights."""
    return weights_path(teacher).with_suffix(".inside.npz")


@cache
def inside_examples(teacher: str) -> dict[int, InsideExample]:
    """By test example's number; empty where nothing was kept for this teacher.

    Raises ValueError where it was computed on other data or by other weights.
    """
    kept = read_arrays(inside_path(teacher))
    if kept is None:
        return {}
    dataset = get_dataset(get_teacher(teacher).dataset)
    ours = dataset.fingerprint(), weights_sha256(teacher)
    if (str(kept["dataset_fingerprint"]), str(kept["weights_sha256"])) != ours:
        raise ValueError(
            f"What is kept of the inside of the teacher {teacher!r} belongs to other data or weights. "
            f"Run: python -m kdlab.models.record_inside {teacher} NUMBER …"
        )
    output = last_layer(teacher)
    found = {}
    for i, number in enumerate(kept["examples"].tolist()):
        hidden, jacobian = kept["hidden"][i], kept["jacobian"][i]
        if dataset.kind != "token":
            found[number] = InsideExample(hidden, _busy(hidden), jacobian, output)
            continue
        ids = dataset.load().x_test[number]
        pieces = tuple(vocabulary().pieces[piece] for piece in ids[ids != PADDING])
        seen = slice(len(pieces))
        attention = kept["attention"][i][seen, seen]
        found[number] = InsideExample(hidden[seen], attention, jacobian[:, seen], output, pieces)
    return found
