"""What every objective is: what it needs of the teacher, its words, its loss. `kdlab.distill.objective_catalogue` has them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from kdlab.distill.access import Access, Rung
from kdlab.models.added_teachers import Shows

if TYPE_CHECKING:
    from torch import Tensor

    from kdlab.distill.rowwise import Rows


@dataclass(frozen=True)
class Given:
    """What an objective may read.

    student_logits: (..., K). teacher: what the objective `needs`: None; class numbers (...); a pair of
    probabilities at T = 1 and class numbers, both (..., k); logits (..., K). labels: (...) the true classes, or
    the teacher's answers where no label is known; read only if it `uses_labels`. mask: (...), true where an item
    counts.
    """

    student_logits: Tensor
    teacher: Any = None
    labels: Tensor | None = None
    temperature: float | Tensor = 1.0
    mask: Tensor | None = None


class Objective(BaseModel):
    """What the distillation term asks of the student; `name` tells the classes apart in a stored spec."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: ClassVar[str]
    what: ClassVar[str]
    formula: ClassVar[str]  # LaTeX; T² is written where it applies
    paper: ClassVar[str]
    needs: ClassVar[Rung]  # what the teacher must reveal

    needs_scale: ClassVar[bool] = False  # whether log-probabilities, which lack what all logits share, are too little
    uses_labels: ClassVar[bool] = False
    softens: ClassVar[bool] = False  # whether the temperature does anything
    is_soft_targets: ClassVar[bool] = False  # whether it is what the lesson means by soft targets
    tasks: ClassVar[tuple[str, ...]] = ("classification",)  # whose students can be asked it

    @property
    def access(self) -> Access:
        """What the teacher must reveal, at these settings."""
        return Access(self.needs)

    @property
    def term(self) -> str:
        """The distillation term in a picture of the loss."""
        return self.title

    @property
    def constant_because(self) -> str | None:
        """Why its loss is the same for every student at these settings, in a sentence; None where it is not."""
        return None

    @classmethod
    def hidden_because(cls, shows: Shows) -> str | None:
        """Why a teacher that shows no more than this of its answers does not let it be learned, in a sentence; None where it does."""
        if shows == "label" and cls.needs not in ("nothing", "label"):
            return f"{cls.title} learns from probabilities, and this teacher shows none: it names a class."
        if shows == "probabilities" and cls.needs_scale:
            return f"{cls.title} learns from the logits themselves, and this teacher shows probabilities alone."
        return None

    def loss(self, given: Given) -> Tensor:
        """Mean loss over unmasked items, in nats."""
        raise NotImplementedError

    def rows(self) -> Callable[..., Rows]:
        """Losses (n,) and their gradient (n, K) in z_s / T, of z_s / T (n, K), what the teacher shows of the items, and T:
        what a loss is made of that takes a vocabulary's logits some items at a time. For tasks whose students give hidden states."""
        raise NotImplementedError


class Softened(Objective):
    """An objective that softens both sides by the temperature."""

    softens: ClassVar[bool] = True

    t_squared: bool = Field(
        True,
        description="Multiplies by T², so that the term's gradient keeps its size as the temperature moves.",
        json_schema_extra={"title": "Times T²"},
    )
