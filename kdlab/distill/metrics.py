"""Metrics: what is measured of a student, with its unit, its range and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A number of each student at each point. ``form`` is how it is written, in Python's and d3's format language.

    ``better``: which way a student is better, None where neither is. ``unit`` is empty for a share.
    """

    name: str
    title: str
    unit: str
    range: tuple[float, float | None]
    better: Literal["more", "less"] | None
    form: str

    @property
    def is_share(self) -> bool:
        """Whether it is said in percent, and a difference of it in percentage points."""
        return not self.unit and self.range[1] == 1

    @property
    def axis_title(self) -> str:
        """What an axis is called along which it goes."""
        return self.title if not self.unit or self.unit in self.title.lower() else f"{self.title}, {self.unit}"

    @property
    def tick_form(self) -> str:
        """How an axis writes it."""
        return ".0%" if self.is_share else self.form

    @property
    def in_a_sentence(self) -> str:
        """Its title in the middle of a sentence."""
        return self.title if self.title[1].isupper() else f"{self.title[0].lower()}{self.title[1:]}"

    def said(self, value: float) -> str:
        """A value with its unit, or that there is none."""
        return f"{value:{self.form}} {self.unit}".strip() if math.isfinite(value) else "no number"

    def gain(self, difference: float) -> float:
        """How much better a student is that stands by this difference from another; where neither way is better, the difference."""
        return -difference if self.better == "less" else difference


SCORES = (
    Metric("accuracy", "Test accuracy", "", (0.0, 1.0), "more", ".1%"),
    Metric("agreement", "Agreement with the teacher", "", (0.0, 1.0), "more", ".1%"),
    Metric("kl", "KL from the teacher", "nats", (0.0, None), "less", ".2f"),
)
"""Of a classifier, on the whole test set; KL is at T = 1."""

TERMS = (
    Metric("supervised", "Supervised term", "nats", (0.0, None), None, ".2f"),
    Metric("distillation", "Distillation term", "nats", (0.0, None), None, ".2f"),
    Metric("gradient_supervised", "Gradient norm of the supervised term", "", (0.0, None), None, ".3f"),
    Metric("gradient_distillation", "Gradient norm of the distillation term", "", (0.0, None), None, ".3f"),
    Metric("gradient_cosine", "Cosine of the two gradients", "", (-1.0, 1.0), None, ".2f"),
    Metric("gradient_share", "Distillation's share of the gradient", "", (0.0, 1.0), None, ".0%"),
)
"""Of any student in training. The share may leave its range where the two gradients oppose each other."""

TEXT_SCORES = (
    Metric("bits_per_byte", "Bits per byte", "bits", (0.0, None), "less", ".3f"),
    Metric("perplexity", "Perplexity", "", (1.0, None), "less", ".1f"),
    Metric("kl", "KL from the teacher", "nats", (0.0, None), "less", ".2f"),
    Metric("agreement", "Agreement with the teacher", "", (0.0, 1.0), "more", ".1%"),
    Metric("top_overlap", "Overlap of the likeliest 8 tokens", "", (0.0, 1.0), "more", ".1%"),
    Metric("entropy", "Entropy of the next token", "nats", (0.0, None), None, ".2f"),
    Metric("ece", "Calibration error", "", (0.0, 1.0), "less", ".1%"),
    Metric("own_kl", "KL to the teacher on its own text", "nats", (0.0, None), "less", ".2f"),
    Metric("own_nats", "The teacher's surprise at its text", "nats", (0.0, None), None, ".2f"),
    Metric("own_distinct", "Distinct pairs of tokens in its text", "", (0.0, 1.0), None, ".0%"),
)
"""Of a language model on the whole test text; the last three on what it writes itself, in runs where somebody learns from
that. All at T = 1."""



@dataclass(frozen=True)
class Axis:
    """Along what a run goes in its pictures: ``a_step`` of it comes with a step, ``end`` with the whole run.

    ``title`` stands at the axis, ``over`` in "over the epochs"; ``at`` says a place on it in a sentence, ``span`` a stretch,
    ``hover`` a place in d3's format language.
    """

    title: str
    over: str
    at: str
    span: str
    hover: str
    a_step: float = 1.0
    end: float = 1.0


EPOCHS = Axis("Epochs", "the epochs", "epoch {:.0f}", "Epoch {:.0f} to {:.0f}", "epoch %{x:.1f}")
TOKENS = Axis(
    "Thousands of tokens read",
    "the tokens read",
    "{:,.0f} thousand tokens",
    "{:,.0f} to {:,.0f} thousand tokens",
    "%{x:,.0f} thousand tokens",
)


@dataclass(frozen=True)
class Measures:
    """What whoever reads a run of a task must know: what is measured, and along what it goes.

    ``main``: the score that a verdict speaks of, and ``mains`` its plural in a sentence; ``fidelity``: the scores that say
    how like its teacher a student is; ``metrics``: all of them, in the order in which a point holds them.
    """

    metrics: tuple[Metric, ...]
    main: str
    mains: str
    fidelity: tuple[str, ...]
    axis: Axis


TASKS: dict[str, Measures] = {
    "classification": Measures((*SCORES, *TERMS), "accuracy", "accuracies", ("agreement", "kl"), EPOCHS),
    "next_token": Measures(
        (*TEXT_SCORES, *TERMS), "bits_per_byte", "bits per byte", ("kl", "agreement", "top_overlap", "own_kl"), TOKENS
    ),
}
METRICS = {metric.name: metric for task in TASKS.values() for metric in task.metrics}
"""By name, of whichever task: what two tasks measure under one name is said in one way."""


def metrics_of(task: str) -> dict[str, Metric]:
    """A task's metrics by name, in the order in which a point holds them."""
    return {metric.name: metric for metric in TASKS[task].metrics}


def main_score(task: str) -> Metric:
    """The score that a verdict on a run of this task speaks of."""
    return METRICS[TASKS[task].main]
