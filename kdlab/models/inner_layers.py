"""How large the hidden layers of teachers and students are; needs no torch, so that a page can say what fits what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import get_student, get_teacher
from kdlab.models.sizes import HEAD

if TYPE_CHECKING:
    from torch import Tensor


class Layer(NamedTuple):
    """Positions and channels of a hidden layer, and its heads of attention where it has some."""

    positions: int
    channels: int
    heads: int = 0


class Inner(NamedTuple):
    """What a network shows of its inside, as `forward(x, inside=True)` gives it beside the logits.

    hidden: its layers from the first to the last, each (B, positions, channels), 0 at padding; a transformer's
    embeddings come before its first. heads: queries, keys and values of each layer of a transformer side by side,
    (B, positions, 3 · channels).
    """

    hidden: tuple[Tensor, ...] = ()
    heads: tuple[Tensor, ...] = ()


Parts = tuple[tuple[int, int], ...]
"""A batch of texts as parts that follow one another: how many texts, and how far the longest of them goes."""


def numbered(layers: tuple[Layer, ...]) -> dict[int, Layer]:
    """Layers by their number: 1 is the first hidden layer, 0 a transformer's embeddings."""
    first = 0 if layers and layers[-1].heads else 1
    return dict(enumerate(layers, first))


def bert_layers(layers: int, width: int) -> tuple[Layer, ...]:
    """Embeddings and layers of a BERT of this size."""
    return (Layer(word_pieces.WINDOW, width), *[Layer(word_pieces.WINDOW, width, width // HEAD)] * layers)


_TEACHERS: dict[str, tuple[Layer, ...]] = {
    "digits": (Layer(1, 256), Layer(1, 256)),
    "fashion": (Layer(196, 32), Layer(49, 64), Layer(49, 128), Layer(49, 128)),
    "languages": (Layer(1, 32), Layer(1, 128)),
    "glosses": bert_layers(6, 384),
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
            return (Layer(1, int(name.removeprefix("mlp-"))),)
        case "cnn-small":
            return tuple(Layer(math.prod(math.ceil(n / by) for n in shape), c) for by, c in ((2, 8), (4, 16)))
        case "char-cnn-small":
            return (Layer(shape[0], 32),)
        case "embedding-bag":
            return (Layer(shape[0], 64),)
        case "bert-1x64" | "bert-2x64" | "bert-2x128" | "bert-2x384":
            return bert_layers(*map(int, name.removeprefix("bert-").split("x")))
    return ()


def closed_because(teacher: str) -> str | None:
    """Why nobody can look into a teacher on this machine, in a sentence, with the command that opens it where there is one; None where
    one can."""
    if is_added(teacher):
        return (
            "This teacher answered once, read the texts with a tokenizer of its own, and is not kept here: its places are not the "
            "student's, so nothing inside can be compared."
        )
    if teacher == "glosses" and not word_pieces.model_installed():
        return word_pieces.MISSING
    return None
