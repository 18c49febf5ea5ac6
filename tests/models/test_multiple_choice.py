"""The question with lettered options, and what is read out of its answers."""

from __future__ import annotations

import math

import pytest

from kdlab.models.multiple_choice import MultipleChoice, Reply
from tests.models.loopback_endpoint import (
    CLASSES,
    TEXTS,
)


def test_options_stand_in_an_order_of_each_texts_own_that_is_always_the_same():
    question = MultipleChoice(CLASSES)
    orders = {text: question.order(text) for text in TEXTS}
    assert len({tuple(order) for order in orders.values()}) > 4
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders.values())
    assert orders == {text: MultipleChoice(CLASSES).order(text) for text in TEXTS}
    assert question.order("a text of a resumed run") == [2, 3, 0, 1]  # also in another process
    first = CLASSES[orders[TEXTS[0]][0]]
    assert f"\nA. {first}\n" in question.prompt(TEXTS[0])


def test_each_class_gets_all_spellings_of_its_letter_and_the_captured_mass_is_kept():
    question, text = MultipleChoice(CLASSES), TEXTS[0]
    order = question.order(text)
    top = {" B": 0.4, "B": 0.2, "b": 0.1, "▁B": 0.02, "A": 0.05, "The": 0.1, "E": 0.03}
    reply = Reply("B", top=tuple((token, math.log(p)) for token, p in top.items()))
    read = question.read(text, reply)
    assert read.option_probabilities is not None
    assert read.shown is not None
    assert read.label == order[1]
    assert read.option_probabilities[order[1]] == pytest.approx(0.72)
    assert read.option_probabilities[order[0]] == pytest.approx(0.05)
    assert read.captured_mass == pytest.approx(0.77)
    assert list(read.shown[order]) == [True, True, False, False]


def test_a_class_that_was_not_shown_is_bounded_by_the_smallest_shown_and_by_what_is_left():
    question, text = MultipleChoice(CLASSES), TEXTS[0]
    hidden = question.order(text)[3]

    def bound(top: dict[str, float]) -> float:
        read = question.read(text, Reply("A", top=tuple((token, math.log(p)) for token, p in top.items())))
        assert read.option_probabilities is not None
        return float(read.option_probabilities[hidden])

    assert bound({"A": 0.5, "B": 0.3, "The": 0.05}) == pytest.approx(0.05)
    assert bound({"A": 0.7, "B": 0.29}) == pytest.approx(0.01)
    assert bound({"A": 1.0}) > 0


def test_a_servers_filler_for_minus_infinity_zeroes_no_class():
    question, text = MultipleChoice(CLASSES), TEXTS[0]
    order = question.order(text)
    read = question.read(text, Reply("A", top=(("A", -0.1), ("B", -3.0), ("C", -9999.0), ("D", -9999.0))))
    assert read.option_probabilities is not None
    assert read.shown is not None
    assert list(read.shown[order]) == [True, True, False, False]
    assert read.option_probabilities[order[2]] == pytest.approx(1 - math.exp(-0.1) - math.exp(-3.0))


def test_the_said_token_alone_bounds_the_others_by_what_it_leaves():
    question, text = MultipleChoice(CLASSES), TEXTS[0]
    order = question.order(text)
    read = question.read(text, Reply("C", token=("C", math.log(0.3))))
    assert read.label == order[2]
    assert read.option_probabilities is not None
    assert read.option_probabilities[order[0]] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("content", "letter"),
    [
        *[(said, 1) for said in ("B", " b", "**B**", "(B) ", "B. Bag", "\nB\n")],
        *[(said, None) for said in ("I think", "", "Because", "Z", "E", "A text about")],
    ],
)
def test_a_word_without_probabilities_names_a_letter_or_none(content: str, letter: int | None):
    question = MultipleChoice(CLASSES)
    read = question.read(TEXTS[0], Reply(content))
    assert read.label == (None if letter is None else question.order(TEXTS[0])[letter])
    assert read.option_probabilities is None


def test_a_class_may_be_named_by_its_own_name():
    assert MultipleChoice(CLASSES).read(TEXTS[0], Reply(" Boot.")).label == 2


@pytest.mark.parametrize("classes", [("one",), tuple("abcdefghijk"), ("same", "same")])
def test_a_question_has_two_to_ten_options_of_unlike_names(classes: tuple[str, ...]):
    with pytest.raises(ValueError, match="classes"):
        MultipleChoice(classes)
