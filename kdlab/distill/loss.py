"""The two terms of a distillation loss, for every student of a group at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

# Far enough from zero that softmax gives exactly one and zeros in float32.
_CERTAIN = 1e4


@dataclass(frozen=True)
class Terms:
    """Each student's two terms, unweighted, (n,) nats."""

    supervised: Tensor
    distillation: Tensor

    def total(self, kd_weight: Tensor) -> Tensor:
        """(1 − w)·CE + w·T²·KL, (n,)."""
        return (1 - kd_weight) * self.supervised + kd_weight * self.distillation


def hinton_terms(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, labelled: int, temperature: Tensor
) -> Terms:
    """CE(q, y) over the labelled rows and T²·KL(p_T ‖ q_T) over all rows.

    student_logits, teacher_logits (n, B, K); labels (n, B), of which only the first ``labelled``
    columns are read; temperature (n,). Means over rows, sums over classes (Hinton, Vinyals and Dean
    2015, arXiv 1503.02531, eq. 2 and the text below it).
    """
    supervised_log_q = log_softmax(student_logits[:, :labelled], dim=-1)
    supervised = -supervised_log_q.gather(-1, labels[:, :labelled, None]).squeeze(-1).mean(1)
    t = temperature[:, None, None]
    log_p = log_softmax(teacher_logits / t, dim=-1)
    log_q = log_softmax(student_logits / t, dim=-1)
    kl = (log_p.exp() * (log_p - log_q)).sum(-1).mean(1)
    return Terms(supervised, temperature.square() * kl)


def answers_as_logits(teacher_logits: Tensor) -> Tensor:
    """Logits of a teacher that is certain of its likeliest class: at T=1, KL from them is cross-entropy."""
    certain = torch.full_like(teacher_logits, -_CERTAIN)
    return certain.scatter(-1, teacher_logits.argmax(-1, keepdim=True), _CERTAIN)
