"""How good language models are on a text, and how like their teacher, a chunk of tokens at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from kdlab.distill.chunked_terms import CHUNK

TOP = 8
"""Likeliest tokens whose overlap with the teacher's is counted."""
_BINS = 10  # of confidence, for the calibration error (Guo et al. 2017, arXiv 1706.04599)


def score_text(
    hidden: Tensor, head: Tensor, tokens: Tensor, text_bytes: int, teacher_log_p: Tensor
) -> dict[str, Tensor]:
    """Per student (n,) on the N tokens of a text, by the metric's name; ``answers`` (n, N) are the tokens they find likeliest.

    hidden (n, N, H), head (n, V, H), tokens (N,), text_bytes: the UTF-8 bytes of those tokens, teacher_log_p (N, V) at T = 1.

    - ``bits_per_byte``: −Σ log2 q[y] over the text's bytes, which compares over vocabularies; ``perplexity``: exp of the mean nats.
    - ``kl``: from the teacher's to the student's next-token probabilities, mean nats; ``agreement``: share of positions at
      which both find the same token likeliest; ``top_overlap``: the share that their likeliest 8 have in common.
    - ``entropy``: of the student's next-token probabilities, mean nats; ``ece``: how far its confidence is from how often it
      is right, over ten bins.
    """
    found = [_scores(hidden[s], head[s], tokens, text_bytes, teacher_log_p) for s in range(len(hidden))]
    return {name: torch.stack([one[name] for one in found]) for name in found[0]}


def _scores(hidden: Tensor, head: Tensor, tokens: Tensor, text_bytes: int, teacher_log_p: Tensor) -> dict[str, Tensor]:
    per_token: dict[str, list[Tensor]] = {}
    for start in range(0, len(tokens), CHUNK):
        here = slice(start, start + CHUNK)
        log_q = log_softmax(hidden[here].float() @ head.float().T, -1)
        log_p, y = teacher_log_p[here].float(), tokens[here]
        top_p, top_q = log_p.topk(TOP).indices, log_q.topk(TOP).indices
        q = log_q.exp()
        chunk = {
            "nats": -log_q.gather(-1, y[:, None]).squeeze(-1),
            "kl": (log_p.exp() * (log_p - log_q)).sum(-1),
            "agreement": (top_p[:, 0] == top_q[:, 0]).float(),
            "top_overlap": (top_p[:, :, None] == top_q[:, None, :]).any(-1).float().mean(-1),
            "entropy": -(q * log_q).sum(-1),
            "confidence": q.amax(-1),
            "answers": top_q[:, 0],
        }
        for name, values in chunk.items():
            per_token.setdefault(name, []).append(values)
    whole = {name: torch.cat(parts) for name, parts in per_token.items()}
    nats = whole["nats"]
    return {
        "bits_per_byte": nats.sum() / (math.log(2) * text_bytes),
        "perplexity": nats.mean().exp(),
        **{name: whole[name].mean() for name in ("kl", "agreement", "top_overlap", "entropy")},
        "ece": calibration_error(whole["confidence"], whole["answers"] == tokens),
        "answers": whole["answers"],
    }


def calibration_error(confidence: Tensor, right: Tensor) -> Tensor:
    """Expected calibration error of N answers: Σ over bins of their share · |how often right − how sure|. Both (N,)."""
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    sums = torch.zeros(2, _BINS, device=confidence.device)
    sums[0].index_add_(0, bins, right.float())
    sums[1].index_add_(0, bins, confidence)
    return (sums[0] - sums[1]).abs().sum() / len(confidence)


def score_own_text(
    hidden: Tensor, head: Tensor, windows: Tensor, counts: Tensor, teacher_hidden: Tensor, teacher_head: Tensor
) -> dict[str, Tensor]:
    """A student's scores on what it wrote: hidden (B, L, H) and teacher_hidden (B, L, H_t) on windows (B, L + 1), of whose last L
    tokens those count (B, L) that are its own.

    - ``own_kl``: reverse KL, from the student's to the teacher's next-token probabilities, mean nats.
    - ``own_nats``: −log of what the teacher gives the student's tokens, mean nats: low where it writes what the teacher would,
      and where it repeats itself.
    - ``own_distinct``: how many of its pairs of tokens are different ones (distinct-2, Li et al. 2016, arXiv 1510.03055).
    """
    y, kl, nats = windows[:, 1:].flatten(), [], []
    ours, theirs = hidden.flatten(0, 1), teacher_hidden.flatten(0, 1)
    for start in range(0, len(y), CHUNK):
        here = slice(start, start + CHUNK)
        log_q = log_softmax(ours[here].float() @ head.float().T, -1)
        log_p = log_softmax(theirs[here].float() @ teacher_head.float().T, -1)
        kl.append((log_q.exp() * (log_q - log_p)).sum(-1))
        nats.append(-log_p.gather(-1, y[here, None]).squeeze(-1))
    counted = counts.flatten().float()
    share = counted / counted.sum().clamp(min=1)
    pairs = torch.stack([windows[:, 1:-1], windows[:, 2:]], dim=-1)[counts[:, :-1] & counts[:, 1:]]
    return {
        "own_kl": (torch.cat(kl) * share).sum(),
        "own_nats": (torch.cat(nats) * share).sum(),
        "own_distinct": torch.tensor(len(pairs.unique(dim=0)) / max(1, len(pairs)), device=hidden.device),
    }
