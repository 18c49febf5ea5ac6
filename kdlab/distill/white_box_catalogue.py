"""What a student can be asked to match inside its teacher, beside its outputs: what each objective needs, and its controls.

A new one is one more class here, as in `kdlab.distill.objective_catalogue`. No torch is imported until a loss is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field

from kdlab.distill.access import Access, Rung, Whose
from kdlab.models.inner_layers import Layer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Inside:
    """What a white-box objective may read, of B examples.

    student, teacher: a hidden layer (B, positions, channels), or where it `compares_gradients` a directional derivative
    of the logits (B, K). projection (channels of the teacher, channels of the student), where the objective has one.
    mask (B, positions), true where a position counts; None where all do.
    """

    student: Tensor
    teacher: Tensor
    projection: Tensor | None = None
    mask: Tensor | None = None


class WhiteBox(BaseModel):
    """An objective inside the teacher, added to the distillation term with its own weight."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: ClassVar[str]
    what: ClassVar[str]
    formula: ClassVar[str]  # LaTeX
    paper: ClassVar[str]
    rung: ClassVar[Rung]
    compares_gradients: ClassVar[bool] = False
    projects: ClassVar[bool] = False  # whether it learns a projection beside the student
    same_channels: ClassVar[bool] = False
    same_positions: ClassVar[bool] = True

    weight: float
    whose: Whose = Field(
        "teacher",
        description="Whose inside the student is shown. The other two are placebos: what they bring is not knowledge.",
        json_schema_extra={"title": "Inside of"},
    )

    def reads(self, teacher: tuple[Layer, ...]) -> Access:
        """What a teacher with these hidden layers must reveal."""
        return Access(self.rung, layer=len(teacher), whose=self.whose)

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        """Why a student cannot be asked this of a teacher with these hidden layers, in a sentence; None where it can."""
        if not teacher or not student:
            whose = "teacher" if student else "student"
            return f"{self.title} needs a hidden layer on both sides, and the {whose} has none that the lab looks into."
        ours, theirs = student[-1], teacher[-1]
        shapes = (
            f"the student's layer {len(student)} has {ours[0]} positions of {ours[1]} numbers, "
            f"the teacher's layer {len(teacher)} has {theirs[0]} of {theirs[1]}"
        )
        if self.same_positions and ours[0] != theirs[0]:
            return f"{self.title} compares position by position, but {shapes}."
        if self.same_positions and self.same_channels and ours[1] != theirs[1]:
            return f"{self.title} compares number by number, but {shapes}."
        return None

    def numbers(self, teacher: tuple[Layer, ...], classes: int) -> int:
        """How many numbers the teacher sends for an example."""
        positions, channels = teacher[-1]
        return classes if self.compares_gradients else positions * channels

    def extra_parameters(
        self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]
    ) -> tuple[int, int] | None:
        """Shape of the projection that a student learns beside itself; None where it learns none."""
        return (teacher[-1][1], student[-1][1]) if self.projects else None

    def loss(self, given: Inside) -> Tensor:
        """Mean over examples, and over unmasked positions where it has any; no dimensions."""
        raise NotImplementedError


def _weight(default: float, most: float) -> float:
    return Field(  # type: ignore[no-any-return]
        default,
        ge=0,
        le=most,
        description="How much the term counts. The default did best on the Fashion pictures' validation split, where no "
        "weight was shown to beat none.",
        json_schema_extra={"title": "Weight", "step": most / 1000},
    )


class Hint(WhiteBox):
    name: Literal["hint"] = "hint"
    title = "Hint"
    what = "Hold inside what the teacher holds inside, through a learned projection."
    formula = r"\frac{1}{d_t} \left\| W h_s - h_t \right\|^2"
    paper = "Romero et al. 2015 (FitNets), arXiv 1412.6550, eq. 3, per number"
    rung = "hidden"
    projects = True

    weight: float = _weight(0.03, 10)

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import hint_loss

        assert given.projection is not None
        return hint_loss(given.student, given.teacher, given.projection, given.mask)


class AttentionTransfer(WhiteBox):
    name: Literal["attention_transfer"] = "attention_transfer"
    title = "Attention transfer"
    what = "Look where the teacher looks: the same places of the picture, whatever is seen there."
    formula = r"\left\| \frac{Q_s}{\|Q_s\|} - \frac{Q_t}{\|Q_t\|} \right\|^2,\quad Q = \sum_c h_c^2"
    paper = "Zagoruyko and Komodakis 2017, arXiv 1612.03928, eq. 2, squared as in their code"
    rung = "attention"

    weight: float = _weight(0.01, 10)

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        if student and teacher and student[-1][0] == teacher[-1][0] == 1:
            return f"{self.title} compares places, and the last hidden layer has a single one."
        return super().unfit_because(student, teacher)

    def numbers(self, teacher: tuple[Layer, ...], classes: int) -> int:
        return teacher[-1][0]  # the map alone

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import attention_transfer_loss

        return attention_transfer_loss(given.student, given.teacher.squeeze(-1))


class Gram(WhiteBox):
    name: Literal["gram"] = "gram"
    title = "Similarity of examples"
    what = "Find those examples of a batch alike that the teacher finds alike."
    formula = r"\frac{1}{B^2} \left\| \tilde G_s - \tilde G_t \right\|_F^2,\quad G = H H^\top"
    paper = "Tung and Mori 2019, arXiv 1907.09682, eq. 4"
    rung = "hidden"
    same_positions = False

    weight: float = _weight(0.3, 300)

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import gram_loss

        return gram_loss(given.student, given.teacher)


class CosineHidden(WhiteBox):
    name: Literal["cosine_hidden"] = "cosine_hidden"
    title = "Cosine of hidden states"
    what = "Point inside where the teacher points; lengths are free."
    formula = r"1 - \frac{h_s \cdot h_t}{\|h_s\| \|h_t\|}"
    paper = "Sanh et al. 2019 (DistilBERT), arXiv 1910.01108"
    rung = "hidden"
    same_channels = True

    weight: float = _weight(1.0, 100)

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import cosine_hidden_loss

        return cosine_hidden_loss(given.student, given.teacher, given.mask)


class JacobianMatch(WhiteBox):
    name: Literal["jacobian_match"] = "jacobian_match"
    title = "Jacobian"
    what = "Change your mind as the teacher does when the input changes a little."
    formula = r"\frac{d}{K} \left\| (J_s - J_t)\, v \right\|^2,\quad \|v\| = 1"
    paper = "Czarnecki et al. 2017 (Sobolev training), arXiv 1706.04859; Srinivas and Fleuret 2018, arXiv 1803.00443"
    rung = "gradients"
    compares_gradients = True

    weight: float = _weight(3e-5, 1)

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        return None  # logits and pixels are common to both

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import jacobian_match_loss

        return jacobian_match_loss(given.student, given.teacher)


WHITE_BOX: dict[str, type[WhiteBox]] = {
    cls.model_fields["name"].default: cls for cls in WhiteBox.__subclasses__()
}

# The type of a field that holds any of them.
AnyWhiteBox = Annotated[Union[tuple(WHITE_BOX.values())], Field(discriminator="name")]  # noqa: UP007
