"""What a run is made of, by title: its data, its teacher, its student; of whichever task, also where they are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kdlab.data.corpora import find_corpus
from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import get_teacher, student_title, teacher_card
from kdlab.models.causal_shapes import LANGUAGE_STUDENTS
from kdlab.models.language_teachers import language_teacher_title
from kdlab.runs.spec import Spec
from kdlab.runs.stored import Run, teacher_score


@dataclass(frozen=True)
class Parts:
    """Titles by name, and the main score on the test that a card of the teacher tells; None where there is no such card."""

    data: Callable[[str], str]
    teacher: Callable[[str], str]
    student: Callable[[str], str]
    score_on_card: Callable[[str], float | None]


def _text(name: str) -> str:
    found = find_corpus(name)
    return name if found is None else found.title


PARTS: dict[str, Parts] = {
    "classification": Parts(
        data=lambda name: get_dataset(name).title,
        teacher=lambda name: get_teacher(name).title,
        student=student_title,
        score_on_card=lambda name: teacher_card(name)["test_accuracy"],
    ),
    "next_token": Parts(
        data=_text,
        teacher=language_teacher_title,
        student=lambda name: LANGUAGE_STUDENTS[name].title if name in LANGUAGE_STUDENTS else name,
        score_on_card=lambda name: None,  # it is measured on the run's own windows
    ),
}


def data_title(spec: Spec) -> str:
    """What its data are called."""
    return PARTS[spec.task].data(spec.dataset)


def teacher_title(spec: Spec) -> str:
    """What its teacher is called."""
    return PARTS[spec.task].teacher(spec.teacher)


def known_teacher_score(run: Run) -> float | None:
    """The teacher's main score on the test: the run's own measurement, else its card's; None before either is there."""
    if run.result is not None:
        return teacher_score(run.result, run.spec.task)
    return PARTS[run.spec.task].score_on_card(run.spec.teacher)
