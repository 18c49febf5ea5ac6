"""A budget: how long students train, and how large their steps are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True)
class Budget:
    """``steps`` updates in ``epochs`` passes. Step sizes are AdamW's; ``warm_up`` is a share of all steps."""

    steps: int
    epochs: int
    learning_rate: float
    schedule: Schedule = "constant"
    warm_up: float = 0.0
    clip_norm: float = 0.0

    def learning_rate_at(self, step: int) -> float:
        """The step size of the update after ``step`` others.

        It rises in a line over the warm-up; then it stays, or falls along half a cosine to 0 at the end (Loshchilov
        and Hutter 2017, arXiv 1608.03983, without restarts).
        """
        rising = round(self.warm_up * self.steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, self.steps - rising)))
