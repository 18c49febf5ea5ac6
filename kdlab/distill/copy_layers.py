"""A student that starts from some of its teacher's layers: what fits, and which are copied; needs no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from kdlab.core.counted import counted
from kdlab.distill.white_box_catalogue import layer_in_words, mapped
from kdlab.models.inner_layers import Layer, numbered
from kdlab.models.sizes import bert_parameters


class CopyLayers(BaseModel):
    """An initialisation: embeddings and layers are the teacher's, the classifier is the seed's own.

    Sanh et al. 2019 (DistilBERT), arXiv 1910.01108, which takes one layer out of two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str] = "Copied layers"

    layer_map: Literal["uniform", "top", "bottom"] = "uniform"

    def pairs(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> tuple[tuple[int, int], ...]:
        """(the student's layer, the teacher's layer that it starts as), by their numbers."""
        ours, theirs = max(numbered(student)), max(numbered(teacher))
        return tuple((m, mapped(self.layer_map, m, ours, theirs)) for m in range(1, ours + 1))

    def unfit_because(self, student: tuple[Layer, ...], teacher: tuple[Layer, ...]) -> str | None:
        """Why a student cannot start from a teacher with these layers, in a sentence; None where it can."""
        if not student or not teacher or not (student[-1].heads and teacher[-1].heads):
            return "Layers are copied from a transformer that the lab looks into to another one, and here one of the two is none."
        if len(student) > len(teacher):
            return f"The student has {counted(len(student) - 1, 'layers')}, and the teacher only {len(teacher) - 1} to copy."
        for m, t in self.pairs(student, teacher):
            own, shown = numbered(student)[m], numbered(teacher)[t]
            if own != shown:
                return (
                    f"Copied layers need one of the same shape in the teacher, but the student's layer {m} has {layer_in_words(own)}, "
                    f"the teacher's layer {t} has {layer_in_words(shown)}."
                )
        return None

    def numbers(self, student: tuple[Layer, ...], pieces: int) -> int:
        """How many numbers are copied to a student that knows this many word pieces."""
        return bert_parameters(pieces, len(student) - 1, student[-1].channels, student[-1].positions)
