"""Numbers of one's own are read as they were meant, whatever stands between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.ui.examples.own_numbers import LARGEST_LOGIT, LETTERS, read_numbers
from kdlab.ui.examples.subjects import vector_subject
from kdlab.ui.examples.words import read_as
from kdlab.ui.widgets.live_bars import read_moves

SEPARATORS = st.sampled_from([",", ", ", ";", "; ", " ", "_", "  ", " ; ", "\n", "_ "])
NAMES = st.lists(
    st.from_regex(r"[a-zäß][a-zé-]{0,6}( [a-z]{1,5})?", fullmatch=True),
    min_size=2,
    max_size=16,
    unique_by=str.casefold,
)


def _numbers(low: float, size: int = 16) -> st.SearchStrategy[list[float]]:
    return st.lists(st.integers(int(low * 100), 10_000).map(lambda n: n / 100), min_size=2, max_size=size)


@given(_numbers(-100), SEPARATORS, st.booleans())
def test_every_separator_parts_alike(numbers, separator, bracketed):
    typed = separator.join(f"{number:.2f}" for number in numbers)
    read = read_numbers(f"[{typed}]" if bracketed else typed)
    np.testing.assert_array_equal(read.values, numbers)
    assert "".join(read.classes) == LETTERS[: len(numbers)]


@given(_numbers(-100), st.sampled_from([";", "; ", " ", "_"]))
def test_a_comma_is_a_decimal_one_where_another_sign_parts(numbers, separator):
    typed = separator.join(f"{number:.2f}".replace(".", ",") for number in numbers)
    np.testing.assert_array_equal(read_numbers(typed).values, numbers)


@given(
    st.data(), NAMES, SEPARATORS, st.sampled_from([" ", ":", ": ", "=", " = ", "_"]), st.sampled_from(".,")
)
def test_classes_may_be_named(data, names, separator, between, point):
    numbers = data.draw(_numbers(-100).filter(lambda found: len(found) >= len(names)))[: len(names)]
    typed = separator.join(
        f"{name}{between}{number:.2f}".replace(".", point)
        for name, number in zip(names, numbers, strict=True)
    )
    read = read_numbers(typed)
    assert read.classes == tuple(names)
    np.testing.assert_array_equal(read.values, numbers)


@given(st.text(max_size=600))
def test_any_text_is_numbers_or_refused_in_words(text):
    try:
        read = read_numbers(text)
    except ValueError:
        return
    assert 2 <= len(read.values) == len(read.classes) <= 16
    assert np.isfinite(read.values).all()
    # What reaches a sentence, a table or a figure cannot be markup.
    assert all(sign.isalnum() or sign in " '’-" for name in read.classes for sign in name)


@given(_numbers(-12, 5), SEPARATORS)
def test_moves_in_an_address_are_parted_alike(numbers, separator):
    limit = 12.0
    typed = separator.join(f"{number:.1f}" for number in numbers)
    found = read_moves(typed, len(numbers), limit)
    assert found is not None
    assert found[0] == pytest.approx([min(max(float(f"{n:.1f}"), -limit), limit) for n in numbers])


def test_a_bar_that_was_not_moved_stays_empty_in_an_address():
    assert read_moves("_1.5__", 4, 12.0) == ((None, 1.5, None, None), False)
    assert read_moves(",1.5,,", 4, 12.0) == ((None, 1.5, None, None), False)


def test_logits_are_softened_and_probabilities_divided_by_their_sum():
    numbers = read_numbers("2,7,10")
    np.testing.assert_allclose(
        vector_subject(numbers, as_logits=True).soft_targets(1.0), [0.00032, 0.0474, 0.9523], atol=5e-5
    )
    np.testing.assert_allclose(vector_subject(numbers).soft_targets(1.0), [2 / 19, 7 / 19, 10 / 19])


@pytest.mark.parametrize(
    ("text", "logits", "probabilities"),
    [
        ("2, 7, 10", False, False),
        ("-1, 2, 3", True, False),
        ("−1; 2", True, False),
        ("0.7 0.2 0.1", False, True),
        ("0.33 0.33 0.33", False, True),
        ("70 % 20 % 10 %", False, True),
    ],
)
def test_it_is_asked_what_the_numbers_are_only_where_they_may_be_either(text, logits, probabilities):
    numbers = read_numbers(text)
    assert (numbers.surely_logits, numbers.surely_probabilities) == (logits, probabilities)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.7, 0.2, 0.1", [0.7, 0.2, 0.1]),
        ("[.7 .2 .1]", [0.7, 0.2, 0.1]),
        ("7;2;1", [0.7, 0.2, 0.1]),
        ("0.99,0.01", [0.99, 0.01]),
        ("0,7 0,2 0,1", [0.7, 0.2, 0.1]),
        ("0,7;0,2;0,1", [0.7, 0.2, 0.1]),
        ("0,7, 0,2, 0,1", [0.7, 0.2, 0.1]),
        ("7, 2,1", [0.7, 0.2, 0.1]),
        ("1,5 1 2,5", [0.3, 0.2, 0.5]),
        ("70%, 20%, 10%", [0.7, 0.2, 0.1]),
        ("70 % 20 % 10 %", [0.7, 0.2, 0.1]),
        ("0,5,0,3,0,2", [0, 0.5, 0, 0.3, 0, 0.2]),
    ],
)
def test_a_vector_is_read_and_divided_by_its_sum(text, expected):
    np.testing.assert_allclose(vector_subject(read_numbers(text)).soft_targets(1.0), expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.5",
        "a, b",
        "nan, 1",
        "inf, 1",
        "-1, 2",
        "0, 0",
        "1e308, 1e308",
        ",".join(["1"] * 17),
        "9" * 10**6,
    ],
)
def test_a_vector_that_is_none_is_refused_in_words(text):
    with pytest.raises(ValueError, match=r"[Gg]ive|numbers|Probabilities"):
        vector_subject(read_numbers(text))


def test_logits_beyond_all_reason_are_refused_in_words():
    with pytest.raises(ValueError, match=r"from −100 to 100"):
        vector_subject(read_numbers(f"0, {LARGEST_LOGIT + 1}"), as_logits=True)


def test_names_that_are_one_are_refused_in_words():
    with pytest.raises(ValueError, match="same name"):
        read_numbers("cat 0.5, Cat 0.5")


def test_what_was_typed_is_read_back_with_what_was_done_to_it():
    def said(text: str, as_logits: bool = False) -> str:
        numbers = read_numbers(text)
        return read_as(numbers.classes, numbers.values, as_logits)

    assert said("0.5, 0.3, 0.2") == "Read as 3 probabilities: A 0.5; B 0.3; C 0.2."
    assert said("cat 70, dog 30") == "Read as 2 probabilities: cat 70; dog 30. Divided by their sum, 100."
    assert said("cat: 2, dog: -7", as_logits=True) == "Read as 2 logits: cat 2; dog −7."
