"""A run's students on texts of rare words and of common ones: how often they are right, and agree with their teacher."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kdlab.core.intervals import Interval, joint_differences, paired_difference
from kdlab.data.registry import find_dataset, get_dataset
from kdlab.data.word_frequency import Band, frequency_bands, word_frequency
from kdlab.models.catalogue import teacher_logits
from kdlab.runs.spec import RunSpec

SCORES = ("accuracy", "agreement")


@dataclass(frozen=True)
class ByFrequency:
    """``bands`` from the rarest words to the commonest. ``scores``: accuracy and agreement, (arms, bands, seeds) each, the
    arms in the run's order. ``teacher``: its own accuracy (bands,). ``counted``: in how many training texts."""

    arms: tuple[str, ...]
    bands: list[Band]
    scores: dict[str, np.ndarray]
    teacher: np.ndarray
    counted: int

    def of(self, score: str, arm: str) -> np.ndarray:
        """(bands, seeds)."""
        return self.scores[score][self.arms.index(arm)]

    def on_the_rarest(self, score: str, arms: list[str], against: str) -> dict[str, Interval]:
        """Each arm minus another on the rarest band, paired over seeds; all intervals hold together."""
        base = self.of(score, against)[0]
        return dict(zip(arms, joint_differences([(self.of(score, arm)[0], base) for arm in arms]), strict=True))

    def rarest_minus_commonest(self, score: str, arm: str) -> Interval:
        """What an arm's students lose where words are rare, paired over seeds."""
        found = self.of(score, arm)
        return paired_difference(found[0], found[-1])


def has_words(spec: RunSpec) -> bool:
    """Whether the run's data are texts in the words of one language."""
    data = find_dataset(spec.dataset)  # a visitor may have taken theirs away
    return data is not None and data.kind == "token"


def by_frequency(spec: RunSpec, answers: np.ndarray) -> ByFrequency:
    """answers (arms, seeds, N): the class that each student gives to each test text. For a run that `has_words`.

    Raises ValueError where the texts, or the teacher's answers, are not here.
    """
    data, bands = get_dataset(spec.dataset).load(), _bands(spec.dataset)
    theirs = teacher_logits(spec.teacher).test.argmax(-1)

    def score(wanted: np.ndarray) -> np.ndarray:
        right = answers == wanted
        return np.stack([right[..., band.rows].mean(-1) for band in bands], axis=1)

    return ByFrequency(
        tuple(arm.key for arm in spec.arms),
        bands,
        {"accuracy": score(data.y_test), "agreement": score(theirs)},
        np.array([(theirs == data.y_test)[band.rows].mean() for band in bands]),
        len(data.x_train),
    )


@lru_cache(maxsize=4)
def _bands(dataset: str) -> list[Band]:
    """Of a data set's test texts, counted in its training texts."""
    data = get_dataset(dataset).load()
    return frequency_bands(word_frequency(data.text_test or (), data.text_train or ()))
