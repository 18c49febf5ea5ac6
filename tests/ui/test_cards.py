"""What the cards of data and teachers tell a learner."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdlab.data.registry import DATASETS
from kdlab.lessons.cards import data_words, teacher_words
from kdlab.models.catalogue import TEACHERS, teacher_card
from kdlab.runs.recorded import recorded_run
from kdlab.ui.run.verdict_words import _paired


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_card_says_what_every_example_is_for(name: str) -> None:
    arrays = DATASETS[name].load()
    train, validation, test = (f"{len(y):,}" for _, y in arrays.splits().values())
    assert data_words(DATASETS[name]) == (
        f"{train} examples to train on, {validation} to choose settings by, {test} for the verdict alone."
    )


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teachers_card_tells_what_it_saw_and_how_sure_it_is(name: str) -> None:
    card, said = teacher_card(name), teacher_words(name)
    assert f"{card['seen_accuracy']:.1%} of the {card['seen_size']:,} examples that it was trained on" in said
    assert f"{card['unseen_accuracy']:.1%} of the lab's {card['unseen_size']:,} that it never saw" in said
    assert f"{100 * card['calibration_error']:.1f} points apart" in said
    assert "arXiv 1706.04599" in said
    assert f"{card['soft_target_entropy']:.2g} bits of doubt" in said


def test_the_digits_teachers_card_says_that_it_saw_the_students_examples() -> None:
    assert "Of the students' 800 training examples it saw 800." in teacher_words("digits")
    assert "Of the students' 5,000 training examples it saw none." in teacher_words("fashion")


@pytest.mark.parametrize(
    ("overlap", "said"),
    [
        (None, "and draws its own examples"),
        ({"labelled": 0.0, "examples": 0.0}, "and examples that no other seed has"),
        ({"labelled": 1.0, "examples": 1.0}, "but the same examples"),
        (
            {"labelled": 0.0, "examples": 0.314},
            "and two share none of their labelled examples and 31% of all their examples",
        ),
        (
            {"labelled": 0.25, "examples": 0.5},
            "and two share 25% of their labelled examples and 50% of all their examples",
        ),
    ],
)
def test_a_verdict_says_what_differed_between_its_seeds(overlap: dict[str, float] | None, said: str) -> None:
    run, _, _ = recorded_run()
    assert run.result is not None
    told = _paired(replace(run, result={**run.result, "overlap": overlap}))
    assert f"each has other weights and batches, {said}. Intervals are" in told
