"""What a run kept of its students' inside, and of their teacher's, for a few test examples; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TEACHER, START = "teacher", "start"


def of_arm(key: str) -> str:
    """Whose inside it is: that of the arm's student, of the first seed, at the end."""
    return f"arm {key}"


def start_of(key: str) -> str:
    """That of the arm's student at its start, where it starts otherwise than the seed's other students."""
    return f"{START} of {key}"


def named(whose: str, layer: int, part: str) -> str:
    """What an array is called. part: "attention" or "strip"."""
    return f"{whose}/{layer}/{part}"


@dataclass(frozen=True)
class InsideKept:
    """``examples``: test examples' numbers. ``arrays``: by `named`, a row an example, float16.

    "attention": where a layer is busy (n, positions), or how much each word piece looks to each (n, L, L), 0 at padding.
    "strip": each channel's mean over positions (n, channels). Layers are numbered from 1.
    """

    examples: tuple[int, ...]
    arrays: Mapping[str, np.ndarray]

    def layers(self, whose: str) -> list[int]:
        """The numbers of the layers that are kept; none where nothing is."""
        return sorted({int(name.split("/")[1]) for name in self.arrays if name.startswith(f"{whose}/")})

    def beginning(self, arm: str) -> str:
        """Whose inside the arm's student had at its start."""
        own = start_of(arm)
        return own if self.layers(own) else START

    def seen(self, whose: str, layer: int, part: str, example: int) -> np.ndarray:
        return np.nan_to_num(self.arrays[named(whose, layer, part)][self.examples.index(example)].astype(np.float32))

    def likeness(self, whose: str, ours: int, theirs: int) -> float | None:
        """Cosine of the attention of somebody's layer and of the teacher's, a mean over examples; None for unlike shapes."""
        a, b = (
            np.nan_to_num(self.arrays[named(who, layer, "attention")].astype(np.float64))
            for who, layer in ((whose, ours), (TEACHER, theirs))
        )
        if a.shape != b.shape:
            return None
        a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return float(((a * b).sum(1) / np.maximum(lengths, 1e-12)).mean())


def read_inside(arrays: Mapping[str, np.ndarray] | None) -> InsideKept | None:
    """What was kept; None where nothing was, or not by a lab like this."""
    if arrays is None or "examples" not in arrays or not any(name.startswith(f"{TEACHER}/") for name in arrays):
        return None
    rest = {name: array for name, array in arrays.items() if name != "examples"}
    if any(len(array) != len(arrays["examples"]) or name.count("/") != 2 for name, array in rest.items()):
        return None
    return InsideKept(tuple(arrays["examples"].tolist()), rest)
