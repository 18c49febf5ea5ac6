"""What networks over word pieces share, and the smallest of them. x holds ids (B, L), 0 for padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kdlab.data.word_pieces import PADDING, UNKNOWN


def real_pieces(x: Tensor) -> Tensor:
    """True where x (B, L) is no padding."""
    return x != PADDING


def masked_mean(hidden: Tensor, real: Tensor) -> Tensor:
    """Mean over the real pieces alone: hidden (B, L, H), real (B, L) → (B, H)."""
    weight = real.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(-2) / weight.sum(-2).clamp(min=1)


def known_to(x: Tensor, vocabulary: int) -> Tensor:
    """x with every id that a network of this vocabulary has no embedding for as unknown."""
    return torch.where(x < vocabulary, x, UNKNOWN)


class EmbeddingBag(nn.Module):
    """The mean of the pieces' embeddings, then a linear layer; the order of words is lost."""

    def __init__(self, vocabulary: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.pieces = nn.Embedding(vocabulary, width)
        self.output = nn.Linear(width, classes)
        nn.init.normal_(self.pieces.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:  # (B, L)
        embedded = self.pieces(known_to(x, self.pieces.num_embeddings))  # (B, L, 64)
        return self.output(masked_mean(embedded, real_pieces(x)))
