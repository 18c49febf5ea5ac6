"""How good the students are, and how like their teacher: never the one without the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def score(student_logits: Tensor, teacher_log_p: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Per student (n,) on the test set, and each student's answers (n, N).

    student_logits (n, N, K), teacher_log_p (N, K) log-probabilities at T = 1, labels (N,).
    - ``accuracy``: share of the answers that are the true label.
    - ``agreement``: share of the answers that are the teacher's.
    - ``kl``: KL from the teacher's to the student's probabilities at T = 1, nats.
    """
    answers = student_logits.argmax(-1)
    log_q = log_softmax(student_logits.float(), dim=-1)
    p = teacher_log_p.exp()
    kl = (p * (teacher_log_p - log_q).masked_fill_(p == 0, 0.0)).sum(-1).mean(-1)  # 0·log 0 means 0
    return {
        "accuracy": (answers == labels).float().mean(-1),
        "agreement": (answers == teacher_log_p.argmax(-1)).float().mean(-1),
        "kl": kl,
        "answers": answers,
    }


def per_class_accuracy(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """answers (n, N), labels (N,) → (n, K): the share of each true class that is answered rightly."""
    right = (answers == labels).float()  # (n, N)
    members = torch.nn.functional.one_hot(labels, classes).float()  # (N, K)
    return right @ members / members.sum(0).clamp(min=1)
