"""Both terms of a language model's loss from its last hidden states, some tokens at a time.

All logits of a batch are tokens × vocabulary numbers, and their gradient as many again. Here a chunk of tokens gets its
logits, its losses and, from the objective's closed form, its gradient at once, which goes back through the output matrix
before the next chunk begins. At any time no more is held than two chunks: a student's logits, which become their gradient in
their own place, and the teacher's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kdlab.distill.objective import Objective
from kdlab.distill.objectives import text_rows
from kdlab.distill.rowwise import BLOCK, BLOCK_ON_A_CARD
from kdlab.distill.tasks.task import Terms

CHUNK = 128
"""Tokens in a chunk."""

Parts = tuple[Tensor, ...]


@dataclass(frozen=True)
class Question:
    """What one student is asked of its N tokens.

    ``shown``: what the teacher shows of some of them, each part (c, …). Students with the same ``key`` are shown the same: it is
    computed once for all of them. ``counts`` (N,): true where a token counts for this objective.
    """

    objective: Objective
    temperature: Tensor
    key: Hashable
    shown: Callable[[slice], Parts]
    counts: Tensor


def chunked_terms(
    hidden: Tensor,
    head: Tensor,
    tokens: Tensor,
    counts: Tensor,
    questions: Sequence[Question | None],
    weights: tuple[Tensor | None, Tensor | None],
) -> Terms:
    """The supervised term, cross-entropy with the text, and what each student is asked beside it: means over what counts, nats.

    hidden (n, N, H); head (n, V, H): logits are hidden · headᵀ, in float32; tokens (n, N) of the text; counts (n, N), true
    where a token counts for the supervised term. weights, (n,) each: of the supervised and the distillation term; None leaves
    one out, which is 0 then. A mean over nothing is 0.
    """
    return Terms(*_Chunked.apply(hidden, head, tokens, counts, questions, weights))


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        tokens: Tensor,
        counts: Tensor,
        questions: Sequence[Question | None],
        weights: tuple[Tensor | None, Tensor | None],
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = len(hidden)
        learns = any(ctx.needs_input_grad[:2])
        terms = torch.zeros(2, n, device=hidden.device)
        to_hidden, to_head = (torch.zeros_like(part) if learns else None for part in (hidden, head))
        for together in _shown_alike(questions):
            for start in range(0, hidden.shape[1], CHUNK):
                here = slice(start, start + CHUNK)
                first = questions[together[0]]
                shown = None if first is None or weights[1] is None else first.shown(here)
                for s in together:
                    h, matrix = hidden[s, here].float(), head[s].float()
                    logits = h @ matrix.T
                    terms[:, s] += _turned_into_gradient(
                        logits, tokens[s, here], _shares(counts[s], here), questions[s], shown, here,
                        tuple(None if w is None else w[s] for w in weights), learns,
                    )
                    if learns:
                        to_hidden[s, here] = (logits @ matrix).to(hidden.dtype)
                        to_head[s] += (logits.T @ h).to(head.dtype)
        ctx.save_for_backward(to_hidden, to_head)
        weighted = sum((w * term for w, term in zip(weights, terms, strict=True) if w is not None), torch.zeros_like(terms[0]))
        supervised, distillation = terms.clone()
        ctx.mark_non_differentiable(supervised, distillation)
        return weighted, supervised, distillation

    @staticmethod
    def backward(ctx: Any, above: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        to_hidden, to_head = ctx.saved_tensors
        scale = above[:, None, None]
        return to_hidden * scale.to(to_hidden.dtype), to_head * scale.to(to_head.dtype), None, None, None, None


def _shown_alike(questions: Sequence[Question | None]) -> list[list[int]]:
    """The students, those together that are shown the same."""
    groups: dict[Hashable, list[int]] = {}
    for s, question in enumerate(questions):
        groups.setdefault(None if question is None else (question.key, question.objective.access), []).append(s)
    return list(groups.values())


def _shares(counts: Tensor, here: slice) -> Tensor:
    """What each token of a chunk is of the mean: (c,), 0 where it does not count."""
    counted = counts.float()
    return counted[here] / counted.sum().clamp(min=1)


def _turned_into_gradient(
    logits: Tensor,
    tokens: Tensor,
    shares: Tensor,
    question: Question | None,
    shown: Parts | None,
    here: slice,
    weights: tuple[Tensor | None, Tensor | None],
    learns: bool,
) -> Tensor:
    """(2,): a chunk's part of both terms. The logits (c, V) become, where the student learns, the gradient of the weighted sum."""
    found = torch.zeros(2, device=logits.device)
    own_shares = None if question is None or shown is None else _shares(question.counts, here)
    size = max(1, BLOCK.get(logits.device.type, BLOCK_ON_A_CARD) // logits.shape[-1])
    for start in range(0, len(logits), size):
        rows = slice(start, start + size)
        z, gradient = logits[rows], None
        if weights[0] is not None:
            losses, own = text_rows(z, tokens[rows], 1.0)
            found[0] += losses @ shares[rows]
            gradient = own.mul_((weights[0] * shares[rows])[:, None])
        if question is not None and shown is not None and own_shares is not None:
            losses, own, scale = _asked(question, z, tuple(part[rows] for part in shown))
            found[1] += (losses * own_shares[rows]).sum()
            own = own.mul_((weights[1] * scale * own_shares[rows])[:, None])
            gradient = own if gradient is None else gradient.add_(own)
        if learns:
            logits[rows] = 0.0 if gradient is None else gradient
    return found


def _asked(question: Question, z: Tensor, shown: Parts) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (c,), T² and all as the objective says; the gradient (c, V) in z / T, and what makes of it that in z."""
    temperature, objective = question.temperature, question.objective
    if not objective.softens:
        return *objective.rows()(z, *shown, 1.0), torch.ones_like(temperature)
    losses, gradient = objective.rows()(z / temperature, *shown, temperature)
    if objective.t_squared:  # type: ignore[attr-defined]
        return losses * temperature**2, gradient, temperature
    return losses, gradient, 1 / temperature
