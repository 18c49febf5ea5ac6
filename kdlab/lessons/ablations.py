"""What each part of a paper's recipe is worth, as the paper measured it."""

from __future__ import annotations

from typing import NamedTuple


class Ablation(NamedTuple):
    """arm: the key of the ladder's arm that follows the recipe. parts: left out one at a time, and what is then measured."""

    arm: str
    title: str
    measured: str
    parts: tuple[tuple[str, float], ...]
    source: str


ABLATIONS = (
    Ablation(
        "distilbert",
        "DistilBERT",
        "Points of the GLUE score, against the whole recipe",
        (
            ("distillation loss", -2.96),
            ("cosine of hidden states", -1.46),
            ("masked language modelling", -0.31),
            ("layers copied from the teacher", -3.69),
        ),
        "Sanh et al. 2019, arXiv 1910.01108",
    ),
    Ablation(
        "tinybert",
        "TinyBERT of four layers",
        "Average score; 75.6 with the whole recipe",
        (
            ("embeddings", 74.1),
            ("prediction", 73.5),
            ("hidden states", 72.9),
            ("attention scores", 71.0),
            ("all of these layers", 56.3),
        ),
        "Jiao et al. 2020, arXiv 1909.10351",
    ),
)
