"""A model behind an API becomes a teacher: the texts that it answered, with their known labels, are a data set of the
visitor's, and what it answered is the teacher of that set."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdlab.core.calibration import expected_calibration_error
from kdlab.core.counted import counted
from kdlab.core.probability import entropy, log_softmax, softmax
from kdlab.data import visitor_sets
from kdlab.data.labelled_csv import FEWEST_ROWS, LabelledTexts
from kdlab.data.registry import Dataset, get_dataset
from kdlab.models.added_teachers import Shows, give_to, keep, name_of, visitor_mark
from kdlab.models.api_asking import Asking
from kdlab.models.api_teacher import Answer
from kdlab.models.multiple_choice import LEAST

_CERTAIN = 1e4  # between the class that is named and the others, in nats: the others have probability 0 in float32


class TooFewAnswersError(ValueError):
    """The answers are too few for a data set; the message says what to do."""


def make_teacher(asking: Asking, visitor: str) -> str:
    """The name of the teacher that the answers become, for this visitor; its data set is on its card.

    Texts that got no class are left out, and where most answers came with probabilities those that did not. A class that was
    not among the tokens shown gets an even share of what is left, and never more than it can have. Raises TooFewAnswersError, TextsGoneError, ModelMissing, OSError.
    """
    source = get_dataset(asking.dataset)
    labels = source.load().y_train
    answer_of = {asking.texts[place]: one for place, one in sorted(asking.answers.items()) if one.label is not None}
    doubting = {text: one for text, one in answer_of.items() if one.captured_mass > 0}
    shows: Shows = "probabilities" if answer_of and 2 * len(doubting) >= len(answer_of) else "label"
    if shows == "probabilities":
        answer_of = doubting
    row_of = {text: row for text, row in zip(asking.texts, asking.rows, strict=True)}
    known = {text: source.classes[labels[row_of[text]]] for text in answer_of}
    _check_counts(source, list(known.values()))
    table = LabelledTexts(tuple(known), tuple(known.values()))
    dataset = get_dataset(visitor_sets.keep(table, f"{counted(len(known), 'texts')} that {_title(asking.model)} answered", visitor))
    place_of = [source.classes.index(label) for label in dataset.classes]
    arrays = dataset.load()
    logits = {
        split: _logits([answer_of[text] for text in texts or ()], place_of, shows)
        for split, texts in (
            ("train", arrays.text_train),
            ("validation", arrays.text_validation),
            ("test", arrays.text_test),
        )
    }
    said = f"{asking.host} {asking.model} {shows}".encode()
    sha256 = hashlib.sha256(b"\n".join([said, *(part.tobytes() for part in logits.values())])).hexdigest()
    name = name_of(sha256, dataset.fingerprint(), "api")
    keep(name, _card(asking.model, shows, dataset, logits), logits, dataset.fingerprint(), sha256)
    give_to(name, visitor_mark(visitor))
    return name


def _check_counts(source: Dataset, labels: Sequence[str]) -> None:
    few = [f"“{label}” has {count}" for label in source.classes if (count := labels.count(label)) < FEWEST_ROWS]
    if few:
        more = f" and {len(few) - 3} more have too few" if len(few) > 3 else ""
        raise TooFewAnswersError(
            f"Each class needs at least {FEWEST_ROWS} answered texts, to train on, to choose settings by and for the verdict; "
            f"{', '.join(few[:3])}{more}. Ask about more texts: those that are answered are not paid for again."
        )


def _logits(answers: Sequence[Answer], place_of: Sequence[int], shows: Shows) -> np.ndarray:
    """(N, K) float32, a column for each of the set's classes: log-probabilities of the options alone, or one class that is
    certain. ``place_of``: which option each class was."""
    if shows == "label":
        named = np.array([answer.label for answer in answers])
        return np.where(named[:, None] == np.array(place_of), 0.0, -_CERTAIN).astype(np.float32)
    p = np.stack([_probabilities(answer) for answer in answers])
    return log_softmax(np.log(p[:, place_of])).astype(np.float32)


def _probabilities(answer: Answer) -> np.ndarray:
    """(K,): of the classes that were shown what was shown, of the others a share of what is left; the named one is first."""
    assert answer.option_probabilities is not None
    assert answer.shown is not None
    p, hidden = answer.option_probabilities.copy(), ~answer.shown
    if hidden.any():
        even = (1 - answer.captured_mass) / hidden.sum()
        p[hidden] = np.minimum(p[hidden], max(min(even, 0.999 * p[answer.label]), LEAST))
    return p


def _title(model: str) -> str:
    """The model's name without its provider's, and without signs that mean something on a page."""
    return " ".join(re.sub(r"[^\w.-]", " ", model.rsplit("/", 1)[-1]).split())[:60] or "A model"


def _card(model: str, shows: Shows, dataset: Dataset, logits: Mapping[str, np.ndarray]) -> dict[str, Any]:
    arrays = dataset.load()
    right = {split: float((logits[split].argmax(1) == y).mean()) for split, (_, y) in arrays.splits().items()}
    sure = {}
    if shows == "probabilities":
        sure = {
            "calibration_error": round(expected_calibration_error(softmax(logits["test"]), arrays.y_test), 4),
            "soft_target_entropy": round(float(entropy(softmax(logits["train"])).mean()), 4),
        }
    told = "how likely each letter was came with its answer" if shows == "probabilities" else "it answered with a letter alone"
    return {
        "title": _title(model),
        "dataset": dataset.name,
        "how": f"A model behind an API: it was sent each text with the classes as lettered options, and {told}.",
        "data": "what, the lab does not know.",
        "shows": shows,
        **{f"{split}_accuracy": round(share, 4) for split, share in right.items()},
        "test_size": dataset.test_size,
        **sure,
    }
