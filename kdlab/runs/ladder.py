"""The ladder: one student, one budget of queries, and a teacher that opens up rung by rung. An arm a rung."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field

from kdlab.data.registry import get_dataset
from kdlab.distill.arms import Arm
from kdlab.distill.copy_layers import CopyLayers
from kdlab.distill.objective_catalogue import ForwardKL, HardLabels, QuantisedKL, TopKKL
from kdlab.distill.white_box_catalogue import (
    AttentionScores,
    AttentionTransfer,
    CosineHidden,
    Hint,
    JacobianMatch,
    Relations,
    WhiteBox,
)
from kdlab.models.catalogue import shown_by
from kdlab.models.inner_layers import closed_because
from kdlab.runs.contrasts import Contrast
from kdlab.runs.recipes import ClassifierRecipe
from kdlab.runs.spec import RunSpec, control

ALL = "logits"
"""The key of the arm on the last rung of the black box: every other one is compared with it."""
_BITS = (8, 4, 2)


def _times(what: str) -> float:
    return Field(  # type: ignore[no-any-return]
        1.0,
        ge=0.1,
        le=10,
        description=f"Multiplies the weight of the term that looks at the teacher's {what}.",
        json_schema_extra=control(f"Weight on {what}", "×", None, "log"),
    )


class Ladder(ClassifierRecipe):
    """Labels only; the teacher's label, with its probability, its likeliest classes, all of them, softened; and the same
    with a look inside: hidden states, attention, gradients, and of a transformer copied layers. Rungs that do not fit the
    student are left out, and those inside a teacher whose weights are not here.

    Raises pydantic's ValidationError; `kdlab.runs.spec.explain` puts it in words.
    """

    recipe: ClassVar[str] = "ladder"

    student: str = Field(
        "cnn-small",
        description="The shape of the small model. Where it has no hidden layer that the lab looks into, rungs inside the teacher are closed.",
        json_schema_extra=control("Student"),
    )
    k: int = Field(
        3,
        ge=2,
        le=10,
        description="How many of its likeliest classes the teacher shows on the rung between one and all.",
        json_schema_extra=control("Classes shown", "", 1),
    )
    placebos: bool = Field(
        False,
        description="Two more arms that look inside: an untrained teacher, its numbers as large as the teacher's, and the teacher on other examples.",
        json_schema_extra=control("Placebos"),
    )
    coarse: bool = Field(
        False,
        description="Three more arms whose logits come in 8, 4 and 2 bits: how many does dark knowledge need?",
        json_schema_extra=control("Coarse logits"),
    )
    papers: bool = Field(
        False,
        description="Two more arms, of texts: the recipes of DistilBERT and TinyBERT, scaled to the student.",
        json_schema_extra=control("The papers' recipes"),
    )

    hidden_times: float = _times("hidden states")
    attention_times: float = _times("attention, or relations of words")
    attention_scores_times: float = _times("attention scores")
    gradients_times: float = _times("gradients")

    @classmethod
    def beginning(cls, dataset: str) -> Self:
        """On the glosses a BERT-shaped student, as small and short as two cores train while somebody waits."""
        return cls(**_ON_GLOSSES) if dataset == _ON_GLOSSES["dataset"] else cls()

    def closed(self) -> dict[str, str]:
        """The rungs inside the teacher that are closed, for this student or on this machine: name → why, in a sentence."""
        return {look.title: why for look in self._inside() if (why := self._closed_because(look))}

    def weighed(self) -> dict[str, WhiteBox]:
        """What is asked on the open rungs inside the teacher, by the setting that multiplies its weight."""
        return {look.times: look.how["white_box"] for look in self._inside() if look.times and not self._closed_because(look)}

    def _closed_because(self, look: _Look) -> str | None:
        for asked in look.asked:
            if why := self.unfit_because(asked):
                # It begins with the objective's name, where the rung has one of its own.
                named = len(look.asked) == 1 and isinstance(asked, WhiteBox) and why.startswith(asked.title)
                return f"It{why.removeprefix(asked.title)}" if named else why
        return closed_because(self.teacher)

    def _arms(self) -> tuple[Arm, ...]:
        w, heat = self.kd_weight, self.temperature
        softened = self._softened()
        k = min(self.k, len(get_dataset(self.dataset).classes) - 1)

        def arm(key: str, label: str, said: str, **how: Any) -> Arm:
            return Arm(
                key=key,
                label=label,
                said=said,
                student=f"student of {said}",
                hue=f"{_HUES[key]:g}",
                kd_weight=w,
                control="labels_only",
                **how,
            )

        outputs = [
            Arm(
                key="labels_only",
                label="Labels only",
                said="labels only",
                student="labels-only student",
                hue="labels_only",
            ),
            arm("label", "Label", "the teacher's label", objective=HardLabels()),
            # Of two classes the label and its probability say all.
            *(
                [
                    arm(
                        "label_and_probability",
                        "Label, probability",
                        "the label and its probability",
                        objective=TopKKL(k=1),
                    ),
                    arm("top_k", f"Top {k} and the rest", f"the {k} likeliest classes", objective=TopKKL(k=k)),
                ]
                if k > 1
                else []
            ),
            arm("probabilities", "All probabilities", "all probabilities at T = 1", objective=ForwardKL()),
            arm(ALL, f"{softened.capitalize()}, softened", f"{softened} at T = {heat:g}", objective=ForwardKL(), temperature=heat),
        ]
        if self.coarse:
            outputs += [
                arm(
                    f"logits_{bits}",
                    f"Logits of {bits} bits",
                    f"logits of {bits} bits",
                    objective=QuantisedKL(bits=bits),
                    temperature=heat,
                )
                for bits in _BITS
            ]
        inside = [
            arm(look.key, look.label, f"logits and {look.said}", objective=ForwardKL(), temperature=heat, **look.how)
            for look in self._inside()
            if not self._closed_because(look)
        ]
        return tuple(outputs + inside)

    def _softened(self) -> str:
        """What of the teacher's is softened: of probabilities, which is all that an API gives, the same comes out."""
        return "logits" if shown_by(self.teacher) == "everything" else "probabilities"

    def _inside(self) -> list[_Look]:
        """Every look inside that this data allows, whether or not it fits the student."""
        of_texts = get_dataset(self.dataset).kind == "token"
        hint = self._weighed(Hint(weight=_WEIGHTS_ON_TEXTS["hint"]) if of_texts else Hint(), "hidden")
        found = [_rung("hidden", "hidden states", white_box=hint)]
        if of_texts:
            found += [
                _rung("attention", "relations", white_box=self._weighed(Relations(), "attention")),
                _rung("attention_scores", "attention scores", white_box=self._weighed(AttentionScores(), "attention_scores")),
                _rung(
                    "gradients",
                    "gradients",
                    white_box=self._weighed(JacobianMatch(weight=_WEIGHTS_ON_TEXTS["jacobian_match"]), "gradients"),
                ),
                _rung("weights", "copied layers", copy_layers=CopyLayers()),
            ]
        else:
            found += [
                _rung("attention", "attention", white_box=self._weighed(AttentionTransfer(), "attention")),
                _rung("gradients", "gradients", white_box=self._weighed(JacobianMatch(), "gradients")),
            ]
        if self.placebos:
            for whose, said in (("untrained", "an untrained teacher's"), ("shuffled", "other examples'")):
                how = {"white_box": hint.model_copy(update={"whose": whose})}
                found.append(_Look(f"hidden_{whose}", "hidden states", f"Placebo: {whose}", f"{said} hidden states", how))
        if self.papers and of_texts:
            found += _PAPERS
        return found

    def _weighed(self, asked: WhiteBox, key: str) -> WhiteBox:
        times = getattr(self, f"{key}_times")
        return asked if times == 1 else asked.model_copy(update={"weight": times * asked.weight})

    def _contrasts(self, arms: tuple[Arm, ...]) -> tuple[Contrast, ...]:
        """Every arm against the logits; the first that looks inside the teacher is the run's question."""
        keys = [arm.key for arm in arms if arm.key != ALL]
        first = next((key for key in keys if key in INSIDE), "labels_only")
        by_key, alone = {arm.key: arm for arm in arms}, f"softened {self._softened()} alone"
        return tuple(
            Contrast(
                key=key,
                minuend=key,
                subtrahend=ALL,
                words=f"{by_key[key].in_a_sentence[0].upper()}{by_key[key].in_a_sentence[1:]}, against {alone}",
                label=by_key[key].label,
            )
            for key in sorted(keys, key=lambda key: (key != first, keys.index(key)))
        )


class _Look(NamedTuple):
    """An arm that looks inside: what it asks there, as fields of `Arm`, and the words for it."""

    key: str
    title: str
    label: str
    said: str
    how: dict[str, Any]

    @property
    def times(self) -> str:
        """The setting that multiplies its weight; empty where it has none."""
        return f"{self.key}_times" if f"{self.key}_times" in Ladder.model_fields else ""

    @property
    def asked(self) -> list[WhiteBox | CopyLayers]:
        white_box, copied = self.how.get("white_box"), self.how.get("copy_layers")
        return [asked for asked in (white_box, *self.how.get("also", ()), copied) if asked is not None]


def _rung(key: str, said: str, **how: Any) -> _Look:
    return _Look(key, said, f"+ {said}", said, how)


_ON_GLOSSES: dict[str, Any] = {
    "dataset": "glosses",
    "teacher": "glosses",
    "student": "bert-2x64",
    "labels": 300,
    "transfer": 3000,
    "epochs": 5,
    "seeds": 3,
}
_WEIGHTS_ON_TEXTS = {"hint": 1.0, "jacobian_match": 1.0}
"""As the papers weigh them: what is best on pictures was found on pictures. On the glosses' validation split no weight of hints from
0.01 to 10 was shown to beat none, nor of the Jacobian from 0.1 to 1; its 10 harms (`benchmarks/white_box_weights.py`)."""
_PAPERS = [
    _Look(
        "distilbert",
        "DistilBERT's recipe",
        "DistilBERT's recipe",
        "DistilBERT's recipe",
        {"copy_layers": CopyLayers(), "white_box": CosineHidden()},
    ),
    _Look(
        "tinybert",
        "TinyBERT's recipe",
        "TinyBERT's recipe",
        "TinyBERT's recipe",
        {"white_box": Hint(weight=1.0, layer_map="uniform", embeddings=True), "also": (AttentionScores(weight=1.0),), "layers_first": 0.5},
    ),
]
"""Sanh et al. 2019, arXiv 1910.01108, and Jiao et al. 2020, arXiv 1909.10351, whose terms all have the weight 1 (eq. 11);
what they do before fine-tuning, on texts without a task, is left out."""
INSIDE = ("hidden", "attention", "attention_scores", "gradients", "weights")
"""The keys of the arms on the rungs inside the teacher, placebos and the papers' recipes aside."""
_ORDER = (
    "label",
    "label_and_probability",
    "top_k",
    "probabilities",
    ALL,
    *(f"logits_{bits}" for bits in _BITS),
    "hidden",
    "attention",
    "gradients",
    "hidden_untrained",
    "hidden_shuffled",
)
_HUES = {key: round(place / (len(_ORDER) - 1), 3) for place, key in enumerate(_ORDER)}
# Between their neighbours: the others keep their colours.
_HUES |= {"attention_scores": 0.792, "weights": 0.875, "distilbert": 0.854, "tinybert": 0.896}


_BESIDES = (
    Contrast(
        key="label_against_labels",
        minuend="label",
        subtrahend="labels_only",
        words="The teacher's label, against labels only",
        label="Label, against labels only",
    ),
    Contrast(
        key="hidden_against_untrained",
        minuend="hidden",
        subtrahend="hidden_untrained",
        words="The teacher's hidden states, against an untrained teacher's",
        label="Hidden states, against an untrained teacher's",
    ),
)


def asked_besides(spec: RunSpec) -> tuple[Contrast, ...]:
    """What the lesson's claims ask of a ladder beside its own contrasts, which are all against the logits.

    They are no part of the spec, so that a ladder of an older lab answers them too. Empty for a run of another recipe.
    """
    keys = {arm.key for arm in spec.arms}
    besides = (one for one in _BESIDES if {one.minuend, one.subtrahend} <= keys)
    return tuple(besides) if spec.recipe.name == Ladder.recipe else ()


def ladder(**settings: Any) -> RunSpec:
    """The run of `Ladder` with these settings, the others at their defaults. Raises ValidationError."""
    return Ladder.model_validate(settings).spec()
