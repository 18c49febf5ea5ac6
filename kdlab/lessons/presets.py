"""Named starting points of a run."""

from __future__ import annotations

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """A named starting point, and the question that it answers."""

    question: str
    values: dict[str, Any]


PRESETS: dict[str, Preset] = {
    "Few labels": Preset("What does a teacher add where labels are few?", {}),
    "All labels": Preset(
        "And where every example has its label?",
        {"labels": 5000, "transfer": 0, "temperature": 4.0, "epochs": 12},
    ),
    "High temperature": Preset("Does a higher temperature help the student learn?", {"temperature": 10.0}),
    "Tiny student": Preset("Can a student with no hidden layer use soft targets?", {"student": "linear"}),
    "Digits": Preset(
        "Another dataset: 50 labelled digits.",
        {"dataset": "digits", "labels": 50, "transfer": 300, "batch_size": 32, "epochs": 60},
    ),
    "Languages": Preset(
        "And on text: which language is it?",
        {
            "dataset": "languages",
            "student": "ngram-linear",
            "labels": 160,
            "transfer": 800,
            "learning_rate": 0.01,
            "batch_size": 32,
            "epochs": 20,
        },
    ),
    "Glosses": Preset(
        "And where the teacher is a pretrained transformer?",
        {
            "dataset": "glosses",
            "student": "embedding-bag",
            "labels": 200,
            "transfer": 2000,
            "learning_rate": 0.01,
            "epochs": 15,
        },
    ),
}
