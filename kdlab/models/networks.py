"""The networks of images and characters, and who builds which. Each maps x as the data set gives it to logits (B, K).

A student has neither dropout nor running statistics, and its path does not depend on its input, so that students
of one shape can be stacked (`torch.func.stack_module_state`) and trained as one under `vmap`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdlab.data.registry import get_dataset
from kdlab.data.text import ALPHABET_SIZE
from kdlab.models.catalogue import get_student, get_teacher
from kdlab.models.embedding_bag import EmbeddingBag
from kdlab.models.inner_layers import Inner
from kdlab.models.sizes import known_pieces
from kdlab.models.student_folder import is_folder_student

HASH = 2654435761  # Knuth's multiplicative hash: an odd number near 2³² divided by the golden ratio


class Network(nn.Module):
    """A network that shows its hidden layers, in order, where it is asked to."""

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, K), and the hidden layers from the first to the last: (B, C), (B, C, L) or (B, C, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor, inside: bool = False) -> Any:
        """Logits (B, K); with ``inside`` a pair of them and of `Inner`."""
        logits, layers = self.through(x)
        return (logits, Inner(tuple(map(_by_position, layers)))) if inside else logits


def _by_position(layer: Tensor) -> Tensor:
    """(B, C, …) → (B, positions, C)."""
    return layer.unflatten(1, (1, -1)) if layer.ndim == 2 else layer.flatten(2).transpose(1, 2)


class Linear(Network):
    """Logits linear in the pixels."""

    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(pixels, classes)

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, H, W)
        return self.output(x.flatten(1)), []


class MLP(Network):
    """Fully connected layers with ReLU between them."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, H, W)
        hidden = [x.flatten(1)]
        for layer in self.layers[:-1]:
            hidden.append(F.relu(layer(hidden[-1])))
        return self.layers[-1](hidden[-1]), hidden[1:]


class SmallCNN(Network):
    """Two convolutions, each halving height and width, then a linear layer."""

    def __init__(self, height: int, width: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.second = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.output = nn.Linear(16 * math.ceil(height / 4) * math.ceil(width / 4), classes)

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, H, W)
        first = F.relu(self.first(x.unsqueeze(1)))  # (B, 8, H/2, W/2)
        second = F.relu(self.second(first))  # (B, 16, H/4, W/4)
        return self.output(second.flatten(1)), [first, second]


def ngram_buckets(x: Tensor, longest: int, bits: int) -> tuple[Tensor, Tensor]:
    """The hashed character n-grams of x, n = 1 … longest: buckets and weights, both (B, longest·L).

    A weight is 1/√(number of n-grams) for a real n-gram and 0 for one that touches padding. Integer work only; ids
    are at least 1, so n-grams of different length never share a code before hashing.
    """
    codes, real = [], []
    code, inside = x, x > 0  # (B, L): the n-gram that ends at each position
    for n in range(1, longest + 1):
        if n > 1:
            earlier = F.pad(x, (n - 1, 0))[..., : x.shape[-1]]
            code = code + earlier * (1 << 7 * (n - 1))  # seven bits a character
            inside = inside & (earlier > 0)
        codes.append(
            (code * HASH >> 32 - bits) % (1 << bits)
        )  # the product's upper bits: all characters count
        real.append(inside)
    weight = torch.cat(real, -1).float()
    return torch.cat(codes, -1), weight / weight.sum(-1, keepdim=True).clamp(min=1).sqrt()


class NgramLinear(Network):
    """Logits linear in the counts of hashed character n-grams (n = 1, 2, 3), scaled by the root of their number."""

    def __init__(self, classes: int, bits: int = 12) -> None:
        super().__init__()
        self.bits = bits
        self.table = nn.Embedding(1 << bits, classes)
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.normal_(self.table.weight, std=0.1)

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, L)
        buckets, weight = ngram_buckets(x, 3, self.bits)
        # All 4,096 counts and one matrix product: stacked students train several times faster than with look-ups.
        counts = weight.new_zeros(x.shape[0], 1 << self.bits).scatter_add(-1, buckets, weight)
        return counts @ self.table.weight + self.bias, []


class SmallCharCNN(Network):
    """Character embeddings, one convolution over five characters, each channel's maximum, then a linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(ALPHABET_SIZE, 16)
        self.convolution = nn.Conv1d(16, 32, 5, padding=2)
        self.output = nn.Linear(32, classes)

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, L)
        text = (x > 0).unsqueeze(1)  # (B, 1, L)
        embedded = self.characters(x).transpose(1, 2) * text  # (B, 16, L)
        hidden = F.relu(self.convolution(embedded)) * text  # (B, 32, L)
        return self.output(hidden.amax(-1)), [hidden]


class FashionTeacher(Network):
    """A convolutional network with batch normalisation and one residual step."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
            for i, o in ((1, 32), (32, 64), (64, 128), (128, 128))
        )
        self.output = nn.Linear(128, classes)

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, 28, 28)
        first = F.max_pool2d(self.blocks[0](x.unsqueeze(1)), 2)  # (B, 32, 14, 14)
        second = F.max_pool2d(self.blocks[1](first), 2)  # (B, 64, 7, 7)
        third = self.blocks[2](second)
        last = third + self.blocks[3](third)  # (B, 128, 7, 7)
        return self.output(last.mean((2, 3))), [first, second, third, last]


class LanguageTeacher(Network):
    """A learned table of hashed character n-grams (n = 1 … 4), summed with weights, and one hidden layer."""

    def __init__(self, classes: int, bits: int = 14, width: int = 32, hidden: int = 128) -> None:
        super().__init__()
        self.bits = bits
        self.table = nn.Embedding(1 << bits, width)
        self.dropout = nn.Dropout(0.3)
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, classes)
        nn.init.normal_(self.table.weight, std=0.1)

    def through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # (B, L)
        buckets, weight = ngram_buckets(x, 4, self.bits)
        summed = torch.einsum("bn,bnd->bd", self.dropout(weight), self.table(buckets))
        hidden = F.relu(self.hidden(summed))
        return self.output(hidden), [summed, hidden]


def build_student(name: str, dataset_name: str) -> nn.Module:
    """A fresh student for a data set. Raises ValueError where the name is unknown or does not fit the data, ModelFolderError."""
    get_student(name, dataset_name)
    dataset = get_dataset(dataset_name)
    classes, pixels = len(dataset.classes), math.prod(dataset.input_shape)
    if is_folder_student(name):
        from kdlab.models.folder_student import FolderNetwork

        return FolderNetwork(name, classes)
    match name:
        case "linear":
            return Linear(pixels, classes)
        case "mlp-16" | "mlp-64":
            return MLP((pixels, int(name.removeprefix("mlp-")), classes))
        case "cnn-small":
            return SmallCNN(*dataset.input_shape, classes)
        case "ngram-linear":
            return NgramLinear(classes)
        case "char-cnn-small":
            return SmallCharCNN(classes)
        case "embedding-bag":
            return EmbeddingBag(known_pieces(dataset_name), classes)
        case "bert-1x64" | "bert-2x64" | "bert-2x128" | "bert-2x384":
            # transformers takes seconds to import, and no other student needs it.
            from kdlab.models.bert import BertClassifier, bert_config

            layers, width = map(int, name.removeprefix("bert-").split("x"))
            return BertClassifier(bert_config(known_pieces(dataset_name), layers, width), classes)
    raise AssertionError(name)


def build_teacher(name: str) -> nn.Module:
    """A teacher's network with fresh weights. Raises ValueError for an unknown name."""
    dataset = get_dataset(get_teacher(name).dataset)
    classes = len(dataset.classes)
    match name:
        case "digits":
            return MLP((math.prod(dataset.input_shape), 256, 256, classes))
        case "fashion":
            return FashionTeacher(classes)
        case "languages":
            return LanguageTeacher(classes)
        case "glosses":
            from kdlab.models.bert import minilm

            return minilm(classes)
    raise AssertionError(name)


def start_of_teacher(name: str) -> nn.Module:
    """A teacher's network as its training begins: fresh, or pretrained and frozen but for what is fine-tuned.

    Raises ValueError for an unknown name, ModelMissing where the pretrained model is not installed.
    """
    if name != "glosses":
        return build_teacher(name)
    from kdlab.models.pretrained import pretrained_minilm

    return pretrained_minilm(len(get_dataset(get_teacher(name).dataset).classes))
