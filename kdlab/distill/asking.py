"""A visitor's classifier answers for a data set in a process of its own: how that is asked for, and how far it is.

``python -m kdlab.distill.asking MARK`` is that process.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from kdlab.data.registry import get_dataset
from kdlab.data.visitor_sets import TextsGoneError
from kdlab.models.classifier_sources import check_source, fetch
from kdlab.models.machine import memory
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.visitor_jobs import Job, Jobs

STOPPED = "Stopped. Whole parts of 512 answers are kept: asked again, it goes on after them."


@dataclass(frozen=True)
class Asking(Job):
    """What a visitor asked for, and how far it is."""

    source: str
    dataset: str
    teacher: str = ""


JOBS = Jobs(Asking, "kdlab.distill.asking", "teachers/asking", STOPPED)


def start(source: str, dataset: str, visitor: str) -> None:
    """Has the classifier answer for the data set, unless one answers for this visitor already. Raises ModelFolderError."""
    check_source(source)
    JOBS.start(Asking(source, dataset), visitor)


def stop(visitor: str) -> None:
    """Has the visitor's classifier end, soon. What it answered in whole parts is kept, and another asking goes on from there."""
    JOBS.stop(visitor)


def asking_of(visitor: str) -> Asking | None:
    """What the visitor asked for last; None where that is nothing."""
    return JOBS.of(visitor)


def main(mark: str) -> None:
    """Answers what the visitor of this mark asked for."""

    def answer(asked: Asking) -> Asking:
        if (data := get_dataset(asked.dataset)).kind == "image":
            raise ModelFolderError(f"{data.title} are pictures, which no text classifier reads. Choose texts.")
        fetching = replace(asked, state="working")
        # Before its turn: a slow line holds up nobody else.
        folder, origin = fetch(asked.source, memory().free, lambda words: JOBS.say(mark, replace(fetching, words=words)))
        JOBS.say(mark, asked)
        with JOBS.turn(mark):
            from kdlab.distill.classifier_teacher import make_teacher

            name = make_teacher(asked, folder, origin, mark, lambda now: JOBS.say(mark, now))
        return replace(asked, teacher=name)

    JOBS.carry_out(mark, answer, (TextsGoneError,), "Something went wrong while it was loaded or asked")


if __name__ == "__main__":
    main(sys.argv[1])
