"""Metrics: what is measured of a student, with its unit, its range and which way is better."""

from __future__ import annotations

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

TASK_METRICS: dict[str, tuple[Metric, ...]] = {"classification": (*SCORES, *TERMS), "next_token": (*TEXT_SCORES, *TERMS)}
METRICS = {metric.name: metric for metrics in TASK_METRICS.values() for metric in metrics}
"""By name, of whichever task: what two tasks measure under one name is said in one way."""


def metrics_of(task: str) -> dict[str, Metric]:
    """A task's metrics by name, in the order in which a point holds them."""
    return {metric.name: metric for metric in TASK_METRICS[task]}
