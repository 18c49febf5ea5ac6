"""The terms of a distillation loss, for many students at once."""

from __future__ import annotations

from torch import Tensor
from torch.func import vmap
from torch.nn.functional import log_softmax

from kdlab.distill.objective_catalogue import Given, Objective
from kdlab.distill.signals import Signal
from kdlab.distill.white_box_catalogue import Inside, WhiteBox


def supervised_term(student_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with the labels, mean over rows. (n, B, K), (n, B) → (n,) nats."""
    log_q = log_softmax(student_logits, dim=-1)
    return -log_q.gather(-1, labels[..., None]).squeeze(-1).mean(1)


def distillation_term(
    objective: Objective, student_logits: Tensor, signal: Signal, labels: Tensor, temperature: Tensor
) -> Tensor:
    """The objective of each student, T² and all as the objective says, mean over rows: (n,) nats.

    student_logits (n, B, K); signal: what the teacher reveals, each part (n, B, …); labels (n, B), the true class
    or, where no label is known, the teacher's answer; temperature (n,).
    """

    def one(logits: Tensor, parts: Signal, labels: Tensor, temperature: Tensor) -> Tensor:
        teacher = parts[0] if len(parts) == 1 else parts or None
        return objective.loss(Given(logits, teacher, labels, temperature))

    if len(student_logits) == 1:
        # Squeezed, not picked: the gradient of a pick is written into zeros.
        revealed = tuple(part.squeeze(0) for part in signal)
        return one(student_logits.squeeze(0), revealed, labels.squeeze(0), temperature.squeeze(0)).unsqueeze(0)
    return vmap(one)(student_logits, signal, labels, temperature)


def white_box_term(objective: WhiteBox, student: Tensor, teacher: Tensor, projection: Tensor | None) -> Tensor:
    """What each student is asked inside its teacher, unweighted: (n,).

    student, teacher (n, B, positions, channels) or (n, B, K); projection (n, C_t, C_s) where the objective has one.
    """

    def one(student: Tensor, teacher: Tensor, projection: Tensor | None) -> Tensor:
        return objective.loss(Inside(student, teacher, projection))

    if len(student) == 1:
        projection = None if projection is None else projection.squeeze(0)
        return one(student.squeeze(0), teacher.squeeze(0), projection).unsqueeze(0)
    return vmap(one, in_dims=(0, 0, None if projection is None else 0))(student, teacher, projection)
