"""An arm: what one group of students in a run is taught with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kdlab.distill.access import Access
from kdlab.distill.copy_layers import CopyLayers
from kdlab.distill.objective_catalogue import AnyObjective
from kdlab.distill.white_box_catalogue import AnyWhiteBox, WhiteBox


class Arm(BaseModel):
    """One arm of a run. All arms of a seed see the same batches and, but for copied layers, start from the same weights.

    ``key`` tells arms apart: it names columns and files. ``label`` and ``hue`` are how the arm looks; a hue is a
    role of the lab's colours, or a place between 0 and 1 on one ordered scale. Without an ``objective`` it learns
    from the labels alone. ``control`` is the key of the arm beside which its own terms are drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    label: str = Field(min_length=1, max_length=60)
    hue: str = Field(pattern=r"^([a-z_]{1,30}|0(\.\d{1,6})?|1(\.0)?)$")
    objective: AnyObjective | None = None
    temperature: float = Field(1.0, gt=0)
    kd_weight: float = Field(0.0, ge=0, le=1)
    white_box: AnyWhiteBox | None = None
    """What it is asked to match inside its teacher, beside the objective."""
    also: tuple[AnyWhiteBox, ...] = ()
    """What else it is asked to match there."""
    layers_first: float = Field(0.0, ge=0, lt=1)
    """A share of the steps in which it learns from the teacher's inside alone, and from then on from its outputs alone: TinyBERT's
    two stages (Jiao et al. 2020, arXiv 1909.10351). At 0 it learns from both throughout."""
    text: Literal["corpus", "teacher", "student"] = "corpus"
    """Whose text a language model's students read: the corpus's, or what the teacher or they themselves wrote on from its
    beginnings. The student's own is on-policy distillation (Agarwal et al. 2024, GKD, arXiv 2306.13649)."""
    own_share: float = Field(1.0, gt=0, le=1)
    """λ of on-policy distillation: the share of a batch that the students write themselves; the rest is the corpus's."""
    warm: float = Field(0.0, ge=0, lt=1)
    """A share of the steps in which its students learn from the corpus's text alone, before all else."""
    copy_layers: CopyLayers | None = None
    """Which of the teacher's layers its students start as; without it they start as the seed's other students do."""
    control: str | None = None
    said: str = Field("", max_length=80)
    """The arm in the middle of a sentence; empty for its label as it is."""
    student: str = Field("", max_length=80)
    """Its student in a sentence: "soft-targets student"; empty for "LABEL student"."""

    @model_validator(mode="after")
    def _first_comes_something(self) -> Self:
        if self.layers_first and not self.insides:
            raise ValueError(
                f"{self.in_a_sentence} is to learn from the teacher's inside first, but is asked nothing there; "
                "ask it something with white_box, or set layers_first to 0"
            )
        return self

    @property
    def in_a_sentence(self) -> str:
        return self.said or self.label

    @property
    def its_student(self) -> str:
        return self.student or f"{self.label} student"

    @property
    def access(self) -> Access:
        """What the teacher reveals to this arm."""
        return Access("nothing") if self.objective is None else self.objective.access

    @property
    def insides(self) -> tuple[WhiteBox, ...]:
        """All that it is asked to match inside its teacher."""
        return (() if self.white_box is None else (self.white_box,)) + self.also

    @property
    def untaught_because(self) -> str | None:
        """Why nothing of its distillation term reaches the students, in a sentence; None where something does."""
        if self.copy_layers is not None or any(asked.weight for asked in self.insides):
            return None
        if self.kd_weight == 0:
            return "With a KD weight of 0 the distillation term counts for nothing."
        return None if self.objective is None else self.objective.constant_because

    def steered(self, steering: Mapping[str, float]) -> Arm:
        """The arm once the visitor has moved temperature or KD weight.

        The temperature moves an arm whose objective softens, the KD weight every arm that has an objective.
        """
        if self.objective is None:
            return self
        obeys = ("temperature", "kd_weight") if self.objective.softens else ("kd_weight",)
        return self.model_copy(update={name: steering[name] for name in obeys if name in steering})
