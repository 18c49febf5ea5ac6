"""Subjects, gallery and figures of the soft-targets page."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from kdlab.core.probability import entropy, softmax
from kdlab.core.similarity import class_similarity
from kdlab.data.glosses import gloss_rows
from kdlab.models.catalogue import TEACHERS, teacher_logits
from kdlab.models.train_teachers import language_examples
from kdlab.ui.examples.own_numbers import read_numbers
from kdlab.ui.examples.subjects import (
    behind_cell,
    dataset_of,
    example_name,
    hesitant,
    showcase,
    test_subject,
    vector_subject,
)
from kdlab.ui.examples.teacher_choice import OVERLAP
from kdlab.ui.examples.words import percent
from kdlab.ui.look.style import ROLES, styled
from kdlab.ui.look.tokens import ROLE_INKS
from kdlab.ui.soft_targets.charts import BRIGHTEST, cell_ink, class_map, entropy_curve, soft_target_bars
from kdlab.ui.soft_targets.notes import (
    bars_in_words,
    cell_words,
    entropy_in_words,
    map_in_words,
    strongest_pair,
)

# The fixture name of a function that pytest must not take for a test.
test_subject.__test__ = False


@pytest.mark.parametrize("teacher", TEACHERS)
def test_gallery_opens_with_a_sure_answer_that_heat_wakes(teacher):
    first = test_subject(teacher, showcase(teacher)[0])
    cold, warm = first.soft_targets(1.0), first.soft_targets(4.0)
    second = first.order()[1]
    assert cold.argmax() == first.label
    assert percent(cold[second]) == "<0.1 %"
    # Of a gloss the doubt is shared more evenly by the other nine kinds.
    assert warm[second] > (0.07 if teacher == "glosses" else 0.1)


@pytest.mark.parametrize("teacher", TEACHERS)
def test_the_hesitant_example_is_right_and_no_certainty(teacher):
    found = test_subject(teacher, hesitant(teacher))
    soft_targets = found.soft_targets(1.0)
    assert soft_targets.argmax() == found.label
    assert soft_targets.max() < 0.7
    assert hesitant(teacher) in showcase(teacher)


@pytest.mark.parametrize("teacher", TEACHERS)
def test_examples_are_told_apart_by_name(teacher):
    names = [example_name(teacher, i) for i in showcase(teacher)]
    assert len(set(names)) == len(names)


def test_pictures_are_told_in_numbers_to_those_who_do_not_see_them():
    subject = vector_subject(read_numbers("cat 0.7, dog 0.2, fox 0.1"))
    said = bars_in_words(subject, 4.0)
    assert said.endswith("At T = 1 and at T = 4: cat 70 % and 43 %; dog 20 % and 31 %; fox 10 % and 26 %.")
    assert "Hard label cat." in said
    said = entropy_in_words(subject, 4.0, float(entropy(subject.soft_targets(4.0))))
    assert said.endswith("1.16 bits at T = 1, 1.55 at T = 4, at most 1.58.")
    similarity = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])
    said = map_in_words("ABC", similarity, (0, 1), most=2)
    assert said.endswith("Framed: A, seen as B, 20 %. The largest: B, seen as A, 30 %; A, seen as B, 20 %.")


def test_a_class_named_by_a_digit_is_told_from_a_number():
    similarity = np.array([[0.85, 0.15], [0.1, 0.9]])
    said = cell_words("35", similarity, (0, 1), 4)
    assert said.startswith("When the truth is **class 3**, the teacher gives **class 5** 15 % on average")


@pytest.mark.parametrize("teacher", TEACHERS)
def test_gallery_shows_every_class_once_at_least_and_no_example_twice(teacher):
    shown = showcase(teacher)
    labels = {test_subject(teacher, i).label for i in shown}
    assert len(set(shown)) == len(shown)
    assert len(labels) >= len(dataset_of(teacher).classes) - 1


def test_examples_behind_a_cell_are_of_its_row_and_strongest_first():
    soft_targets = softmax(teacher_logits("fashion").test, 3.0)
    found = behind_cell("fashion", 6, 0, soft_targets, most=8)
    assert {test_subject("fashion", i).label for i in found} == {6}
    shares = [soft_targets[i, 0] for i in found]
    assert shares == sorted(shares, reverse=True)


def test_a_class_of_probability_zero_stays_at_zero_when_heated():
    assert vector_subject(read_numbers("0.6, 0.4, 0")).soft_targets(20.0)[2] == 0


def test_bars_show_label_both_temperatures_and_each_class_in_one_order():
    subject = test_subject("fashion", showcase("fashion")[0])
    order = subject.order()
    names = [subject.classes[k] for k in order]
    warm, cold = subject.soft_targets(4.0)[order], subject.soft_targets(1.0)[order]
    figure = soft_target_bars(names, cold, warm, 4.0, label=0)
    label, at_temperature, at_one = (trace for trace in figure["data"] if trace["type"] == "bar")
    assert label["y"] == [0]
    np.testing.assert_allclose(at_temperature["x"], warm)
    np.testing.assert_allclose(at_one["x"], cold)
    assert figure["layout"]["yaxis"]["ticktext"] == names
    assert (np.diff(warm) <= 0).all()


def test_entropy_marker_lies_on_the_curve():
    subject = vector_subject(read_numbers("0.7, 0.2, 0.1"))
    temperatures = np.geomspace(0.5, 20, 50)
    bits = entropy(subject.soft_targets(temperatures[:, None]))
    figure = entropy_curve(temperatures, bits, float(temperatures[20]), float(bits[20]), 3)
    curve, marker = figure["data"]
    assert marker["x"] == [curve["x"][20]]
    assert marker["y"] == [curve["y"][20]]


def test_class_map_leaves_the_diagonal_out_and_frames_the_chosen_cell():
    similarity = class_similarity(softmax(teacher_logits("digits").test), dataset_of("digits").load().y_test)
    figure = class_map([str(k) for k in range(10)], similarity, (9, 5))
    cells = np.array(figure["data"][0]["z"], dtype=float)
    assert np.isnan(np.diagonal(cells)).all()
    assert cells[9, 5] == similarity[9, 5]
    frame = figure["layout"]["shapes"][0]
    assert (frame["x0"], frame["y0"]) == (4.5, 8.5)


def _contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG 2.1's contrast of two sRGB colours, channels from 0 to 255."""
    channels = np.stack((one, other)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def _channels(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_on_the_class_map_stand_off_every_cell(theme):
    config = tomllib.loads(
        (Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    )
    panel = _channels(config["theme"][theme]["secondaryBackgroundColor"])
    full = _channels(ROLE_INKS[theme]["teacher"])
    black, white = np.zeros(3), np.full(3, 255.0)
    extreme, opposite = (white, black) if theme == "dark" else (black, white)
    inks = {"@extreme": extreme, "@opposite": opposite, "#000": black}
    for part in np.linspace(0, 1.2, 241):
        cell = panel + (full - panel) * min(part, 1)
        assert _contrast(inks[cell_ink(part * BRIGHTEST)], cell) >= 4.5, part


def test_the_map_speaks_of_the_framed_cell_and_of_a_closer_pair():
    similarity = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])
    assert strongest_pair(similarity) == (1, 0)
    said = cell_words("ABC", similarity, (1, 0), 4)
    assert (
        said
        == "When the truth is **B**, the teacher gives **A** 30 % on average at T = 4: no other pair is closer."
    )
    said = cell_words("ABC", similarity, (0, 1), 4)
    assert said.startswith("When the truth is **A**, the teacher gives **B** 20 % on average at T = 4. ")
    assert said.endswith("B, seen as A, 30 %.")


def test_a_closer_pair_that_is_rounded_to_the_same_number_is_not_called_closer():
    similarity = np.array([[0.7, 0.0131, 0.01], [0.0129, 0.6, 0.01], [0.001, 0.01, 0.8]])
    said = cell_words("ABC", similarity, (1, 0), 0.5)
    assert said == (
        "When the truth is **B**, the teacher gives **A** 1.3 % on average at T = 0.5. "
        "Rounded, A, seen as B, has as much: no pair is closer."
    )


def test_what_is_told_of_test_snippets_inside_training_text_is_counted():
    arrays = dataset_of("languages").load()
    train, test = arrays.text_train or (), arrays.text_test or ()
    lines = "\n".join(train)
    assert not set(train) & set(test)
    assert f"{sum(text in lines for text in test)} of {len(test):,} test snippets" in OVERLAP["languages"]
    taught = {row.tobytes() for row in language_examples()[0].numpy()}
    met = [text for text, row in zip(test, arrays.x_test, strict=True) if row.tobytes() in taught]
    assert f"{len(met)} of the test snippets stand in the teacher's own paragraphs too, mostly one or two words" in OVERLAP["languages"]
    assert sum(len(text.split()) <= 2 for text in met) > len(met) * 0.7


def test_what_is_told_of_test_glosses_inside_training_text_is_counted():
    arrays = dataset_of("glosses").load()
    train, own, test = arrays.text_train or (), tuple(gloss_rows("train").texts), arrays.text_test or ()
    assert not set(test) & {*train, *own}
    told = {1: "One of the 2,000 test glosses also stands inside a longer training gloss", 2: "two inside one of the teacher's own"}
    for texts, count in ((train, 1), (own, 2)):
        lines = "\n".join(texts)
        assert sum(text in lines for text in test) == count
        assert told[count] in OVERLAP["glosses"]


def test_style_fills_in_and_never_overrides():
    figure = styled({"data": [], "layout": {"xaxis": {"gridcolor": "red"}, "yaxis2": {}}})
    assert figure["layout"]["xaxis"]["gridcolor"] == "red"
    assert figure["layout"]["yaxis2"]["gridcolor"] == "@grid"
    assert figure["layout"]["yaxis"]["gridcolor"] == "@grid"
    assert "title" not in figure["layout"]
    json.dumps(figure, allow_nan=False)


def test_every_role_has_a_colour_of_its_own_and_a_second_sign_beside_it():
    arms = [ROLES[name] for name in ("teacher", "soft_targets", "hard_labels", "labels_only")]
    for trait in ("colour", "dash", "marker"):
        assert len({getattr(role, trait) for role in arms}) == len(arms)
