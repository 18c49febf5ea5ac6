"""Students where words are rare: scores by band, counted by hand on made-up answers."""

from __future__ import annotations

import numpy as np
import pytest

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
    found = by_frequency(spec, answers.astype(np.uint8))
    assert found.counted == 3500
    np.testing.assert_allclose(found.of("agreement", "logits"), [[0.9, 1], [1, 1], [1, 1], [1, 1]])
    right = [(teacher == data.y_test)[band.rows].mean() for band in bands]
    np.testing.assert_allclose(found.teacher, right)
    np.testing.assert_allclose(found.of("accuracy", "label")[:, 1], right)
    gain = found.on_the_rarest("agreement", ["label"], "logits")["label"]
    assert (gain.mean, gain.n) == (pytest.approx(0.05), 2)
    assert found.rarest_minus_commonest("agreement", "logits").mean == pytest.approx(-0.05)


def test_pictures_and_letters_have_no_words() -> None:
    assert has_words(ladder(dataset="glosses", student="embedding-bag", labels=20, transfer=20))
    assert not has_words(ladder())
    assert not has_words(ladder(dataset="languages", student="ngram-linear"))
