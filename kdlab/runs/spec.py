"""What a run is: a frozen spec, stored whole, with the arms that it trains and the contrasts that it shows.

The fields of a setting feed the controls, the URL and the command line; `kdlab.runs.recipes` makes the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from kdlab.data.labelled_csv import MOST_ROWS
from kdlab.data.registry import DATASETS, find_dataset, get_dataset
from kdlab.data.text import PADDING
from kdlab.distill.access import Access
from kdlab.distill.arms import Arm
from kdlab.distill.budget import Schedule
from kdlab.distill.copy_layers import CopyLayers
from kdlab.distill.metrics import TASKS, Axis, metrics_of
from kdlab.distill.objective_catalogue import ALL, OBJECTIVES
from kdlab.distill.white_box_catalogue import WhiteBox
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import STUDENTS, find_student, find_teacher, shown_by, students_for, teachers_for
from kdlab.models.inner_layers import Layer, closed_because, layers_of_student, layers_of_teacher
from kdlab.models.sizes import known_pieces
from kdlab.models.student_folder import is_folder_student
from kdlab.runs.contrasts import Contrast

T = TypeVar("T")
LARGEST_SET = max(MOST_ROWS, *(data.train_size for data in DATASETS.values()))


def control(title: str, unit: str = "", step: float | None = None, scale: str = "linear") -> dict[str, Any]:
    """What the pages say of a field beside its help."""
    return {"title": title, "unit": unit, "step": step, "scale": scale}


class Setting(BaseModel):
    """What all arms of a run share, whatever its task: data, teacher, student shape, seeds, step size, device.

    Raises pydantic's ValidationError; `explain` puts it in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str = Field(
        "fashion",
        description="The data that teacher and students classify.",
        json_schema_extra=control("Dataset"),
    )
    teacher: str = Field(
        "fashion",
        description="The trained model whose outputs the students learn from.",
        json_schema_extra=control("Teacher"),
    )
    student: str = Field(
        "mlp-16",
        description="The shape of the small model. Smaller students have more to gain and less room for it.",
        json_schema_extra=control("Student"),
    )
    seeds: int = Field(
        5,
        ge=1,
        le=10,
        description="How often everything is repeated with other weights, labels and batches. Intervals need two.",
        json_schema_extra=control("Seeds", "", 1),
    )
    learning_rate: float = Field(
        2e-3,
        ge=1e-5,
        le=0.1,
        description="Step size of the optimiser (AdamW).",
        json_schema_extra=control("Learning rate", "", None, "log"),
    )
    schedule: Schedule = Field(
        "constant",
        description="How the step size goes on: constant, or along half a cosine down to 0.",
        json_schema_extra=control("Schedule"),
    )
    warm_up: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the steps over which the step size rises to its full height.",
        json_schema_extra=control("Warm-up", "", 0.01),
    )
    clip_norm: float = Field(
        0.0,
        ge=0,
        le=100,
        description="A student's gradient that is longer is shortened to this length; 0 leaves it as it is.",
        json_schema_extra=control("Clip gradients at", "", 0.1),
    )
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        "auto",
        description="Where it trains: auto takes CUDA, then MPS, then the CPU.",
        json_schema_extra=control("Device"),
    )

    @property
    def total_steps(self) -> int:
        """Optimiser steps of every student."""
        raise NotImplementedError


class Labelled(Setting):
    """The settings of a run that classifies: how many examples have a label, how many the teacher's answer alone.

    Raises pydantic's ValidationError; `explain` puts it in words.
    """

    labels: int = Field(
        200,
        ge=2,
        le=LARGEST_SET,
        description="Training examples whose true label the students are told, spread evenly over the classes.",
        json_schema_extra=control("Labels", "examples", 10, "log"),
    )
    transfer: int = Field(
        500,
        ge=0,
        le=LARGEST_SET,
        description="Further training examples without a label: only the teacher says what they are.",
        json_schema_extra=control("Transfer set", "examples", 100),
    )
    epochs: int = Field(
        100,
        ge=1,
        le=400,
        description="Passes over the transfer set, or over the labels where those are more.",
        json_schema_extra=control("Epochs", "passes", 1),
    )
    batch_size: int = Field(
        64,
        ge=8,
        le=512,
        description="Labelled examples in a step; as many again come from the transfer set.",
        json_schema_extra=control("Batch size", "examples", 8),
    )

    @model_validator(mode="before")
    @classmethod
    def _fitting_defaults(cls, values: Any) -> Any:
        """A dataset that is named alone brings its teacher and the smallest student that reads it."""
        name = values.get("dataset") if isinstance(values, dict) else None
        data = find_dataset(name) if isinstance(name, str) else None
        if data is None:
            return values
        fitting = {}
        if taught_by := teachers_for(data.name):
            fitting["teacher"] = taught_by[0].name
        if STUDENTS[cls.model_fields["student"].default].kind != data.kind:
            fitting["student"] = students_for(data.name)[0].name
        return fitting | values

    @model_validator(mode="after")
    def _parts_fit(self, info: ValidationInfo) -> Self:
        data = known("dataset", self.dataset, find_dataset, DATASETS)
        if data.taken_away and not (info.context or {}).get("stored"):
            raise ValueError(f"the texts of {data.title} were taken away by who brought them; upload the file again")
        taught_by = [entry.name for entry in teachers_for(self.dataset)]
        if not taught_by:
            raise ValueError(f"{data.title} has no teacher yet; the page Teachers says how to give it one")
        teacher = known("teacher", self.teacher, find_teacher, taught_by)
        fitting = [shape.name for shape in students_for(self.dataset)]
        # The folder of a run of the past may be gone.
        gone = (info.context or {}).get("stored") and is_folder_student(self.student)
        student = None if gone else known("student", self.student, find_student, fitting)
        if teacher.dataset != self.dataset:
            raise ValueError(
                f"the teacher {self.teacher!r} knows {teacher.dataset!r}, not {self.dataset!r}; "
                "choose a teacher of the same dataset"
            )
        if student is not None and not student.reads(data.kind):
            raise ValueError(
                f"the student {self.student!r} does not read {data.kind}s; choose one of {', '.join(sorted(fitting))}"
            )
        classes = len(data.classes)
        if self.labels < classes:
            raise ValueError(
                f"{data.title} has {classes} classes; give at least {classes} labels, one a class"
            )
        # A run of the past may have drawn from a larger pool: it is read as it was.
        if self.labels + self.transfer > data.train_size and not (info.context or {}).get("stored"):
            raise ValueError(
                f"labels and transfer set together ask for {self.labels + self.transfer:,} examples, but "
                f"{data.title} has {data.train_size:,} to train on; lower one of them"
            )
        return self

    def unfit_because(self, asked: WhiteBox | CopyLayers) -> str | None:
        """Why this student cannot be asked this inside this teacher, in a sentence; None where it can."""
        if is_added(self.teacher):
            return closed_because(self.teacher)
        if is_folder_student(self.student):
            return "The lab does not look into a student from a folder, which reads with a tokenizer of its own."
        if isinstance(asked, WhiteBox) and asked.compares_gradients and get_dataset(self.dataset).kind == "character":
            return f"{asked.title} moves the input a little, which pictures and embedded words allow and characters do not."
        return asked.unfit_because(layers_of_student(self.student, self.dataset), layers_of_teacher(self.teacher))

    @property
    def total_steps(self) -> int:
        """Optimiser steps of every student."""
        return self.epochs * -(-max(self.labels, self.transfer) // self.batch_size)


class MadeBy(BaseModel):
    """The recipe that made a spec of a page's controls, and what they said beside the shared settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    settings: dict[str, Any] = {}


class Spec(Setting):
    """One dataset, one teacher, one student shape, several arms, several seeds, and what is to be compared.

    Every arm and seed is a student. All students of a seed start from the same weights and see
    the same batches, in lock-step. Raises pydantic's ValidationError; `explain` puts it in words.
    """

    spec_version: Literal[2] = 2
    task: str
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=64)
    contrasts: tuple[Contrast, ...] = ()
    recipe: MadeBy

    own_source: ClassVar[str]
    """What teaches a student without a teacher: "the labels"."""
    own_source_is_nothing: ClassVar[str]
    """That it counts for nothing, in a sentence that has just said the same of the teacher."""

    @model_validator(mode="after")
    def _compares_what_it_trains(self) -> Self:
        keys = [arm.key for arm in self.arms]
        if len(set(keys)) < len(keys):
            raise ValueError("two arms of this run have the same key")
        named = [contrast.key for contrast in self.contrasts]
        if len(set(named)) < len(named):
            raise ValueError("two contrasts of this run have the same key")
        asked = [key for c in self.contrasts for key in (c.minuend, c.subtrahend)]
        asked += [arm.control for arm in self.arms if arm.control is not None]
        if unknown := [key for key in asked if key not in keys]:
            raise ValueError(f"this run compares with {unknown[0]!r}, which is none of its arms")
        if unknown := [part for c in self.contrasts for part in c.parts if part not in named]:
            raise ValueError(f"a contrast of this run has the part {unknown[0]!r}, which is none of its contrasts")
        for arm in self.arms:
            if arm.objective is not None and self.task not in arm.objective.tasks:
                raise ValueError(f"{arm.in_a_sentence}: {arm.objective.title} is nothing that students of this kind can be asked")
            if closed := self.closed_because(arm):
                raise ValueError(f"{arm.in_a_sentence}: {closed}")
        if unknown := [c.metric for c in self.contrasts if c.metric not in metrics_of(self.task)]:
            raise ValueError(f"this run compares by {unknown[0]!r}, which its task does not measure")
        return self

    @property
    def length(self) -> float:
        """The whole run on the axis of its task."""
        raise NotImplementedError

    @property
    def axis(self) -> Axis:
        """Along what the run goes in its pictures."""
        return replace(TASKS[self.task].axis, a_step=self.length / self.total_steps, end=self.length)

    def read_otherwise(self, other: Self) -> str | None:
        """Why students of a seed do not read the same in another run of this task on the same data; None where they do."""
        raise NotImplementedError

    def payload_bits(self, arm: Arm) -> float:
        """What the teacher sends this arm for an example."""
        raise NotImplementedError

    def closed_because(self, arm: Arm) -> str | None:
        """Why this teacher and this student do not allow the arm, in a sentence; None where they do."""
        raise NotImplementedError

    def arm(self, key: str) -> Arm:
        """The arm of this key."""
        return next(arm for arm in self.arms if arm.key == key)


class RunSpec(Spec, Labelled):
    """A run that classifies."""

    task: Literal["classification"] = "classification"

    own_source: ClassVar[str] = "the labels"
    own_source_is_nothing: ClassVar[str] = "the labels count for nothing either"

    @property
    def length(self) -> float:
        return float(self.epochs)

    def read_otherwise(self, other: Self) -> str | None:
        if (self.labels, self.transfer) == (other.labels, other.transfer):
            return None
        return "The runs have other numbers of examples, so that a seed does not draw the same ones in both."

    def closed_because(self, arm: Arm) -> str | None:
        if arm.objective and (hidden := arm.objective.hidden_because(shown_by(self.teacher))):
            return hidden
        asked = (one for one in (*arm.insides, arm.copy_layers) if one is not None)
        return next((unfit for one in asked if (unfit := self.unfit_because(one))), None)

    def payload_bits(self, arm: Arm) -> float:
        """What the teacher sends the arm for an example: of its outputs, of its inside, and of copied weights, which come
        once, an example's share. Of the inside of texts it is a mean over the training texts, without padding."""
        classes = len(get_dataset(self.dataset).classes)
        bits = arm.access.bits_per_query(classes)
        if not arm.insides and arm.copy_layers is None:
            return bits
        layers = layers_of_student(self.student, self.dataset), layers_of_teacher(self.teacher)
        by_length = self._without_padding(layers[1])
        examples = sum(count for count, _ in by_length)
        for asked in arm.insides:
            sent = sum(count * asked.numbers(layers[0], shown, classes) for count, shown in by_length) / examples
            bits += asked.reads(*layers).bits_per_query(classes, sent)
        if arm.copy_layers is not None:
            copied = arm.copy_layers.numbers(layers[0], known_pieces(self.dataset))
            bits += Access("weights").bits_per_query(classes, copied) / (self.labels + self.transfer)
        return bits

    def _without_padding(self, layers: tuple[Layer, ...]) -> list[tuple[int, tuple[Layer, ...]]]:
        """For each length of the training texts how many have it, and the teacher's layers as far as such a text goes."""
        data = get_dataset(self.dataset)
        if data.kind == "image":
            return [(1, layers)]
        lengths, counts = np.unique(np.count_nonzero(data.load().x_train != PADDING, axis=1), return_counts=True)
        return [
            (count, tuple(layer._replace(positions=min(layer.positions, length)) for layer in layers))
            for length, count in zip(lengths.tolist(), counts.tolist(), strict=True)
        ]


def known(field: str, value: str, find: Callable[[str], T | None], offered: Iterable[str]) -> T:
    """What this name finds. offered: the names that a fault proposes. Raises ValueError with them."""
    found = find(value)
    if found is None:
        raise ValueError(f"there is no {field} called {value[:40]!r}; choose one of {', '.join(offered)}")
    return found


def explain(error: ValidationError) -> list[str]:
    """Each fault of a spec as a sentence that a learner understands."""
    return [_sentence(fault) for fault in error.errors(include_url=False)]


def _sentence(fault: Any) -> str:
    # The objective's own name stands between "objective" and its field: it tells the classes apart.
    field = ".".join(str(part) for part in fault["loc"] if part not in ALL)
    given = repr(fault.get("input"))[:40]
    limits = fault.get("ctx", {})
    match fault["type"]:
        case "union_tag_invalid" | "union_tag_not_found":
            return f"There is no such objective; choose one of {', '.join(OBJECTIVES)}."
        case "extra_forbidden" if "." in field:
            return f"This objective has no setting called {field.split('.')[-1]!r}."
        case "extra_forbidden":
            return f"A run has no setting called {field!r}; `python -m kdlab run --help` lists them."
        case "greater_than_equal":
            return f"{field} must be at least {limits['ge']}, but {given} was given."
        case "less_than_equal":
            return f"{field} must be at most {limits['le']}, but {given} was given."
        case "value_error":
            text = str(limits["error"])
            return f"{text[0].upper()}{text[1:]}."
        case "string_pattern_mismatch":
            return f"{field} must be auto, cpu, cuda, cuda:0 (or another card's number) or mps, but {given} was given."
    return f"{field}: {given} does not fit. {fault['msg']}."
