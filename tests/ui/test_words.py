"""Sentences made from soft targets say what the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from kdlab.core.intervals import mean_interval
from kdlab.core.probability import soften
from kdlab.ui.examples.words import hint, percent, second_to_third, times_likelier
from kdlab.ui.look.numbers import interval_words, minus

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


def test_hint_is_little_when_cold_more_when_warm_and_lost_when_hot():
    sharp = np.array([0.995, 0.004, 0.001])
    assert "only 0.5 %, where a hard label gives them 0 %: a higher T gives them more" in hint("ABC", sharp)
    assert "together have 30 %, where a hard label" in hint("ABC", soften(sharp, 4), at_one=sharp)
    assert "nearly lost" in hint("ABC", soften(sharp, 100), at_one=sharp)


@pytest.mark.parametrize("p", [[0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
@pytest.mark.parametrize("temperature", [0.5, 1, 20])
def test_no_heat_is_blamed_for_classes_that_were_alike_before(p, temperature):
    said = hint("ABC"[: len(p)], soften(p, temperature), at_one=np.array(p))
    assert "hot" not in said
    assert "no hint to hear" in said


def test_what_a_hard_label_leaves_out_is_told_of_all_classes_but_the_first():
    assert "All classes but Shirt together have 50 %, where a hard label gives them 0 %." in hint(
        CLOTHES, np.array([0.5, 0.31, 0.1, 0.09])
    )
    assert "All classes but Shirt together have only 0.5 %" in hint(
        CLOTHES, np.array([0.995, 0.003, 0.001, 0.001])
    )
    assert "The other class has 24 %, where a hard label gives it 0 %." in hint("AB", np.array([0.76, 0.24]))
    assert "The other class has only 0.8 %" in hint("AB", np.array([0.992, 0.008]))


@pytest.mark.parametrize("p", [[1.0, 0, 0], [1.0, 0]])
def test_an_answer_without_doubt_is_called_so_once(p):
    said = hint("ABC"[: len(p)], np.array(p), at_one=np.array(p))
    assert said == "**A**, and nothing else: it says no more than a hard label, at any temperature."


def test_a_sure_answer_whose_rest_is_below_rounding_is_not_called_nothing():
    p = np.array([1.0, 1e-20, 1e-25])
    assert "together have only <0.1 %" in hint("ABC", p / p.sum())


def test_classes_named_by_digits_are_told_from_numbers():
    said = hint("0123456789", np.array([0.5, 0.31, 0.1, 0.09, 0, 0, 0, 0, 0, 0]), label=2)
    assert said.startswith(
        "The label says class 2, the teacher **class 0**, but **class 1** is **3.1 times likelier than** class 2. "
        "All classes but class 0 together have 50 %"
    )
    assert hint("01", np.array([0.76, 0.24])).startswith("**Class 0**, 3.2 times likelier than class 1. ")


def test_a_tie_is_called_a_tie():
    said = hint(CLOTHES, np.array([0.424, 0.416, 0.11, 0.05]), label=0)
    assert said.startswith(
        "**Shirt** and **T-shirt** tie, 42 % to 42 %; T-shirt is **3.8 times likelier than** Coat."
    )
    assert hint("AB", np.array([0.5, 0.5])).startswith("**A** and **B** tie, 50 % to 50 %. ")
    assert "tie" not in hint(CLOTHES, np.array([0.43, 0.41, 0.11, 0.05]))


def test_the_lessons_sharp_vector_says_little_until_it_is_heated():
    sharp = np.array([0.99, 0.01])
    assert "has only 1.0 %" in hint("AB", sharp, at_one=sharp)
    assert "has 24 %," in hint("AB", soften(sharp, 4), at_one=sharp)


def test_the_lessons_vector_still_hints_at_temperature_four():
    assert "together have 57 %," in hint("ABC", soften([0.7, 0.2, 0.1], 4))


def test_second_to_third_shrinks_by_the_root_of_the_temperature():
    p = np.array([0.7, 0.2, 0.1])
    assert second_to_third(soften(p, 4)) == pytest.approx(second_to_third(p) ** 0.25)


def test_ratios_without_a_third_class_are_said_so():
    assert second_to_third(np.array([0.99, 0.01])) is None
    assert second_to_third(np.array([1.0, 0, 0])) is None
    assert "nothing else" in hint("ABC", np.array([1.0, 0, 0]))
    assert "more than a million" in hint("ABC", np.array([0.6, 0.4, 0]))


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


@pytest.mark.parametrize("p", [[0.6, 0.4], [0.52, 0.48], [0.505, 0.495], [0.44, 0.28, 0.28], [0.35, 0.325, 0.325]])
@pytest.mark.parametrize("temperature", [1, 2, 4, 20])
def test_classes_of_which_one_is_called_likelier_are_not_called_alike(p, temperature):
    said = hint("ABC"[: len(p)], soften(p, temperature), at_one=np.array(p))
    first_over_second = (p[0] / p[1]) ** (1 / temperature)
    assert ("finds all classes alike" not in said) or first_over_second < 1.05
    assert not ("times likelier" in said and "finds all classes alike" in said)


def test_two_classes_that_heat_brings_near_each_other_still_hint():
    p = np.array([0.6, 0.4])
    assert hint(("cat", "dog"), soften(p, 4), at_one=p) == (
        "**cat**, 1.1 times likelier than dog. The other class has 47 %, where a hard label gives it 0 %."
    )
    assert "nearly lost" in hint(("cat", "dog"), soften(p, 20), at_one=p)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("-10.5%", "−10.5%"),
        ("from -2 to -0.5", "from −2 to −0.5"),
        ("(-3)", "(−3)"),
        ("<b>-0.123</b>", "<b>−0.123</b>"),
        ("1e-05", "1e−05"),
        ("-1.5e-05", "−1.5e−05"),
        ("bert-2x64, 28-by-28, 2024-05", "bert-2x64, 28-by-28, 2024-05"),
    ],
)
def test_a_number_is_written_with_a_minus_sign_and_a_name_keeps_its_hyphen(written, said):
    assert minus(written) == said


def test_an_interval_is_told_in_its_means_form_and_one_seed_has_none():
    found = mean_interval([0.1, -0.3, 0.2])
    assert interval_words(float(found.low), float(found.high), ".1%") == ", 95 % interval −65.7% to 65.7%"
    assert interval_words(float("nan"), float("nan"), ".1%") == ""
