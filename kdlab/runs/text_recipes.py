"""Recipes of the page Language: a race, what must be stored of a teacher, and whose text is read under which divergence."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from kdlab.distill.arms import Arm
from kdlab.distill.objective_catalogue import AnyObjective, ForwardKL, ReverseKL, TopKKL
from kdlab.distill.text_objectives import PolicyGradient, RenormalisedTopKKL, SampledKL, TextAlone
from kdlab.runs.contrasts import Contrast
from kdlab.runs.recipes import Recipe
from kdlab.runs.spec import Spec, control
from kdlab.runs.text_spec import TextSetting, TextSpec

TEXT_ONLY = Arm(
    key="text_only", label="Text only", said="text only", student="text-only student", hue="labels_only"
)


class TextRecipe(TextSetting, Recipe):
    """A recipe of runs of language models. T = 1 is where they begin: a vocabulary's long tail, softened, drowns the rest."""

    makes: ClassVar[type[Spec]] = TextSpec

    temperature: float = Field(
        1.0,
        ge=0.5,
        le=5,
        description="Divides both models' logits before the softmax. Over thousands of tokens a T above 1 gives the tail most of "
        "the mass: here the students of T = 1 come out best.",
        json_schema_extra=control("Temperature", "", 0.1, "log"),
    )
    kd_weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Weight w of the distillation term; the text's own term has 1 − w.",
        json_schema_extra=control("KD weight", "", 0.01),
    )

    def _taught(self, key: str, label: str, said: str, hue: str, **how: Any) -> Arm:
        shared = {"temperature": self.temperature, "kd_weight": self.kd_weight, "control": TEXT_ONLY.key}
        return Arm(key=key, label=label, said=said, student=f"student of {said}", hue=hue, **(shared | how))


class Race(TextRecipe):
    """Text only; one token that the teacher draws at each position; its soft targets."""

    recipe: ClassVar[str] = "race"

    objective: AnyObjective = Field(
        SampledKL(),
        description="What the distillation term asks of the student.",
        json_schema_extra=control("Soft targets"),
    )

    def _arms(self) -> tuple[Arm, ...]:
        return (
            TEXT_ONLY,
            self._taught("one_token", "One teacher token", "one teacher token a position", "hard_labels", objective=SampledKL(draws=1)),
            self._taught("soft_targets", "Soft targets", "soft targets", "soft_targets", objective=self.objective),
        )

    def _contrasts(self, arms: tuple[Arm, ...]) -> tuple[Contrast, ...]:
        return (
            Contrast(
                key="total",
                minuend="soft_targets",
                subtrahend=TEXT_ONLY.key,
                metric="bits_per_byte",
                words="Soft targets against text only",
                label="Soft targets",
                parts=("token", "softness"),
            ),
            Contrast(
                key="token",
                minuend="one_token",
                subtrahend=TEXT_ONLY.key,
                metric="bits_per_byte",
                words="One teacher token a position against text only",
                label="One teacher token",
            ),
            Contrast(
                key="softness",
                minuend="soft_targets",
                subtrahend="one_token",
                metric="bits_per_byte",
                words="Soft targets on top of one token",
                label="Softness",
            ),
        )


_ALL = "all"


class Economy(TextRecipe):
    """What must be stored of a teacher: an arm for each way of keeping what it says, from one token to all probabilities."""

    recipe: ClassVar[str] = "economy"

    kd_weight: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Weight w of the distillation term; the text's own term has 1 − w. At 1 the signal alone teaches.",
        json_schema_extra=control("KD weight", "", 0.01),
    )

    def _arms(self) -> tuple[Arm, ...]:
        ways: list[tuple[str, str, str, AnyObjective]] = [
            ("draws_1", "1 token drawn", "one drawn token", SampledKL(draws=1)),
            ("draws_4", "4 tokens drawn", "four drawn tokens", SampledKL(draws=4)),
            ("draws_16", "16 tokens drawn", "sixteen drawn tokens", SampledKL(draws=16)),
            ("top_16", "Top 16 and the rest", "the 16 likeliest and the rest", TopKKL(k=16)),
            ("renormalised", "Top 16, renormalised", "the 16 likeliest, renormalised", RenormalisedTopKKL(k=16)),
            (_ALL, "All probabilities", "all probabilities", ForwardKL()),
        ]
        taught = [
            self._taught(key, label, said, f"{place / (len(ways) - 1):g}", objective=objective)
            for place, (key, label, said, objective) in enumerate(ways)
        ]
        return (TEXT_ONLY, *taught)

    def _contrasts(self, arms: tuple[Arm, ...]) -> tuple[Contrast, ...]:
        return tuple(
            Contrast(
                key=arm.key,
                minuend=arm.key,
                subtrahend=_ALL,
                metric="kl",
                words=f"{arm.in_a_sentence[0].upper()}{arm.in_a_sentence[1:]}, against all probabilities",
                label=arm.label,
            )
            for arm in arms
            if arm.key != _ALL
        )


class Prefixes(TextRecipe):
    """Whose prefix, which KL: the teacher's text or the student's own, forward or reverse. All begin as students of the
    text alone: from random weights a student has nothing of its own to say, and reverse KL finds no way."""

    recipe: ClassVar[str] = "prefixes"

    teacher: str = Field(
        "pocket",
        description="The language model that is asked about what students write while they learn; a small one answers in time.",
        json_schema_extra=control("Teacher"),
    )
    own_share: float = Field(
        1.0,
        ge=0.1,
        le=1,
        description="λ: the share of a batch that on-policy students write themselves; the rest is the text's.",
        json_schema_extra=control("Own text", "", 0.1),
    )
    warm: float = Field(
        0.4,
        ge=0.1,
        le=0.8,
        description="Share of the steps in which every student learns from the text alone, before the arms part.",
        json_schema_extra=control("Warm start", "", 0.05),
    )

    def _arms(self) -> tuple[Arm, ...]:
        def arm(key: str, label: str, said: str, hue: str, **how: Any) -> Arm:
            return self._taught(key, label, said, hue, kd_weight=1.0, warm=self.warm, **how)

        own = {"text": "student", "own_share": self.own_share}
        return (
            TEXT_ONLY,
            arm("sequence", "Teacher's text", "the teacher's text", "hard_labels", text="teacher", objective=TextAlone()),
            arm("teacher_forward", "Teacher's text, forward KL", "the teacher's text under forward KL", "0", text="teacher", objective=ForwardKL()),
            arm("teacher_reverse", "Teacher's text, reverse KL", "the teacher's text under reverse KL", "0.35", text="teacher", objective=ReverseKL()),
            arm("own_forward", "Own text, forward KL", "its own text under forward KL", "0.65", objective=ForwardKL(), **own),
            arm("own_reverse", "Own text, reverse KL", "its own text under reverse KL", "1", objective=ReverseKL(), **own),
            arm("policy", "Own text, policy gradient", "its own text under a policy gradient", "0.85", objective=PolicyGradient(), **own),
        )  # fmt: skip

    def _contrasts(self, arms: tuple[Arm, ...]) -> tuple[Contrast, ...]:
        found = [
            ("own_text", "own_reverse", "teacher_reverse", "own_kl", "Own text against the teacher's, reverse KL, on what students write", "Own text"),
            ("held_out", "own_reverse", "teacher_reverse", "kl", "Own text against the teacher's, reverse KL, on held-out text", "Own text, held-out"),
            ("reverse", "own_reverse", "own_forward", "entropy", "Reverse against forward KL on own text: how many words they keep open", "Reverse KL, entropy"),
            ("forward_own", "own_forward", "teacher_forward", "own_kl", "Own text against the teacher's, forward KL, on what students write", "Own text, forward"),
            ("sample", "policy", "own_reverse", "own_kl", "One sampled token in place of all probabilities, on what students write", "One sample"),
        ]
        return tuple(
            Contrast(key=key, minuend=minuend, subtrahend=subtrahend, metric=metric, words=words, label=label)
            for key, minuend, subtrahend, metric, words, label in found
        )  # fmt: skip


TEXT_RECIPES: dict[str, type[TextRecipe]] = {recipe.recipe: recipe for recipe in (Race, Economy, Prefixes)}
