"""What the teacher is asked about: a test example, a text of one's own, or a vector of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kdlab.core.probability import entropy, soften, softmax
from kdlab.data.registry import Dataset, get_dataset
from kdlab.models.catalogue import get_teacher, teacher_logits
from kdlab.server.picture_source import picture
from kdlab.ui.examples.own_numbers import LARGEST_LOGIT, OwnNumbers
from kdlab.ui.examples.words import FAINTEST_TOLD, called

_TEACHERS = 64  # whose answers are remembered: visitors add them without end
THIRD_IN_SIGHT = 0.08
READABLE = {"character": range(3, 7), "token": range(5, 13)}
"""Words of a text that is worth a look: enough to read, not enough to be sure."""


@dataclass(frozen=True)
class Subject:
    """One question to a teacher and its whole answer."""

    classes: tuple[str, ...]
    answer: np.ndarray
    """(K,) logits, or probabilities where the question is a vector of one's own."""
    is_logits: bool = True
    label: int | None = None
    picture: str = ""
    text: str = ""
    name: str = ""
    """What tells the example apart for those who do not see it."""

    def soft_targets(self, temperature: float | np.ndarray) -> np.ndarray:
        """The teacher's probabilities at a temperature: (K,), or (n, K) for temperatures (n, 1)."""
        return softmax(self.answer, temperature) if self.is_logits else soften(self.answer, temperature)

    def order(self) -> np.ndarray:
        """Classes from likeliest to least likely, the same at every temperature: (K,)."""
        return np.argsort(-self.answer, kind="stable")


def test_subject(teacher: str, index: int) -> Subject:
    """A test example of the teacher's data set, with the answer that was computed after training."""
    dataset = dataset_of(teacher)
    arrays = dataset.load()
    return Subject(
        classes=dataset.classes,
        answer=teacher_logits(teacher).test[index],
        label=int(arrays.y_test[index]),
        picture=picture(dataset.name, index) if dataset.kind == "image" else "",
        text=arrays.text_test[index] if arrays.text_test else "",
        name=example_name(teacher, index),
    )


def example_name(teacher: str, index: int) -> str:
    """A test example's label and number: two shirts are told apart."""
    dataset = dataset_of(teacher)
    return f"{called(dataset.classes[dataset.load().y_test[index]])}, example {index}"


def typed_subject(teacher: str, text: str) -> Subject:
    """A text that the visitor typed, classified now. The first call in a process loads torch: seconds.

    Raises ValueError in words for the visitor.
    """
    return Subject(classes=dataset_of(teacher).classes, answer=_classified(teacher, text), text=text)


@lru_cache(maxsize=256)
def _classified(teacher: str, text: str) -> np.ndarray:
    from kdlab.models.classify import classify_text

    try:
        return classify_text(text, teacher)
    except Exception as fault:
        # A damaged weights file is told in words by the room below, as an error of its own that only torch's side knows.
        raise ValueError(str(fault)) from fault


def vector_subject(given: OwnNumbers, as_logits: bool = False) -> Subject:
    """A vector of one's own. Probabilities are divided by their sum where that is not one.

    Raises ValueError in words for the visitor where the numbers cannot be what they are to be read as.
    """
    values = given.values
    if as_logits and np.abs(values).max() > LARGEST_LOGIT:
        raise ValueError(f"Logits here go from −{LARGEST_LOGIT:g} to {LARGEST_LOGIT:g}.")
    if not as_logits and (values.min() < 0 or values.max() <= 0):
        raise ValueError("Probabilities are 0 or more, and at least one is above 0.")
    return Subject(
        classes=given.classes,
        answer=values if as_logits else values / values.sum(),
        is_logits=as_logits,
        label=int(values.argmax()),
    )


def dataset_of(teacher: str) -> Dataset:
    """The data set that a teacher knows."""
    return get_dataset(get_teacher(teacher).dataset)


@lru_cache(_TEACHERS)
def showcase(teacher: str) -> tuple[int, ...]:
    """Test examples worth a look: the two named ones, of each class the right answer about which the teacher is
    least sure, then its surest mistakes, then answers without a doubt.
    """
    dataset = dataset_of(teacher)
    labels = dataset.load().y_test
    soft_targets = softmax(teacher_logits(teacher).test)
    doubt = entropy(soft_targets)
    own = [np.flatnonzero(_right(teacher) & (labels == k)) for k in range(len(dataset.classes))]
    unsure = sorted((int(few[doubt[few].argmax()]) for few in own if len(few)), key=lambda i: -doubt[i])
    wrong = np.flatnonzero(soft_targets.argmax(axis=1) != labels)
    mistakes = wrong[np.argsort(doubt[wrong], kind="stable")][:2].tolist()
    clear = [int(few[doubt[few].argmin()]) for few in own[:: max(1, len(own) // 5)] if len(few)]
    return tuple(dict.fromkeys((woken_by_heat(teacher), hesitant(teacher), *unsure, *mistakes, *clear)))


@lru_cache(_TEACHERS)
def woken_by_heat(teacher: str) -> int:
    """A right and sure answer whose second class, too faint to be told at T = 1, has most at T = 4."""
    logits = teacher_logits(teacher).test
    cold, warm = (np.sort(softmax(logits, t), axis=1)[:, -2] for t in (1.0, 4.0))
    return int(np.where(_right(teacher) & (cold < FAINTEST_TOLD), warm, -1).argmax())


@lru_cache(_TEACHERS)
def hesitant(teacher: str) -> int:
    """A right answer that is an honest toss-up: the second class nearly as likely as the first, a third one in sight."""
    ranked = -np.sort(-softmax(teacher_logits(teacher).test), axis=1)
    right = _right(teacher)
    third = ranked[:, 2:3].sum(axis=1)  # of two classes there is none
    toss_up = np.where(right, ranked[:, 1] + (third >= THIRD_IN_SIGHT), -1)
    # Where no third class is ever in sight, simply the least sure.
    doubt = np.where(right, entropy(ranked), -1)
    return int((toss_up if toss_up.max() > 1 else doubt).argmax())


def _right(teacher: str) -> np.ndarray:
    """Which test examples the teacher has right, (M,); of a class's texts those of a few words, where it has any."""
    dataset = dataset_of(teacher)
    arrays = dataset.load()
    right = teacher_logits(teacher).test.argmax(axis=1) == arrays.y_test
    if arrays.text_test:
        readable = right & [len(text.split()) in READABLE[dataset.kind] for text in arrays.text_test]
        for k in range(len(dataset.classes)):
            own = right & (arrays.y_test == k)
            readable |= own if not (readable & own).any() else False
        return readable
    return right


def behind_cell(
    teacher: str, true_class: int, seen_as: int, soft_targets: np.ndarray, most: int
) -> Sequence[int]:
    """Test examples of one class in which the teacher sees most of another. soft_targets: (M, K)."""
    own = np.flatnonzero(dataset_of(teacher).load().y_test == true_class)
    return own[np.argsort(-soft_targets[own, seen_as], kind="stable")][:most].tolist()
