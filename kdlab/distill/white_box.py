"""What a student can be asked to match inside its teacher: pure functions of hidden layers and derivatives.

Hidden layers are (B, positions, channels), a mean over examples and, where there is a mask (B, positions), over the
positions that count: a padded one is as large as a real one and would dilute the rest. The teacher gets no gradient.
All run under `torch.func.vmap`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, log_softmax, normalize


def hint_loss(student: Tensor, teacher: Tensor, projection: Tensor, mask: Tensor | None = None) -> Tensor:
    """Squared distance of the projected student's layer from the teacher's, a mean over the teacher's channels too.

    student (B, P, C_s), teacher (B, P, C_t), projection (C_t, C_s). FitNets has half the sum over channels: a mean
    keeps its size over layers of any width. Romero et al. 2015, arXiv 1412.6550, eq. 3.
    """
    distance = (student @ projection.transpose(-1, -2) - teacher.detach().float()).square().mean(-1)
    return _over_positions(distance, mask)


def attention_map(hidden: Tensor) -> Tensor:
    """Where a layer is busy: the mean square over its channels, of length 1 over positions. (B, P, C) → (B, P).

    Zagoruyko and Komodakis 2017, arXiv 1612.03928, the sum of squares (p = 2).
    """
    return normalize(hidden.square().mean(-1), dim=-1)


def attention_transfer_loss(student: Tensor, teacher_map: Tensor) -> Tensor:
    """Squared distance of the student's attention map from the teacher's. student (B, P, C), teacher_map (B, P).

    Zagoruyko and Komodakis 2017, arXiv 1612.03928, eq. 2: the paper's norm is not squared, its code's is.
    """
    return (attention_map(student) - teacher_map.detach().float()).square().sum(-1).mean()


def gram_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Difference of the two batches' similarity matrices, each row of length 1: ‖G_s − G_t‖² / B².

    Both (B, …), of any sizes beyond B. Tung and Mori 2019, arXiv 1907.09682, eq. 4.
    """

    def similarities(hidden: Tensor) -> Tensor:
        flat = hidden.flatten(1)
        return normalize(flat @ flat.transpose(-1, -2), dim=-1)

    with torch.no_grad():
        wanted = similarities(teacher.float())
    return (similarities(student) - wanted).square().mean()


def cosine_hidden_loss(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """One minus the cosine between the two layers at each position. Both (B, P, C).

    Sanh et al. 2019 (DistilBERT), arXiv 1910.01108.
    """
    return _over_positions(1 - cosine_similarity(student, teacher.detach().float(), dim=-1), mask)


def jacobian_match_loss(student_derivative: Tensor, teacher_derivative: Tensor) -> Tensor:
    """Squared difference of two derivatives of the logits along one direction an example, a mean over classes. (B, K).

    Centred over classes, for a number that is added to all logits changes no answer. With directions of independent
    signs it is, in the mean, the squared difference of the whole Jacobians over K (Hutchinson's estimator).
    Czarnecki et al. 2017, arXiv 1706.04859.
    """
    difference = student_derivative - teacher_derivative.detach().float()
    return (difference - difference.mean(-1, keepdim=True)).square().mean()


def attention_scores(heads: Tensor, count: int) -> Tensor:
    """Each head's products of queries and keys before the softmax, over √d: (B, P, 3 · C) → (B, count, P, P)."""
    queries, keys, _ = heads.chunk(3, dim=-1)
    return _products(_split(queries, count), _split(keys, count))


def attention_scores_loss(student: Tensor, teacher_scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Squared difference of the scores, head by head, a mean over heads and over pairs of places that count.

    student: queries, keys and values (B, P, 3 · C); teacher_scores (B, heads, P, P), as many heads as the student's.
    Jiao et al. 2020 (TinyBERT), arXiv 1909.10351, eq. 7, whose mean takes padding in.
    """
    own = attention_scores(student, teacher_scores.shape[-3])
    difference = (own - teacher_scores.detach().float()).square().mean(-3)
    return _over_positions(difference, None if mask is None else mask.unsqueeze(-1) & mask.unsqueeze(-2))


def relations_loss(student: Tensor, teacher: Tensor, count: int, mask: Tensor | None = None) -> Tensor:
    """How unlike the two find places among each other: the sum, over queries, keys and values X, of KL(R_t ‖ R_s) with
    R = softmax(X Xᵀ / √d), a mean over relation heads and over places that count.

    student (B, P, 3 · C_s), teacher (B, P, 3 · C_t); each X is cut into ``count`` relation heads of d = C / count numbers.
    Wang et al. 2021 (MiniLMv2), arXiv 2012.15828, eq. 5 and 6.
    """
    teacher = teacher.detach().float()
    total = student.new_zeros(())
    for ours, theirs in zip(student.chunk(3, dim=-1), teacher.chunk(3, dim=-1), strict=True):
        log_q, log_p = _log_relations(ours, count, mask), _log_relations(theirs, count, mask)
        total = total + _over_positions((log_p.exp() * (log_p - log_q)).sum(-1).mean(-2), mask)
    return total


def _log_relations(x: Tensor, count: int, mask: Tensor | None) -> Tensor:
    split = _split(x, count)
    products = _products(split, split)
    if mask is not None:
        products = products.masked_fill(~mask.unsqueeze(-2).unsqueeze(-2), torch.finfo(products.dtype).min)
    return log_softmax(products, dim=-1)


def _split(x: Tensor, count: int) -> Tensor:
    """(B, P, C) → (B, count, P, C / count)."""
    return x.unflatten(-1, (count, -1)).transpose(-2, -3)


def _products(x: Tensor, y: Tensor) -> Tensor:
    return x @ y.transpose(-1, -2) / math.sqrt(x.shape[-1])


def _over_positions(values: Tensor, mask: Tensor | None) -> Tensor:
    """(B, P), or (B, P, P) → the mean of what counts; 0 where nothing does."""
    if mask is None:
        return values.mean()
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)
