"""An arm: what one group of students in a run is taught with."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["labels_only", "hard_labels", "soft_targets"]

ROLE_NAMES: dict[Role, str] = {
    "labels_only": "Labels only",
    "hard_labels": "Teacher's answers",
    "soft_targets": "Soft targets",
}


class Arm(BaseModel):
    """One arm of a run. All arms of a seed start from the same weights and see the same batches.

    - ``labels_only``: cross-entropy with the true labels, no teacher (``kd_weight`` is 0).
    - ``hard_labels``: the teacher reveals only its answer, the class it finds likeliest.
    - ``soft_targets``: the teacher reveals its logits, softened at ``temperature``
      (Hinton, Vinyals and Dean 2015, arXiv 1503.02531).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    temperature: float = Field(1.0, gt=0)
    kd_weight: float = Field(0.0, ge=0, le=1)

    @property
    def name(self) -> str:
        """How the arm is called on screen."""
        return ROLE_NAMES[self.role]


def three_arms(temperature: float, kd_weight: float) -> tuple[Arm, ...]:
    """Labels only, the teacher's answers, its soft targets: no curve without its control.

    The middle arm tells what softness adds from what more labelled data adds.
    """
    return (
        Arm(role="labels_only"),
        Arm(role="hard_labels", kd_weight=kd_weight),
        Arm(role="soft_targets", temperature=temperature, kd_weight=kd_weight),
    )
