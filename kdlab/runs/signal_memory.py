"""What a run's signals from inside its teacher take of memory, and what they may take; known before it is launched."""

from __future__ import annotations

import math

from kdlab.data.registry import get_dataset
from kdlab.distill.access import SHARE_OF_MEMORY
from kdlab.models.inner_layers import layers_of_student, layers_of_teacher
from kdlab.models.machine import usable
from kdlab.runs.spec import RunSpec

_FLOAT16, _INT64 = 2, 8


def signal_bytes(spec: RunSpec, examples: int | None = None) -> int:
    """Bytes of all that the arms are asked to match inside the teacher, as training holds it: what several read, once
    (`kdlab.distill.inside`).

    examples: how many are drawn, where that is known.
    """
    data = get_dataset(spec.dataset)
    layers = layers_of_student(spec.student, spec.dataset), layers_of_teacher(spec.teacher)
    if examples is None:
        examples = min(data.train_size, spec.seeds * (spec.labels + spec.transfer))  # seeds share as few as they can
    # A derivative comes with its direction: a sign a pixel, or which piece is swapped for which.
    direction = math.prod(data.input_shape) if data.kind == "image" else 2 * _INT64
    by_access = {asked.reads(*layers): asked for arm in spec.arms for asked in arm.insides}
    return examples * sum(
        _FLOAT16 * asked.numbers(*layers, len(data.classes)) + direction * asked.compares_gradients
        for asked in by_access.values()
    )


def allowed_bytes() -> int | None:
    """How much of this machine's memory such signals may take now; None where it does not say how much it has."""
    free = usable()
    return None if free is None else int(SHARE_OF_MEMORY * free)
