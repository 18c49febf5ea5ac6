"""How logits change along a direction of the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def derivative(network: Callable[..., Any], x: Tensor, direction: Tensor) -> Tensor:
    """The derivative (B, K) of a network's logits at x (B, …).

    Of pictures along signs, direction (B, …): J · v for |v| = 1, times the root of v's size. Of texts along the way from one
    piece's embedding to another's in the network's own table, direction (B, 2): a place and the other piece's id.
    """
    if not x.is_floating_point():
        return network(x, swap=direction)
    return torch.func.jvp(network, (x,), (direction.to(x.dtype),))[1]
