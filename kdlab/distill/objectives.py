"""What a student can be asked to match: pure functions of logits, in nats, a mean over unmasked items.

Items are the examples of (B, K) or the positions of (B, L, K). Teacher and labels get no gradient. Beside each
function stands its formula for a block of items: their losses (n,) and the gradient (n, K) in the softened logits
z_s / T, both from the same few row sums. All run under `torch.func.vmap`, with `temperature` a tensor without
dimensions if need be. A teacher's logit may be −∞: it rules the class out, p = 0, and 0·log 0 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid, softmax, softplus

from kdlab.distill.rowwise import Rows, mean_over_items, one_per_item, same_shape

RULED_OUT = -1e6
"""Stands for log 0: far below what finite logits give, and 0 times it is 0, which 0 times −∞ is not."""


def forward_kl_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
) -> Tensor:
    """Forward KL from the teacher: T²·Σ_k p_T·(log p_T − log q_T), mean over unmasked items.

    Gradient: T·(q_T − p_T) an item. student_logits, teacher_logits: (..., K); mask: (...), true where an item
    counts; result: nats, no dimensions. An empty mask gives 0 and no gradient. `t_squared=False` leaves T² out.
    Raises ValueError for a temperature of 0 or less, and for shapes that do not fit.
    Hinton et al. 2015, arXiv 1503.02531.
    """
    same_shape(student_logits, teacher_logits)
    return mean_over_items(forward_kl_rows, student_logits, (teacher_logits,), temperature, mask, t_squared)


def forward_kl_rows(z_s: Tensor, z_t: Tensor, temperature: float | Tensor) -> Rows:
    """The rows of `forward_kl_loss`."""
    log_q, log_p = log_softmax(z_s, -1), _log_p(z_t, temperature)
    p = log_p.exp()
    return (p * (log_p - log_q)).sum(-1), log_q.exp() - p


def reverse_kl_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
) -> Tensor:
    """Reverse KL, the student's own view: T²·Σ_k q_T·(log q_T − log p_T), mean over unmasked items.

    Gradient: T·q_T·(log q_T − log p_T − KL) an item. Where the teacher rules out what the student says it would
    be infinite: log p_T is `RULED_OUT` there. Shapes, mask, errors as in `forward_kl_loss`.
    Gu et al. 2024 (MiniLLM), arXiv 2306.08543.
    """
    same_shape(student_logits, teacher_logits)
    return mean_over_items(reverse_kl_rows, student_logits, (teacher_logits,), temperature, mask, t_squared)


def reverse_kl_rows(z_s: Tensor, z_t: Tensor, temperature: float | Tensor) -> Rows:
    """The rows of `reverse_kl_loss`."""
    log_q = log_softmax(z_s, -1)
    q, log_ratio = log_q.exp(), log_q - _log_p(z_t, temperature)
    kl = (q * log_ratio).sum(-1, keepdim=True)
    return kl.squeeze(-1), q * (log_ratio - kl)


def _log_p(z_t: Tensor, temperature: float | Tensor) -> Tensor:
    return log_softmax(z_t / temperature, -1).clamp(min=RULED_OUT)


def generalized_jsd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    beta: float = 0.5,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
    continuous: bool = False,
) -> Tensor:
    """Generalised Jensen–Shannon: T²·[β·KL(p_T‖M) + (1−β)·KL(q_T‖M)], M = β·p_T + (1−β)·q_T.

    As defined it is 0 at β = 0 and β = 1. `continuous` divides by β·(1−β): then it becomes the forward KL at
    β = 0 and the reverse KL at β = 1. Gradient: −T·(1−β)·q_T·(u − Σ q_T·u) an item, u = log(M/q_T).
    Shapes, mask, errors as in `forward_kl_loss`; ValueError for β outside 0 to 1.
    Agarwal et al. 2024 (GKD), arXiv 2306.13649.
    """
    same_shape(student_logits, teacher_logits)
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta}; it must lie between 0 (forward) and 1 (reverse).")
    rows = generalized_jsd_rows(beta, continuous)
    return mean_over_items(rows, student_logits, (teacher_logits,), temperature, mask, t_squared)


def generalized_jsd_rows(beta: float, continuous: bool) -> Callable[..., Rows]:
    """The rows of `generalized_jsd_loss`."""

    def rows(z_s: Tensor, z_t: Tensor, temperature: float | Tensor) -> Rows:
        if beta in (0, 1):
            if continuous:
                return (forward_kl_rows if beta == 0 else reverse_kl_rows)(z_s, z_t, temperature)
            nothing = torch.zeros_like(z_s)
            return nothing.sum(-1), nothing
        losses, gradient = _generalized_jsd(z_s, z_t, temperature, beta)
        scale = 1 / (beta * (1 - beta)) if continuous else 1.0
        return losses * scale, gradient * scale

    return rows


def _generalized_jsd(z_s: Tensor, z_t: Tensor, temperature: float | Tensor, beta: float) -> Rows:
    log_q, log_p = log_softmax(z_s, -1), _log_p(z_t, temperature)
    # Below −200 all of M is the student's, to the last digit; a sum with d itself would lose digits.
    d, edge = (log_p - log_q).clamp(min=-200.0), math.log(beta / (1 - beta))
    # log(M/q) and log(M/p) differ by d. The softplus that is near 0 is exact to its last digit, so the one with
    # the smaller weight is computed and the other follows.
    if beta <= 0.5:
        over_q = softplus(d + edge) + math.log1p(-beta)  # log(M/q)
        over_p = over_q - d
    else:
        over_p = softplus(-d - edge) + math.log(beta)  # log(M/p)
        over_q = over_p + d
    q = log_q.exp()
    from_q = (q * over_q).sum(-1, keepdim=True)
    losses = -beta * (log_p.exp() * over_p).sum(-1) - (1 - beta) * from_q.squeeze(-1)
    return losses, (beta - 1) * q * (over_q - from_q)


def soft_cross_entropy_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
) -> Tensor:
    """Cross-entropy with soft targets: −T²·Σ_k p_T·log q_T, mean over unmasked items.

    It is the forward KL plus T²·H(p_T): the same gradient, and a floor above 0.
    Shapes, mask, errors as in `forward_kl_loss`. Hinton et al. 2015, arXiv 1503.02531.
    """
    same_shape(student_logits, teacher_logits)
    return mean_over_items(
        _soft_cross_entropy, student_logits, (teacher_logits,), temperature, mask, t_squared
    )


def _soft_cross_entropy(z_s: Tensor, z_t: Tensor, temperature: float | Tensor) -> Rows:
    log_q, p = log_softmax(z_s, -1), softmax(z_t / temperature, -1)
    return -(p * log_q).sum(-1), log_q.exp() - p


def logit_mse_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
) -> Tensor:
    """Squared gap of the logits: T²·(1/K)·Σ_k (z_s/T − z_t/T)², mean over unmasked items.

    With T² the temperature cancels. It sees what the softmax does not: a constant added to all logits. A class that
    the teacher rules out has no score to match: it is left out, and K counts the others.
    Shapes, mask, errors as in `forward_kl_loss`. Ba and Caruana 2014, arXiv 1312.6184.
    """
    same_shape(student_logits, teacher_logits)
    return mean_over_items(_logit_mse, student_logits, (teacher_logits,), temperature, mask, t_squared)


def _logit_mse(z_s: Tensor, z_t: Tensor, temperature: float | Tensor) -> Rows:
    z_t = z_t / temperature
    left_out = z_t == -torch.inf
    gap = (z_s - z_t).masked_fill_(left_out, 0.0)
    classes = gap.shape[-1] - left_out.sum(-1, keepdim=True)
    return gap.square().sum(-1) / classes.squeeze(-1), gap * (2 / classes)


def label_smoothing_loss(
    student_logits: Tensor,
    labels: Tensor,
    smoothing: float = 0.1,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of q_T with (1−ε)·y + ε/K: soft targets from no teacher. Mean over unmasked items.

    labels: (...) class numbers; smoothing ε from 0 (hard labels) to 1. No T² here. Shapes, mask, errors as in
    `forward_kl_loss`; ValueError for ε outside 0 to 1. Szegedy et al. 2016, arXiv 1512.00567.
    """
    one_per_item("labels", student_logits, labels)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}; it must lie between 0 (hard labels) and 1.")

    def rows(z_s: Tensor, y: Tensor, _: float | Tensor) -> Rows:
        log_q, y = log_softmax(z_s, -1), y.unsqueeze(-1)
        on_label = log_q.gather(-1, y)
        losses = (smoothing - 1) * on_label.squeeze(-1) - smoothing * log_q.mean(-1)
        off = log_q.exp() - smoothing / z_s.shape[-1]
        return losses, off.scatter(-1, y, off.gather(-1, y) + (smoothing - 1))

    return mean_over_items(rows, student_logits, (labels,), temperature, mask, t_squared=False)


def dkd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    target_weight: float = 1.0,
    non_target_weight: float = 2.0,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
) -> Tensor:
    """Decoupled KD: T²·[a·KL(π_t‖π_s) + b·KL(p̂_t‖p̂_s)], mean over unmasked items.

    π = (target, rest) of p_T, p̂ = the other classes renormalised; a = `target_weight`, b = `non_target_weight`.
    With a = 1 and b = 1 − p_T[target] it would be the forward KL. labels: (...) class numbers, the targets.
    Shapes, mask, errors as in `forward_kl_loss`. Zhao et al. 2022, arXiv 2203.08679.
    """
    same_shape(student_logits, teacher_logits)
    one_per_item("labels", student_logits, labels)

    def rows(z_s: Tensor, z_t: Tensor, y: Tensor, temperature: float | Tensor) -> Rows:
        y = y.unsqueeze(-1)
        lead_s, log_q = _split_target(z_s, y)
        lead_t, log_p = _split_target(z_t / temperature, y)
        b_t = torch.sigmoid(lead_t)
        target = b_t * (logsigmoid(lead_t) - logsigmoid(lead_s))
        rest = (1 - b_t) * (logsigmoid(-lead_t) - logsigmoid(-lead_s))
        p, q = log_p.exp(), log_q.exp()
        others = (p * (log_p - log_q)).sum(-1, keepdim=True)
        losses = target_weight * (target + rest) + non_target_weight * others
        pull = target_weight * (torch.sigmoid(lead_s) - b_t)
        # A teacher that rules out every other class has no view of them: no p to match.
        weight = non_target_weight * p.sum(-1, keepdim=True).round()
        gradient = (q * (weight - pull) - non_target_weight * p).scatter(-1, y, pull)
        return losses.squeeze(-1), gradient

    return mean_over_items(rows, student_logits, (teacher_logits, labels), temperature, mask, t_squared)


def _split_target(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How far the target's logit leads all others together (n, 1); log-probabilities among the others (n, K)."""
    others = z.scatter(-1, y, -torch.inf)
    # Taken off first, so that sums of e^(−1e4) keep their digits; −∞ could not be taken off.
    top = others.amax(-1, keepdim=True).clamp(min=-1e30)
    others = others - top
    total = others.exp().sum(-1, keepdim=True).log().clamp(min=RULED_OUT)
    lead = z.gather(-1, y) - top - total
    return lead.clamp(min=RULED_OUT), (others - total).clamp(min=RULED_OUT)


def top_k_kl_loss(
    student_logits: Tensor,
    top_p: Tensor,
    top_ids: Tensor,
    temperature: float | Tensor = 1.0,
    mask: Tensor | None = None,
    t_squared: bool = True,
) -> Tensor:
    """Forward KL where the teacher shows only its k likeliest classes: T²·KL over k classes and the tail's mass.

    Σ_{k in top} p_T·log(p_T/q_T) + p_T[tail]·log(p_T[tail]/q_T[tail]). top_p: (..., k) probabilities at T = 1,
    whose missing mass is the tail's; top_ids: (..., k) their class numbers. At T = 1 it is a lower bound of the
    full KL. At another T both sides' tails are taken to be spread evenly over their classes.
    Shapes, mask, errors as in `forward_kl_loss`.
    """
    if top_p.shape != top_ids.shape or top_p.shape[:-1] != student_logits.shape[:-1]:
        raise ValueError(
            f"top_p has shape {tuple(top_p.shape)} and top_ids {tuple(top_ids.shape)}; "
            f"both need k entries for each item of student_logits {tuple(student_logits.shape)}."
        )
    return mean_over_items(top_k_kl_rows, student_logits, (top_p, top_ids), temperature, mask, t_squared)


def top_k_kl_rows(z_s: Tensor, p: Tensor, ids: Tensor, temperature: float | Tensor) -> Rows:
    """The rows of `top_k_kl_loss`."""
    hidden = z_s.shape[-1] - p.shape[-1]  # classes in the tail
    z_s, log_p = z_s - z_s.amax(-1, keepdim=True), p.log() / temperature
    seen = z_s.gather(-1, ids)
    if not hidden:
        losses, gradient = _kl_from_log_p(seen, log_softmax(log_p, -1))
        return losses, torch.zeros_like(z_s).scatter(-1, ids, gradient)
    tail = (1 - p.sum(-1, keepdim=True)).clamp(min=0)
    log_tail = (tail / hidden).log() / temperature + math.log(hidden)
    unseen = (z_s * temperature).scatter(-1, ids, -torch.inf)
    z_tail = (torch.logsumexp(unseen, -1, keepdim=True) - math.log(hidden)) / temperature
    losses, gradient = _kl_from_log_p(
        torch.cat([seen, z_tail + math.log(hidden)], -1),
        log_softmax(torch.cat([log_p, log_tail], -1), -1),
    )
    spread = softmax(unseen, -1) * gradient[..., -1:]
    return losses, spread.scatter(-1, ids, gradient[..., :-1])


def _kl_from_log_p(z: Tensor, log_p: Tensor) -> Rows:
    log_q, p = log_softmax(z, -1), log_p.exp()
    gap = (log_p - log_q).masked_fill(p == 0, 0.0)  # 0·log 0 means 0
    return (p * gap).sum(-1), log_q.exp() - p


def sampled_kl_rows(z_s: Tensor, ids: Tensor, _: float | Tensor) -> Rows:
    """Cross-entropy with N tokens that the teacher drew at this temperature: −(1/N)·Σ_j log q_T[k_j].

    ids (n, N). Its mean over draws is the soft cross-entropy, its gradient's mean the forward KL's.
    Anshumann et al. 2025, arXiv 2503.16870.
    """
    log_q = log_softmax(z_s, -1)
    share = torch.full_like(ids, 1, dtype=z_s.dtype) / ids.shape[-1]
    return -log_q.gather(-1, ids).mean(-1), log_q.exp().scatter_add(-1, ids, -share)


def renormalised_top_k_rows(z_s: Tensor, p: Tensor, ids: Tensor, temperature: float | Tensor) -> Rows:
    """Forward KL with both sides renormalised over the teacher's k likeliest tokens. p, ids (n, k), p at T = 1.

    What the student says of all others has no gradient: a fault that libraries have, kept to be seen.
    """
    losses, gradient = _kl_from_log_p(z_s.gather(-1, ids), log_softmax(p.log() / temperature, -1))
    return losses, torch.zeros_like(z_s).scatter(-1, ids, gradient)


def text_rows(z_s: Tensor, y: Tensor, _: float | Tensor) -> Rows:
    """Cross-entropy with the text's own tokens y (n,)."""
    log_q, y = log_softmax(z_s, -1), y.unsqueeze(-1)
    on_token = log_q.gather(-1, y)
    q = log_q.exp()
    return -on_token.squeeze(-1), q.scatter(-1, y, q.gather(-1, y) - 1)


def policy_gradient_rows(z_s: Tensor, log_p: Tensor, y: Tensor, baseline: Tensor, _: float | Tensor) -> Rows:
    """Reverse KL from the student's own tokens y (n,): the value log q[y] − log p[y], and the gradient of
    (log q[y] − log p[y] − b)·log q[y] with the bracket held fixed.

    log_p (n,): the teacher's log-probability of y; baseline b (n,): anything that y does not decide.
    Gu et al. 2024 (MiniLLM), arXiv 2306.08543.
    """
    log_q, y = log_softmax(z_s, -1), y.unsqueeze(-1)
    ratio = log_q.gather(-1, y).squeeze(-1) - log_p
    pull = (ratio - baseline).unsqueeze(-1)
    gradient = -pull * log_q.exp()
    return ratio, gradient.scatter(-1, y, gradient.gather(-1, y) + pull)
