"""An arm: what one group of students in a run is taught with."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kdlab.distill.objective_catalogue import AnyObjective, ForwardKL, HardLabels, Objective, TopKKL

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
    - ``soft_targets``: the teacher reveals what the objective needs of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    objective: AnyObjective = ForwardKL()
    temperature: float = Field(1.0, gt=0)
    kd_weight: float = Field(0.0, ge=0, le=1)

    @property
    def name(self) -> str:
        """How the arm is called on screen."""
        plain = self.role != "soft_targets" or isinstance(self.objective, ForwardKL)
        return ROLE_NAMES[self.role] if plain else self.objective.title

    @property
    def untaught_because(self) -> str | None:
        """Why nothing of its distillation term reaches the students, in a sentence; None where something does."""
        if self.kd_weight == 0:
            return "With a KD weight of 0 the distillation term counts for nothing."
        return self.objective.constant_because

    def bits_per_query(self, classes: int) -> float:
        """How much one answer of the teacher tells this arm: log2 K for a label, 32 bits for each number."""
        label = math.log2(classes)
        match self.role, self.objective.needs:
            case "labels_only", _:
                return 0.0
            case _, "top_k":
                k = min(self.objective.k, classes) if isinstance(self.objective, TopKKL) else classes
                return k * (32 + label) + 32  # the classes shown, their probabilities, the mass of the rest
            case _, "logits":
                return 32.0 * classes
            case _, "labels":
                return label
        return 0.0


def three_arms(temperature: float, kd_weight: float, objective: Objective | None = None) -> tuple[Arm, ...]:
    """Labels only, the teacher's answers, the objective: no curve without its control.

    The middle arm tells what softness adds from what more labelled data adds.
    """
    return (
        Arm(role="labels_only"),
        Arm(role="hard_labels", objective=HardLabels(), kd_weight=kd_weight),
        Arm(
            role="soft_targets",
            objective=objective or ForwardKL(),  # type: ignore[arg-type]
            temperature=temperature,
            kd_weight=kd_weight,
        ),
    )
