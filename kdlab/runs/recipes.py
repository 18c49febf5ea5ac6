"""Recipes: what a page's controls say, and the experiment that it makes of them.

The spec stores the arms and contrasts themselves, so a recipe may change without rewriting what runs once compared.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self, TypeVar

from pydantic import Field, ValidationError, field_validator

from kdlab.distill.arms import Arm
from kdlab.distill.objective_catalogue import AnyObjective, ForwardKL, HardLabels
from kdlab.models.catalogue import shown_by
from kdlab.models.student_folder import is_folder_student
from kdlab.runs.contrasts import Contrast
from kdlab.runs.spec import Labelled, MadeBy, RunSpec, Setting, Spec, control
from kdlab.runs.text_spec import TextSpec

T = TypeVar("T", bound="Recipe")


class Recipe(Setting):
    """What a page's controls say, and the run that it makes of them: its own arms and contrasts.

    Raises pydantic's ValidationError; `kdlab.runs.spec.explain` puts it in words.
    """

    recipe: ClassVar[str]
    makes: ClassVar[type[Spec]]

    temperature: float = Field(
        2.0,
        ge=0.5,
        le=20,
        description="Divides both models' logits before the softmax. Above 1 the teacher's doubts count for more.",
        json_schema_extra=control("Temperature", "", 0.1, "log"),
    )
    kd_weight: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Weight w of the distillation term; the labels' term has 1 − w.",
        json_schema_extra=control("KD weight", "", 0.01),
    )

    @classmethod
    def beginning(cls, dataset: str) -> Self:
        """The settings that its controls begin with on this data; those of the data themselves aside."""
        return cls()

    @classmethod
    def shared(cls) -> list[str]:
        """The settings that are no recipe's own: those of every run of its kind."""
        own = Spec.model_fields.keys() - Setting.model_fields.keys()
        return [name for name in cls.makes.model_fields if name in cls.model_fields and name not in own]

    def spec(self, *, stored: bool = False) -> Any:
        """The run that these settings ask for, or asked for when they were stored: one of the kind that it makes."""
        shared = {name: getattr(self, name) for name in self.shared()}
        own = self.model_dump(exclude=set(shared))
        arms = self._arms()
        made = {"arms": arms, "contrasts": self._contrasts(arms), "recipe": MadeBy(name=self.recipe, settings=own)}
        return self.makes.model_validate(shared | made, context={"stored": stored})

    def _arms(self) -> tuple[Arm, ...]:
        raise NotImplementedError

    def _contrasts(self, arms: tuple[Arm, ...]) -> tuple[Contrast, ...]:
        raise NotImplementedError


class ClassifierRecipe(Recipe, Labelled):
    """A recipe of runs that classify."""

    makes: ClassVar[type[Spec]] = RunSpec


class ThreeArms(ClassifierRecipe):
    """Labels only, the teacher's answers, the objective: no curve without its control.

    The middle arm tells what softness adds from what more labelled data adds. A teacher that names classes and nothing else
    leaves no third arm. Raises pydantic's ValidationError;
    `kdlab.runs.spec.explain` puts it in words.
    """

    recipe: ClassVar[str] = "three_arms"

    objective: AnyObjective = Field(
        ForwardKL(),
        description="What the distillation term asks of the student.",
        json_schema_extra=control("Objective"),
    )

    @field_validator("objective", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """An objective may be given by its name alone, or as JSON: {"name": "dkd", "target_weight": 2}."""
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("{"):
            return {"name": value}
        try:
            return json.loads(value)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"the objective {value[:40]!r} is not JSON; write its name alone") from error

    def _arms(self) -> tuple[Arm, ...]:
        softness = self.objective.is_soft_targets
        answers_alone = shown_by(self.teacher) == "label"
        named = {"label": "Soft targets", "said": "soft targets", "student": "soft-targets student"}
        arms = (
            Arm(
                key="labels_only",
                label="Labels only",
                said="labels only",
                student="labels-only student",
                hue="labels_only",
            ),
            Arm(
                key="hard_labels",
                label="Teacher's answers",
                said="the teacher's answers",
                student="student of the teacher's answers",
                hue="hard_labels",
                objective=HardLabels(),
                kd_weight=self.kd_weight,
                control="labels_only",
            ),
            Arm(
                key="soft_targets",
                **(named if softness else {"label": self.objective.title}),
                hue="soft_targets",
                objective=self.objective,
                temperature=self.temperature,
                kd_weight=self.kd_weight,
                control="labels_only",
            ),
        )
        return arms[:2] if answers_alone else arms

    def _contrasts(self, arms: tuple[Arm, ...]) -> tuple[Contrast, ...]:
        softness = self.objective.is_soft_targets
        taught, on_top = ("Soft targets", "Softness") if softness else (self.objective.title, self.objective.title)
        where = "unlabelled data" if self.transfer else "the labelled data"
        answers = Contrast(
            key="answers",
            minuend="hard_labels",
            subtrahend="labels_only",
            words=f"The teacher's answers on {where}",
            label="Teacher's answers",
        )
        if len(arms) == 2:
            return (answers,)
        return (
            Contrast(
                key="total",
                minuend="soft_targets",
                subtrahend="labels_only",
                words=f"{taught} against labels only",
                label=taught,
                parts=("answers", "softness"),
            ),
            answers,
            Contrast(
                key="softness",
                minuend="soft_targets",
                subtrahend="hard_labels",
                words=f"{on_top} on top of the answers",
                label=on_top,
            ),
        )


def three_arms(**settings: Any) -> RunSpec:
    """The run of `ThreeArms` with these settings, the others at their defaults. Raises ValidationError."""
    return ThreeArms.model_validate(settings).spec()


def settings_of(spec: Spec, of: type[T], *, told: bool = False) -> T | None:
    """The settings of which this recipe made the run; None where it was another recipe, or an older lab's.

    told: they are to be read and not set, so that they count where data, teacher or student are gone.
    """
    if spec.recipe.name != of.recipe or not isinstance(spec, of.makes):
        return None
    shared = {name: getattr(spec, name) for name in of.shared()}
    try:
        # A student whose folder is gone had its settings all the same.
        context = _STORED if told or is_folder_student(spec.student) else None
        return of.model_validate(shared | spec.recipe.settings, context=context)
    except ValidationError:
        return None


_STORED = {"stored": True}
_CLASSIFICATION = RunSpec.model_fields["task"].default
_SPECS: dict[str, type[Spec]] = {kind.model_fields["task"].default: kind for kind in (RunSpec, TextSpec)}


def read_spec(stored: dict[str, Any]) -> Spec:
    """A spec as it was stored, by this lab or by one that did not yet store arms (version 1).

    Raises ValidationError, and ValueError for a version or a task that this lab does not know.
    """
    version = stored.get("spec_version", 1)
    if version == 1:
        return ThreeArms.model_validate(stored, context=_STORED).spec(stored=True)
    if version != RunSpec.model_fields["spec_version"].default:
        raise ValueError(f"These settings were written by another KD Lab (version {str(version)[:20]} of them).")
    task = stored.get("task", _CLASSIFICATION)
    if not isinstance(task, str) or task not in _SPECS:
        raise ValueError(f"These settings are of a task that this KD Lab does not know: {str(task)[:20]}.")
    return _SPECS[task].model_validate(stored, context=_STORED)
