"""Sentences made from soft targets say what the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from kdlab.core.probability import soften
from kdlab.ui.words import hint, percent, read_as, second_to_third, times_likelier

CLOTHES = ("Shirt", "T-shirt", "Coat", "Bag")


def test_hint_names_first_second_and_third_class_with_their_ratio():
    said = hint(CLOTHES, np.array([0.5, 0.31, 0.1, 0.09]), label=0)
    assert said.startswith("**Shirt**, but **T-shirt** is **3.1 times likelier than** Coat.")


def test_hint_tells_when_label_and_teacher_differ():
    assert hint(CLOTHES, np.array([0.5, 0.31, 0.1, 0.09]), label=2).startswith(
        "The label says Coat, the teacher **Shirt**"
    )


def test_hint_of_two_classes_compares_those():
    assert hint(("A", "B"), np.array([0.99, 0.01])).startswith("**A**, 99 times likelier than B.")


def test_hint_is_faint_when_cold_audible_when_warm_and_lost_when_hot():
    sharp = np.array([0.995, 0.004, 0.001])
    assert "hardly hears" in hint("ABC", sharp)
    assert "loud enough" in hint("ABC", soften(sharp, 4), at_one=sharp)
    assert "nearly lost" in hint("ABC", soften(sharp, 100), at_one=sharp)


@pytest.mark.parametrize("p", [[0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
@pytest.mark.parametrize("temperature", [0.5, 1, 20])
def test_no_heat_is_blamed_for_classes_that_were_alike_before(p, temperature):
    said = hint("ABC"[: len(p)], soften(p, temperature), at_one=np.array(p))
    assert "hot" not in said
    assert "no hint to hear" in said


def test_what_a_student_could_hear_is_told_of_all_classes_but_the_first():
    assert "All classes but Shirt together have 50 %: loud" in hint(CLOTHES, np.array([0.5, 0.31, 0.1, 0.09]))
    assert "Yet all classes but Shirt together have 0.5 %: a student hardly" in hint(
        CLOTHES, np.array([0.995, 0.003, 0.001, 0.001])
    )
    assert "The other class has 24 %: loud" in hint("AB", np.array([0.76, 0.24]))
    assert "Yet the other class has 0.8 %" in hint("AB", np.array([0.992, 0.008]))


def test_a_tie_is_called_a_tie():
    said = hint(CLOTHES, np.array([0.424, 0.416, 0.11, 0.05]), label=0)
    assert said.startswith(
        "**Shirt** and **T-shirt** tie, 42 % to 42 %; T-shirt is **3.8 times likelier than** Coat."
    )
    assert hint("AB", np.array([0.5, 0.5])).startswith("**A** and **B** tie, 50 % to 50 %. ")
    assert "tie" not in hint(CLOTHES, np.array([0.43, 0.41, 0.11, 0.05]))


def test_the_lessons_sharp_vector_is_hardly_heard_until_it_is_heated():
    sharp = np.array([0.99, 0.01])
    assert "hardly hears" in hint("AB", sharp, at_one=sharp)
    assert "loud enough" in hint("AB", soften(sharp, 4), at_one=sharp)


def test_the_lessons_vector_is_still_audible_at_temperature_four():
    assert "loud enough" in hint("ABC", soften([0.7, 0.2, 0.1], 4))


def test_second_to_third_shrinks_by_the_root_of_the_temperature():
    p = np.array([0.7, 0.2, 0.1])
    assert second_to_third(soften(p, 4)) == pytest.approx(second_to_third(p) ** 0.25)


def test_ratios_without_a_third_class_are_said_so():
    assert second_to_third(np.array([0.99, 0.01])) is None
    assert second_to_third(np.array([1.0, 0, 0])) is None
    assert "nothing else" in hint("ABC", np.array([1.0, 0, 0]))
    assert "more than a million" in hint("ABC", np.array([0.6, 0.4, 0]))


def test_a_typed_vector_is_read_back_with_what_was_done_to_it():
    assert read_as(np.array([0.5, 0.3, 0.2])) == "Read as 3 classes: 0.5; 0.3; 0.2."
    assert read_as(np.array([70.0, 20, 10])) == "Read as 3 classes: 70; 20; 10. Divided by their sum, 100."


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1, "about as likely as"),
        (1.3, "1.3 times"),
        (42.4, "42 times"),
        (3412, "3,400 times"),
        (1e9, "more than a million"),
    ],
)
def test_ratios_are_said_with_the_digits_they_deserve(ratio, said):
    assert times_likelier(ratio).startswith(said)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1, "100 %"),
        (0.998, "99.8 %"),
        (0.42, "42 %"),
        (0.0994, "9.9 %"),
        (0.0995, "10 %"),
        (1e-7, "<0.1 %"),
        (0, "0 %"),
    ],
)
def test_shares_are_said_with_the_digits_they_deserve(share, said):
    assert percent(share) == said
