"""How many parameters students have, from their shapes alone; needs no torch, so that a page can say it."""

from __future__ import annotations

import math

from kdlab.data.registry import get_dataset
from kdlab.data.text import ALPHABET_SIZE
from kdlab.models.catalogue import get_student

BYTES = {"bf16": 2, "float32": 4}
"""Bytes a parameter, by how it is kept."""

HEAD = 32
"""Numbers a head of attention, the glosses' teacher's and every BERT student's."""


def student_parameters(name: str, dataset_name: str) -> int:
    """The parameters of a student of a data set, as `build_student` makes it. Errors as `get_student`."""
    get_student(name, dataset_name)
    dataset = get_dataset(dataset_name)
    classes, pixels = len(dataset.classes), math.prod(dataset.input_shape)
    match name:
        case "linear":
            return _linear(pixels, classes)
        case "mlp-16" | "mlp-64":
            hidden = int(name.removeprefix("mlp-"))
            return _linear(pixels, hidden) + _linear(hidden, classes)
        case "cnn-small":
            places = math.prod(math.ceil(n / 4) for n in dataset.input_shape)
            return _linear(9, 8) + _linear(9 * 8, 16) + _linear(16 * places, classes)
        case "ngram-linear":
            return _linear(1 << 12, classes)
        case "char-cnn-small":
            return ALPHABET_SIZE * 16 + _linear(16 * 5, 32) + _linear(32, classes)
        case "embedding-bag":
            return known_pieces(dataset_name) * 64 + _linear(64, classes)
    layers, width = map(int, name.removeprefix("bert-").split("x"))
    return bert_parameters(known_pieces(dataset_name), layers, width, pixels) + _linear(width, classes)


def bert_parameters(vocabulary: int, layers: int, width: int, positions: int) -> int:
    """A BERT encoder whose feed-forward layers are four times as wide (Devlin et al. 2019), without pooler and head."""
    norm = 2 * width
    embeddings = (vocabulary + positions + 2) * width + norm
    layer = 4 * _linear(width, width) + norm + _linear(width, 4 * width) + _linear(4 * width, width) + norm
    return embeddings + layers * layer


def known_pieces(dataset_name: str) -> int:
    """How many word pieces a student knows: those of its training examples, which have the lowest ids."""
    return int(get_dataset(dataset_name).load().x_train.max()) + 1


def _linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
