"""A run's students on texts of rare words and of common ones: how often they are right, and agree with their teacher."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kdlab.core.intervals import Interval, joint_differences
from kdlab.data.registry import find_dataset, get_dataset
from kdlab.data.word_frequency import Band, frequency_bands, word_frequency
from kdlab.models.catalogue import teacher_logits
from kdlab.runs.spec import RunSpec

SCORES = ("accuracy", "agreement")


@dataclass(frozen=True)
class ByFrequency:
    """``bands`` from the rarest words to the commonest. ``scores``: accuracy and agreement, (arms, bands, seeds) each, the
    arms in the run's order, NaN for a student that diverged. ``teacher``: its own accuracy (bands,). ``counted``: in how
    many training texts."""

    arms: tuple[str, ...]
    bands: list[Band]
    scores: dict[str, np.ndarray]
    teacher: np.ndarray
    counted: int

    def of(self, score: str, arm: str) -> np.ndarray:
        """(bands, seeds), the seeds whose student did not diverge."""
        found = self.scores[score][self.arms.index(arm)]
        return found[:, np.isfinite(found[0])]

    @property
    def left_out(self) -> int:
        """How many students diverged: nothing that is said here counts them."""
        return int(np.isnan(self.scores["accuracy"][:, 0]).sum())

    def differences(self, score: str, arm: str, others: list[str]) -> tuple[Interval, dict[str, Interval]] | None:
        """What an arm's students lose from the commonest to the rarest band, and what each other arm gains over it on the rarest.

        Paired over seeds; all intervals hold together. Arms that share no seed with it are left out; None where all its
        students diverged.
        """
        own = self.of(score, arm)
        if not own.size:
            return None
        base, pairs = self.scores[score][self.arms.index(arm)][0], {}
        for other in others:
            rarest = self.scores[score][self.arms.index(other)][0]
            both = np.isfinite(rarest) & np.isfinite(base)
            if both.any():
                pairs[other] = (rarest[both], base[both])
        lost, *gains = joint_differences([(own[0], own[-1]), *pairs.values()])
        return lost, dict(zip(pairs, gains, strict=True))


def has_words(spec: RunSpec) -> bool:
    """Whether the run's data are texts in the words of one language."""
    data = find_dataset(spec.dataset)  # a visitor may have taken theirs away
    return data is not None and data.kind == "token"


def by_frequency(spec: RunSpec, answers: np.ndarray, diverged: np.ndarray) -> ByFrequency:
    """answers (arms, seeds, N): the class that each student gives to each test text. For a run that `has_words`.

    diverged (arms, seeds): true for a student whose answers are none, for its training diverged.
    Raises ValueError where the texts, or the teacher's answers, are not here.
    """
    data, bands = get_dataset(spec.dataset).load(), _bands(spec.dataset)
    theirs = teacher_logits(spec.teacher).test.argmax(-1)

    def score(wanted: np.ndarray) -> np.ndarray:
        right = np.where(diverged[..., None], np.nan, answers == wanted)
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
