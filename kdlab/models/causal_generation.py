"""Many causal students write at once, at T = 1: each token is where its uniform number falls in the cumulated probabilities.

Who gives the same weights, prompts and numbers gets the same text, whether the students are stacked or alone, with kept keys
and values or without, and from `kdlab.models.causal_numpy`; but for a number that falls where two ways of adding part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from kdlab.models.causal import CausalNetwork
from kdlab.models.causal_shapes import END


class StackedHidden(Protocol):
    """Last hidden states (n, B, L, H) of n students, each of its own ids x (n, B, L); kept, at: as `CausalNetwork.forward`
    takes them, kept (n, B, …)."""

    def __call__(self, x: Tensor, kept: Tensor | None = None, at: int = 0) -> Tensor: ...


def stacked_hidden(network: CausalNetwork, weights: Mapping[str, Tensor]) -> StackedHidden:
    """That of students of one shape, which ``network`` has (its numbers do not matter); weights: each (n, …)."""

    def hidden(x: Tensor, kept: Tensor | None = None, at: int = 0) -> Tensor:
        def one(weights: dict[str, Tensor], x: Tensor, kept: Tensor | None) -> Tensor:
            return functional_call(network, weights, (x, kept, at))

        return vmap(one, in_dims=(0, 0, None if kept is None else 0))(dict(weights), x, kept)

    return hidden


def write_on(
    hidden_of: Callable[[Tensor], Tensor], head: Tensor, prompts: Tensor, length: int, uniforms: Tensor
) -> Tensor:
    """What n students write after their prompts: ids (n, B, length), `END` after the first `END`.

    hidden_of: ids (n, B, L) → last hidden states (n, B, L, H), asked anew for the whole text at each token. head (n, V, H);
    prompts (n, B, P) with P > 0; uniforms (n, B, length) in [0, 1).
    """
    return _written(lambda text, _: hidden_of(text), head, prompts, length, uniforms)


def write_on_kept(
    hidden_of: StackedHidden, head: Tensor, prompts: Tensor, length: int, uniforms: Tensor, room: Callable[[int], tuple[int, ...]]
) -> Tensor:
    """The same as `write_on`, where each position is read once and its keys and values are kept. room: `CausalNetwork.room`."""
    kept = head.new_empty(*prompts.shape[:2], *room(prompts.shape[-1] + length))
    return _written(
        lambda text, new: hidden_of(text[..., -new:], kept, text.shape[-1] - new), head, prompts, length, uniforms
    )


def until_end(written: Tensor) -> Tensor:
    """True up to and with the first `END` of each text (…, length), by position: what follows it, nobody wrote."""
    ends = (written == END).long()
    return ends.cumsum(-1) - ends == 0


def drawn(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Inverse transform sampling of softmax(logits): logits (…, V), uniforms (…) in [0, 1) → ids (…)."""
    exact = torch.float32 if logits.device.type == "mps" else torch.float64  # which Apple's GPUs lack
    upto = logits.to(exact).softmax(-1).cumsum(-1)
    ids = torch.searchsorted(upto, uniforms.to(exact).unsqueeze(-1) * upto[..., -1:], right=True)
    return ids.squeeze(-1).clamp(max=logits.shape[-1] - 1)


@torch.no_grad()
def _written(
    read: Callable[[Tensor, int], Tensor], head: Tensor, prompts: Tensor, length: int, uniforms: Tensor
) -> Tensor:
    """read: a text (n, B, L) and how many of its last positions are new → hidden states (n, B, any, H) that end with the last's."""
    text, new = prompts, prompts.shape[-1]
    ended = torch.zeros_like(prompts[..., 0], dtype=torch.bool)
    for step in range(length):
        last = read(text, new)[..., -1, :]  # (n, B, H)
        ids = drawn(last.float() @ head.transpose(-1, -2).float(), uniforms[..., step])
        ids = torch.where(ended, END, ids)
        ended = ended | (ids == END)
        text, new = torch.cat([text, ids.unsqueeze(-1)], dim=-1), 1
    return text[..., prompts.shape[-1] :]
