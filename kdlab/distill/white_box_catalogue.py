"""What a student can be asked to match inside its teacher, beside its outputs: what each objective needs, and its controls.

A new one is one more class here, as in `kdlab.distill.objective_catalogue`. No torch is imported until a loss is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field

from kdlab.core.counted import counted
from kdlab.distill.access import Access, Form, Rung, Whose
from kdlab.models.inner_layers import Layer, numbered

if TYPE_CHECKING:
    from torch import Tensor


LayerMap = Literal["last", "uniform", "top", "bottom"]


@dataclass(frozen=True)
class Inside:
    """What a white-box objective may read, of B examples.

    student, teacher: a hidden layer (B, positions, channels); where it `reads_heads`, of the student the queries, keys and
    values of a layer (B, positions, 3 · channels), of the teacher what its `form` says; where it `compares_gradients` a
    directional derivative of the logits (B, K). projection (channels of the teacher, channels of the student), where the
    objective has one. mask (B, positions), true where a position counts; None where all do.
    """

    student: Tensor
    teacher: Tensor
    projection: Tensor | None = None
    mask: Tensor | None = None


def _layer_map(default: LayerMap) -> LayerMap:
    return Field(  # type: ignore[no-any-return]
        default,
        description="Which of the teacher's layers the student's learn from: the last from the last; or each one, from layers "
        "spread evenly over the teacher's, from its last ones, or from its first.",
        json_schema_extra={"title": "Layer map"},
    )


class WhiteBox(BaseModel):
    """An objective inside the teacher, added to the distillation term with its own weight, which each pair of layers has."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    title: ClassVar[str]
    what: ClassVar[str]
    formula: ClassVar[str]  # LaTeX
    paper: ClassVar[str]
    rung: ClassVar[Rung]
    form: ClassVar[Form] = "map"
    compares_gradients: ClassVar[bool] = False
    reads_heads: ClassVar[bool] = False
    projects: ClassVar[bool] = False  # whether it learns a projection beside the student, one for each pair of layers
    same_channels: ClassVar[bool] = False
    same_positions: ClassVar[bool] = True

    weight: float
    whose: Whose = Field(
        "teacher",
        description="Whose inside the student is shown. The other two are placebos: what they bring is not knowledge.",
        json_schema_extra={"title": "Inside of"},
    )
    layer_map: LayerMap = _layer_map("last")

    def student_layers(self, last: int) -> tuple[int, ...]:
        """The numbers of the student's layers that learn. last: its last layer's."""
        return (last,) if self.layer_map == "last" else tuple(range(1, last + 1))

    def pairs(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> tuple[tuple[int, int], ...]:
        """(the student's layer, the teacher's layer that it learns from), by their numbers."""
        ours, theirs = max(numbered(student)), max(numbered(teacher))
        return tuple((m, mapped(self.layer_map, m, ours, theirs)) for m in self.student_layers(ours))

    def reads(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> Access:
        """What a teacher must reveal, its layers in the order of the student's that learn from them."""
        layers = () if self.compares_gradients else tuple(theirs for _, theirs in self.pairs(student, teacher))
        return Access(self.rung, layers=layers, whose=self.whose, form=self.form)

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        """Why a student cannot be asked this of a teacher with these hidden layers, in a sentence; None where it can."""
        if not teacher or not student:
            whose = "teacher" if student else "student"
            return f"{self.title} needs a hidden layer on both sides, and the {whose} has none that the lab looks into."
        last, deepest = max(numbered(student)), max(numbered(teacher))
        if self.layer_map != "last" and last > deepest:
            return f"This pairs each layer of the student with one of the teacher, but the student has {last} and the teacher {deepest}."
        for ours, theirs in self.pairs(student, teacher):
            own, shown = numbered(student)[ours], numbered(teacher)[theirs]
            if why := self._unlike(own, shown):
                return (
                    f"This {why}, but the student's layer {ours} has {layer_in_words(own)}, "
                    f"the teacher's layer {theirs} has {layer_in_words(shown)}."
                )
        return None

    def _unlike(self, own: Layer, shown: Layer) -> str | None:
        """What the objective does that two layers of these shapes do not allow."""
        if self.reads_heads and not (own.heads and shown.heads):
            return "looks at queries and keys, which a layer without heads of attention does not have"
        if self.same_positions and own.positions != shown.positions:
            return "compares position by position"
        if self.same_positions and self.same_channels and own.channels != shown.channels:
            return "compares number by number"
        return None

    def numbers(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...], classes: int) -> int:
        """How many numbers the teacher sends for an example, padding and all where its layers have it."""
        if self.compares_gradients:
            return classes
        return sum(self._sent(numbered(teacher)[theirs]) for _, theirs in self.pairs(student, teacher))

    def _sent(self, layer: Layer) -> int:
        return layer.positions * layer.channels

    def extra_parameters(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> int:
        """How many numbers a student learns beside itself: its projections."""
        if not self.projects:
            return 0
        ours, theirs = numbered(student), numbered(teacher)
        return sum(theirs[t].channels * ours[s].channels for s, t in self.pairs(student, teacher))

    def loss(self, given: Inside) -> Tensor:
        """Mean over examples, and over unmasked positions where it has any, of one pair of layers; no dimensions."""
        raise NotImplementedError


def mapped(layer_map: LayerMap, layer: int, ours: int, theirs: int) -> int:
    """The number of the teacher's layer that a student's layer is paired with. ours, theirs: the last layers' numbers.

    "uniform" is the function of TinyBERT (Jiao et al. 2020, arXiv 1909.10351), m · N / M, rounded up; the embeddings, 0,
    are paired with the embeddings.
    """
    if layer == 0:
        return 0
    match layer_map:
        case "last":
            return theirs
        case "uniform":
            return -(-layer * theirs // ours)
        case "top":
            return layer + theirs - ours
        case "bottom":
            return layer


def layer_in_words(layer: Layer) -> str:
    """Its shape, for a sentence."""
    heads = f" in {counted(layer.heads, 'heads')}" if layer.heads else ""
    return f"{counted(layer.positions, 'positions')} of {counted(layer.channels, 'numbers')}{heads}"


_ON_FASHION = "Of the weights tried the default did best on the Fashion pictures' validation split, where no weight was shown to beat none."
_ON_TEXTS = "The default is the paper's; none was searched for."
_SEARCHED = "The default is the paper's; on the glosses' validation split no weight from 0.01 to 10 was shown to beat none."


def _weight(default: float, most: float, where: str = _ON_FASHION) -> float:
    return Field(  # type: ignore[no-any-return]
        default,
        ge=0,
        le=most,
        description=f"How much the term counts. {where}",
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
    embeddings: bool = Field(
        False,
        description="The student's embeddings learn from the teacher's too.",
        json_schema_extra={"title": "Embeddings too"},
    )

    def student_layers(self, last: int) -> tuple[int, ...]:
        return ((0,) if self.embeddings else ()) + super().student_layers(last)

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        if self.embeddings and not all(0 in numbered(layers) for layers in (student, teacher)):
            return "This pairs embeddings too, for which it needs a transformer on both sides."
        return super().unfit_because(student, teacher)

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
        if student and teacher and student[-1].positions == teacher[-1].positions == 1:
            return f"{self.title} compares places, and the last hidden layer has a single one."
        return super().unfit_because(student, teacher)

    def _sent(self, layer: Layer) -> int:
        return layer.positions  # the map alone

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

    weight: float = _weight(1.0, 100, _ON_TEXTS)

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import cosine_hidden_loss

        return cosine_hidden_loss(given.student, given.teacher, given.mask)


class AttentionScores(WhiteBox):
    name: Literal["attention_scores"] = "attention_scores"
    title = "Attention scores"
    what = "Look, head by head, from each word to the words that the teacher looks to."
    formula = r"\frac{1}{h} \sum_{i=1}^{h} \mathrm{MSE}(A_i^s, A_i^t),\quad A = \frac{Q K^\top}{\sqrt{d}}"
    paper = "Jiao et al. 2020 (TinyBERT), arXiv 1909.10351, eq. 7, without padding"
    rung = "attention"
    form = "scores"
    reads_heads = True

    weight: float = _weight(1.0, 100, _ON_TEXTS)
    layer_map: LayerMap = _layer_map("uniform")

    def _unlike(self, own: Layer, shown: Layer) -> str | None:
        return super()._unlike(own, shown) or ("compares head by head" if own.heads != shown.heads else None)

    def _sent(self, layer: Layer) -> int:
        return layer.heads * layer.positions**2

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import attention_scores_loss

        return attention_scores_loss(given.student, given.teacher, given.mask)


class Relations(WhiteBox):
    name: Literal["relations"] = "relations"
    title = "Relations"
    what = "Find those words of a text alike that the teacher finds alike, as it asks, as it answers and as it speaks."
    formula = r"\sum_{X \in Q, K, V} \mathrm{KL}(R_X^t \,\|\, R_X^s),\quad R_X = \mathrm{softmax}\left(\frac{X X^\top}{\sqrt{d}}\right)"
    paper = "Wang et al. 2021 (MiniLMv2), arXiv 2012.15828, eq. 5 and 6"
    rung = "attention"
    form = "queries_keys_values"
    reads_heads = True

    weight: float = _weight(1.0, 100, _SEARCHED)
    relation_heads: int = Field(
        8,
        ge=1,
        le=384,
        description="Into how many heads both models' numbers are cut anew; more of them see finer.",
        json_schema_extra={"title": "Relation heads", "step": 1},
    )

    def _unlike(self, own: Layer, shown: Layer) -> str | None:
        uneven = any(layer.channels % self.relation_heads for layer in (own, shown))
        return super()._unlike(own, shown) or (f"cuts both into {self.relation_heads} even heads" if uneven else None)

    def _sent(self, layer: Layer) -> int:
        return 3 * layer.positions * layer.channels

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import relations_loss

        return relations_loss(given.student, given.teacher, self.relation_heads, given.mask)


class JacobianMatch(WhiteBox):
    name: Literal["jacobian_match"] = "jacobian_match"
    title = "Jacobian"
    what = "Change your mind as the teacher does when the input changes a little."
    formula = r"\frac{d}{K} \left\| (J_s - J_t)\, v \right\|^2,\quad \|v\| = 1"
    paper = "Czarnecki et al. 2017 (Sobolev training), arXiv 1706.04859; Srinivas and Fleuret 2018, arXiv 1803.00443"
    rung = "gradients"
    compares_gradients = True

    weight: float = _weight(3e-5, 100)

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        # Logits are common to both, and pixels; a word is swapped in each model's own table.
        return None if teacher else f"{self.title} needs a teacher that the lab looks into."

    def loss(self, given: Inside) -> Tensor:
        from kdlab.distill.white_box import jacobian_match_loss

        return jacobian_match_loss(given.student, given.teacher)


WHITE_BOX: dict[str, type[WhiteBox]] = {
    cls.model_fields["name"].default: cls for cls in WhiteBox.__subclasses__()
}

# The type of a field that holds any of them.
AnyWhiteBox = Annotated[Union[tuple(WHITE_BOX.values())], Field(discriminator="name")]  # noqa: UP007
