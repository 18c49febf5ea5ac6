"""What networks over word pieces share, and the smallest of them. x holds ids (B, L), 0 for padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from kdlab.data.word_pieces import PADDING, UNKNOWN
from kdlab.models.inner_layers import Inner


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


def along_swap(logits: Callable[[Tensor], Tensor], table: nn.Embedding, x: Tensor, swap: Tensor) -> Tensor:
    """How the logits (B, K) begin to change as one piece's embedding moves straight to another's: J · (E[other] − E[piece]).

    logits: of embeddings (B, L, H). x (B, L) ids that the table knows. swap (B, 2): a place in the text, the other's id.
    """
    place, other = swap.unbind(-1)
    way = table(known_to(other, table.num_embeddings)) - table(x.gather(-1, place.unsqueeze(-1)).squeeze(-1))  # (B, H)
    here = torch.arange(x.shape[-1], device=x.device) == place.unsqueeze(-1)  # (B, L)
    return torch.func.jvp(logits, (table(x),), (here.unsqueeze(-1) * way.unsqueeze(-2),))[1]


class EmbeddingBag(nn.Module):
    """The mean of the pieces' embeddings, then a linear layer; the order of words is lost."""

    def __init__(self, vocabulary: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.pieces = nn.Embedding(vocabulary, width)
        self.output = nn.Linear(width, classes)
        nn.init.normal_(self.pieces.weight, std=0.1)

    def forward(self, x: Tensor, inside: bool = False, swap: Tensor | None = None) -> Any:  # (B, L)
        """Logits (B, K); with ``inside`` a pair of them and of `Inner`; with a swap (B, 2) their derivative along it."""
        real, ids = real_pieces(x), known_to(x, self.pieces.num_embeddings)
        if swap is not None:
            return along_swap(lambda embedded: self.output(masked_mean(embedded, real)), self.pieces, ids, swap)
        embedded = self.pieces(ids)  # (B, L, 64)
        logits = self.output(masked_mean(embedded, real))
        return (logits, Inner((embedded * real.unsqueeze(-1),))) if inside else logits
