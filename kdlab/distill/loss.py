"""The terms of a distillation loss, for many students at once."""

from __future__ import annotations

from torch import Tensor
from torch.func import vmap
from torch.nn.functional import cross_entropy

from kdlab.distill.objective_catalogue import Given, Objective
from kdlab.distill.signals import Signal
from kdlab.distill.white_box_catalogue import Inside, WhiteBox


def supervised_term(student_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with the labels, mean over rows. (n, B, K), (n, B) → (n,) nats."""
    # The rows of all students at once, in a kernel: to the bit what a gather from log-probabilities gives.
    rows = cross_entropy(student_logits.flatten(0, 1), labels.flatten(), reduction="none")
    return rows.unflatten(0, labels.shape).mean(1)


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


def white_box_term(
    objective: WhiteBox, student: Tensor, teacher: Tensor, projection: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """What each student is asked inside its teacher, of one pair of layers, unweighted: (n,).

    student, teacher (n, B, …) as in `Inside`; projection (n, C_t, C_s) where the objective has one; mask (n, B, positions)
    where not all positions count.
    """

    def one(student: Tensor, teacher: Tensor, projection: Tensor | None, mask: Tensor | None) -> Tensor:
        return objective.loss(Inside(student, teacher, projection, mask))

    given = (student, teacher, projection, mask)
    if len(student) == 1:
        return one(*(None if part is None else part.squeeze(0) for part in given)).unsqueeze(0)  # type: ignore[arg-type]
    return vmap(one, in_dims=tuple(None if part is None else 0 for part in given))(*given)
