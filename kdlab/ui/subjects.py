"""What the teacher is asked about: a test example, a text of one's own, or a vector of probabilities."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from kdlab.core.probability import entropy, soften, softmax
from kdlab.data.registry import Dataset, get_dataset
from kdlab.models.catalogue import get_teacher, teacher_logits

LETTERS = "ABCDEFGHIJKLMNOP"
THIRD_IN_SIGHT = 0.08


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
    )


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


def vector_subject(text: str) -> Subject:
    """A vector of one's own, such as "0.7, 0.2, 0.1"; divided by its sum where that is not one.

    Raises ValueError in words for the visitor.
    """
    numbers = read_numbers(text)
    return Subject(
        classes=tuple(LETTERS[: len(numbers)]),
        answer=numbers / numbers.sum(),
        is_logits=False,
        label=int(numbers.argmax()),
    )


def read_numbers(text: str) -> np.ndarray:
    """Two to sixteen numbers, one a class, as they were typed: "0.7, 0.2", "70 %; 20 %", "0,7 0,2".

    A comma is a decimal one where spaces or semicolons part the numbers. Raises ValueError in words for the visitor.
    """
    parts = [part for part in re.split(r"[\s;]+", re.sub(r"[\[\]()%]+", " ", text[:400])) if part.strip(",")]
    if _decimal_commas(parts):
        parts = [part.rstrip(",").replace(",", ".") for part in parts]
    else:
        parts = [number for part in parts for number in part.split(",") if number]
    if not 2 <= len(parts) <= len(LETTERS):
        raise ValueError(f"Give two to {len(LETTERS)} numbers, one a class, such as 0.7, 0.2, 0.1.")
    try:
        numbers = np.array([float(part) for part in parts])
    except ValueError:
        raise ValueError("These are not all numbers. Write them such as 0.7, 0.2, 0.1.") from None
    if not np.isfinite(numbers).all() or numbers.min() < 0 or not 0 < numbers.max() < 1e9:
        raise ValueError("Probabilities are 0 or more, at least one is above 0, and none is huge.")
    return numbers


def _decimal_commas(parts: list[str]) -> bool:
    """Whether commas stand for decimal points: "0,5 0,3", and "0,5, 0,3" where every number begins with 0."""
    if len(parts) < 2:
        return False
    if all(re.fullmatch(r"0?,\d+,?", part) for part in parts):
        return True
    return "," in "".join(parts) and all(re.fullmatch(r"\d+|\d*,\d+", part) for part in parts)


def dataset_of(teacher: str) -> Dataset:
    """The data set that a teacher knows."""
    return get_dataset(get_teacher(teacher).dataset)


@cache
def picture(dataset: str, index: int) -> str:
    """A test image as the address of a PNG, pixel for pixel."""
    image = np.round(get_dataset(dataset).load().x_test[index] * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


@cache
def showcase(teacher: str) -> tuple[int, ...]:
    """Test examples worth a look; the first, an honest toss-up between two classes, is the page's default.

    After it, of each class the right answer about which the teacher is least sure; then its surest
    mistakes; then answers without a doubt.
    """
    dataset = dataset_of(teacher)
    arrays = dataset.load()
    soft_targets = softmax(teacher_logits(teacher).test)
    ranked = -np.sort(-soft_targets, axis=1)
    doubt = entropy(soft_targets)
    right = soft_targets.argmax(axis=1) == arrays.y_test
    texts = arrays.text_test or ()
    if texts:  # a few words: enough to read, not enough to be sure
        right &= np.array([3 <= len(text.split()) <= 6 for text in texts])
    # The second class nearly as likely as the first, a third one in sight; else simply the least sure.
    toss_up = np.where(right, ranked[:, 1] + (ranked[:, 2] >= THIRD_IN_SIGHT), -1)
    default = int((toss_up if toss_up.max() > 1 else np.where(right, doubt, -1)).argmax())
    own = [np.flatnonzero(right & (arrays.y_test == k)) for k in range(len(dataset.classes))]
    unsure = sorted((int(few[doubt[few].argmax()]) for few in own if len(few)), key=lambda i: -doubt[i])
    wrong = np.flatnonzero(soft_targets.argmax(axis=1) != arrays.y_test)
    mistakes = wrong[np.argsort(doubt[wrong], kind="stable")][:2].tolist()
    clear = [int(few[doubt[few].argmin()]) for few in own[:: max(1, len(own) // 5)] if len(few)]
    return tuple(dict.fromkeys((default, *unsure, *mistakes, *clear)))


def behind_cell(
    teacher: str, true_class: int, seen_as: int, soft_targets: np.ndarray, most: int
) -> Sequence[int]:
    """Test examples of one class in which the teacher sees most of another. soft_targets: (M, K)."""
    own = np.flatnonzero(dataset_of(teacher).load().y_test == true_class)
    return own[np.argsort(-soft_targets[own, seen_as], kind="stable")][:most].tolist()
