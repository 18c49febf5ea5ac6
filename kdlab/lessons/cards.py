"""What a data set and its teacher say of themselves, in a learner's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kdlab.data.registry import Dataset, get_dataset
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import teacher_card


def data_words(dataset: Dataset) -> str:
    """What the examples are for."""
    return (
        f"{dataset.train_size:,} examples to train on, {dataset.validation_size:,} to choose settings by, "
        f"{dataset.test_size:,} for the verdict alone."
    )


def size_words(card: Mapping[str, Any]) -> str:
    """How large a teacher is, of its card."""
    return f"{card['parameters']:,} parameters" if "parameters" in card else "behind an API"


def teacher_words(teacher: str) -> str:
    """What a teacher saw, how often it is right there and elsewhere, whether it is as sure as it is right."""
    card = teacher_card(teacher)
    dataset = get_dataset(card["dataset"])
    most = math.log2(len(dataset.classes))
    sure = (
        "It shows no probabilities: how sure it is, nobody is told."
        if "calibration_error" not in card
        else f"Its confidence and its accuracy on the test set stand {100 * card['calibration_error']:.1f} points apart: the "
        "expected calibration error in 15 bins (Guo et al. 2017, arXiv 1706.04599). At T = 1 its soft targets for the "
        f"students' examples hold {card['soft_target_entropy']:.2g} bits of doubt on average, of {most:.2f} at most."
    )
    if is_added(teacher):
        return (
            f"{card['how']} What it was trained on the lab does not know: it may have seen these texts. It is right on "
            f"{card['train_accuracy']:.1%} of the {dataset.train_size:,} training texts and on {card['test_accuracy']:.1%} of "
            f"the {dataset.test_size:,} of the test.\n\n{sure}"
        )
    seen = f"{card['train_seen']:,}" if card["train_seen"] else "none"
    return (
        f"Trained on: {card['data']} Of the students' {dataset.train_size:,} training examples it saw "
        f"{seen}.\n\n"
        f"It is right on {card['seen_accuracy']:.1%} of the {card['seen_size']:,} examples that it was trained on, and "
        f"on {card['unseen_accuracy']:.1%} of the lab's {card['unseen_size']:,} that it never saw.\n\n"
        f"{sure}\n\n"
        f"How its settings were found: {card['choice']}"
    )
