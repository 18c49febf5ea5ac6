"""What a run of language models is: its settings, and the spec that the store keeps."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from kdlab.data.corpora import CORPORA, find_corpus
from kdlab.distill.arms import Arm
from kdlab.distill.budget import Schedule
from kdlab.models.causal_shapes import LANGUAGE_STUDENTS
from kdlab.models.language_teachers import find_language_teacher, language_teachers
from kdlab.models.own_tokens import WINDOW, sizes_of
from kdlab.runs.spec import Setting, Spec, control, known


class TextSetting(Setting):
    """The settings of a run whose students are language models. Raises pydantic's ValidationError."""

    dataset: str = Field(
        "pride",
        description="The text that students read, and that the teacher is asked about.",
        json_schema_extra=control("Text"),
    )
    teacher: str = Field(
        "smollm2",
        description="The language model whose next-token probabilities the students learn from.",
        json_schema_extra=control("Teacher"),
    )
    student: str = Field(
        "llama-2x64",
        description="The shape of the small model, over the text's own tokens of the teacher's vocabulary.",
        json_schema_extra=control("Student"),
    )
    tokens: int = Field(
        65_536,
        ge=4_096,
        le=4_194_304,
        description="How many tokens a student reads while it learns. Where the text has fewer, it is read again.",
        json_schema_extra=control("Tokens", "tokens", 4_096, "log"),
    )
    batch_size: int = Field(
        8,
        ge=2,
        le=64,
        description=f"Windows of {WINDOW} tokens in a step.",
        json_schema_extra=control("Batch size", "windows", 2),
    )
    seeds: int = Field(
        2,
        ge=1,
        le=5,
        description="How often everything is repeated with other weights and windows. Intervals need two.",
        json_schema_extra=control("Seeds", "", 1),
    )
    schedule: Schedule = Field(
        "cosine",
        description="How the step size goes on: constant, or along half a cosine down to 0.",
        json_schema_extra=control("Schedule"),
    )
    warm_up: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Share of the steps over which the step size rises to its full height.",
        json_schema_extra=control("Warm-up", "", 0.01),
    )
    clip_norm: float = Field(
        1.0,
        ge=0,
        le=100,
        description="A student's gradient that is longer is shortened to this length; 0 leaves it as it is.",
        json_schema_extra=control("Clip gradients at", "", 0.1),
    )
    prompt: str = Field(
        "It is a truth universally acknowledged, that",
        min_length=1,
        max_length=120,
        description="What every student writes on from, again and again while it learns.",
        json_schema_extra=control("Prompt"),
    )

    @model_validator(mode="after")
    def _parts_fit(self, info: ValidationInfo) -> Self:
        if (info.context or {}).get("stored"):
            return self  # a run of the past is read, whatever has gone since
        known("text", self.dataset, find_corpus, CORPORA)
        teachers = [teacher.name for teacher in language_teachers()]
        known("teacher", self.teacher, find_language_teacher, teachers)
        known("student", self.student, LANGUAGE_STUDENTS.get, LANGUAGE_STUDENTS)
        return self

    @property
    def total_steps(self) -> int:
        """Optimiser steps of every student."""
        return max(1, round(self.tokens / (WINDOW * self.batch_size)))


class TextSpec(TextSetting, Spec):
    """A run of language models."""

    task: Literal["next_token"] = "next_token"
    vocabulary: int = Field(ge=2)
    """How many own tokens the teacher's vocabulary has in this text; kept, for the text or the teacher may go."""
    teacher_width: int = Field(ge=1)
    """The numbers in one of the teacher's last hidden states."""

    own_source: ClassVar[str] = "the text"
    own_source_is_nothing: ClassVar[str] = "the text counts for nothing either"

    @model_validator(mode="before")
    @classmethod
    def _sizes(cls, values: Any, info: ValidationInfo) -> Any:
        """Of a new run they are looked up; a stored one has them."""
        if not isinstance(values, dict) or "vocabulary" in values or (info.context or {}).get("stored"):
            return values
        try:
            return values | sizes_of(values.get("teacher"), values.get("dataset"))._asdict()
        except ValueError:
            return values | {"vocabulary": 2, "teacher_width": 1}  # another check says in words what is unknown

    @property
    def length(self) -> float:
        return self.total_steps * self.batch_size * WINDOW / 1000

    def read_otherwise(self, other: Self) -> str | None:
        if self.tokens == other.tokens:
            return None
        return "The runs read other numbers of tokens, so that a seed does not read the same windows in both."

    def payload_bits(self, arm: Arm) -> float:
        """What is stored of the teacher for one token of the text. Of all probabilities it is its last hidden state, of which
        its head makes them again (16 bits a number), where that is smaller than the probabilities themselves."""
        bits = arm.access.bits_per_query(self.vocabulary)
        return min(bits, 16.0 * self.teacher_width) if arm.access.rung in ("logits", "probabilities") else bits

    def closed_because(self, arm: Arm) -> str | None:
        if arm.insides or arm.copy_layers is not None:
            return "the lab does not look inside a language model that teaches another"
        return None
