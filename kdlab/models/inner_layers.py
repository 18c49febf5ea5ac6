"""How large the hidden layers of teachers and students are; needs no torch, so that a page can say what fits what."""

from __future__ import annotations

import math

from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import get_student, get_teacher

Layer = tuple[int, int]
"""Positions and channels of a hidden layer, as `Network.forward(x, inside=True)` gives it."""

_TEACHERS: dict[str, tuple[Layer, ...]] = {
    "digits": ((1, 256), (1, 256)),
    "fashion": ((196, 32), (49, 64), (49, 128), (49, 128)),
    "languages": ((1, 32), (1, 128)),
}


def layers_of_teacher(name: str) -> tuple[Layer, ...]:
    """From the first hidden layer to the last; none where they are not looked into. Raises ValueError for an unknown teacher."""
    get_teacher(name)
    return _TEACHERS.get(name, ())


def layers_of_student(name: str, dataset_name: str) -> tuple[Layer, ...]:
    """From the first hidden layer to the last; none where there are none, or where the lab does not look into them. Errors as `get_student`."""
    get_student(name, dataset_name)
    shape = get_dataset(dataset_name).input_shape
    match name:
        case "mlp-16" | "mlp-64":
            return ((1, int(name.removeprefix("mlp-"))),)
        case "cnn-small":
            return tuple((math.prod(math.ceil(n / by) for n in shape), c) for by, c in ((2, 8), (4, 16)))
        case "char-cnn-small":
            return ((shape[0], 32),)
    return ()
