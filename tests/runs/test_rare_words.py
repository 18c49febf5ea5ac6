"""Students where words are rare: scores by band, counted by hand on made-up answers."""

from __future__ import annotations

import numpy as np
import pytest

from kdlab.core.intervals import paired_difference
from kdlab.data.registry import get_dataset
from kdlab.data.word_frequency import frequency_bands, word_frequency
from kdlab.models.catalogue import teacher_logits
from kdlab.runs.ladder import ladder
from kdlab.runs.rare_words import by_frequency, has_words


def test_accuracy_and_agreement_are_counted_in_each_band() -> None:
    spec = ladder(dataset="glosses", student="embedding-bag", labels=20, transfer=20, seeds=2)
    data, teacher = get_dataset("glosses").load(), teacher_logits("glosses").test.argmax(-1)
    bands = frequency_bands(word_frequency(data.text_test or (), data.text_train or ()))
    answers = np.repeat(teacher[None, None], len(spec.arms), axis=0).repeat(2, axis=1)  # all say what the teacher says
    spoilt = next(place for place, arm in enumerate(spec.arms) if arm.key == "logits")
    wrong = bands[0].rows[:50]
    answers[spoilt, 0, wrong] = (teacher[wrong] + 1) % 10
    gone = np.zeros(answers.shape[:2], dtype=bool)
    found = by_frequency(spec, answers.astype(np.uint8), gone)
    assert found.counted == 3500
    np.testing.assert_allclose(found.of("agreement", "logits"), [[0.9, 1], [1, 1], [1, 1], [1, 1]])
    right = [(teacher == data.y_test)[band.rows].mean() for band in bands]
    np.testing.assert_allclose(found.teacher, right)
    np.testing.assert_allclose(found.of("accuracy", "label")[:, 1], right)
    differences = found.differences("agreement", "logits", ["label"])
    assert differences is not None
    lost, gains = differences
    assert (gains["label"].mean, gains["label"].n) == (pytest.approx(0.05), 2)
    assert lost == paired_difference([0.9, 1], [1, 1], 1 - 0.05 / 2)  # both are looked at together
    assert found.left_out == 0


def test_students_that_diverged_are_left_out() -> None:
    spec = ladder(dataset="glosses", student="embedding-bag", labels=20, transfer=20, seeds=3)
    teacher = teacher_logits("glosses").test.argmax(-1)
    answers = np.repeat(teacher[None, None], len(spec.arms), axis=0).repeat(3, axis=1)
    gone = np.zeros(answers.shape[:2], dtype=bool)
    place = {arm.key: i for i, arm in enumerate(spec.arms)}
    for arm, seed in (("logits", 1), ("label", 2)):
        gone[place[arm], seed] = True
        answers[place[arm], seed] = 0  # as is kept of a student whose logits are no numbers
    found = by_frequency(spec, answers, gone)
    assert found.left_out == 2
    np.testing.assert_array_equal(found.of("agreement", "logits"), np.ones((4, 2)))
    differences = found.differences("agreement", "logits", ["label"])
    assert differences is not None
    lost, gains = differences
    assert (lost.mean, lost.n) == (0, 2)
    assert (gains["label"].mean, gains["label"].n) == (0, 1)  # one seed has both
    gone[place["logits"]] = True
    assert by_frequency(spec, answers, gone).differences("agreement", "logits", ["label"]) is None


def test_pictures_and_letters_have_no_words() -> None:
    assert has_words(ladder(dataset="glosses", student="embedding-bag", labels=20, transfer=20))
    assert not has_words(ladder())
    assert not has_words(ladder(dataset="languages", student="ngram-linear"))
