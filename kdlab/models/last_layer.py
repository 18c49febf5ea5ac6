"""The last layer of a bundled teacher, read from its file without torch."""

from __future__ import annotations

import re

import numpy as np
from safetensors import safe_open

from kdlab.models.catalogue import weights_path


def last_layer(teacher: str) -> np.ndarray:
    """The weights below the logits, (K, units) float32.

    Raises ValueError for an unknown teacher, and for one whose file has no such layer.
    """
    with safe_open(weights_path(teacher), framework="numpy") as weights:
        names = set(weights.keys())
        numbered = [(int(found[1]), name) for name in names if (found := re.fullmatch(r"layers\.(\d+)\.weight", name))]
        name = max(numbered)[1] if numbered else "output.weight"
        if name not in names:
            raise ValueError(f"The file of the teacher {teacher!r} holds no last layer.")
        return weights.get_tensor(name).astype(np.float32)
