"""Low-rank updates of a trained network (LoRA, Hu et al. 2021, arXiv 2106.09685): small to store, gone once merged."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

RANK = 16


class LowRankLinear(nn.Module):
    """A frozen linear layer plus a trained update: x → W·x + b + B·(A·x). B starts at 0."""

    def __init__(self, frozen: nn.Linear) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.a = nn.Parameter(torch.empty(RANK, frozen.in_features))
        self.b = nn.Parameter(torch.zeros(frozen.out_features, RANK))
        nn.init.normal_(self.a, std=1 / math.sqrt(frozen.in_features))

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x) + x @ self.a.T @ self.b.T

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that does the same."""
        self.frozen.weight += self.b @ self.a
        return self.frozen


def add_updates(module: nn.Module) -> None:
    """Freezes a module, and gives every linear layer in it an update, which alone is trained."""
    module.requires_grad_(False)
    for parent, name, layer in _children(module, nn.Linear):
        setattr(parent, name, LowRankLinear(layer))


def merge_updates(module: nn.Module) -> nn.Module:
    """The module with every update added to its layer's weights: what it was, and no larger."""
    for parent, name, layer in _children(module, LowRankLinear):
        setattr(parent, name, layer.merged())
    return module


def _children(root: nn.Module, kind: type[nn.Module]) -> list[tuple[nn.Module, str, nn.Module]]:
    found = [(parent, name, child) for parent in root.modules() for name, child in parent.named_children()]
    return [(parent, name, child) for parent, name, child in found if isinstance(child, kind)]
