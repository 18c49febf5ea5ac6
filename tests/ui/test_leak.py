"""Black box leaks without a browser: what the picture, its sentence and a link say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdlab.ui.access.leak import (
    LOG_PROBABILITIES,
    LOGITS,
    contrast_words,
    leak_alt,
    leak_words,
    source_words,
    stored_spectra,
)
from kdlab.ui.access.leak_charts import HIGHEST, LOWEST, said, singular_value_curve

SPECTRA = stored_spectra()


def section() -> None:
    from kdlab.ui.access.leak import show_leak
    from kdlab.ui.url_state import arrive

    arrive()
    show_leak()


@pytest.fixture
def leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return AppTest.from_function(section, default_timeout=180)


def shown(app: AppTest) -> dict:
    """What the section's picture was given."""
    drawn = [json.loads(component.proto.json) for component in app.get("bidi_component") if component.proto.json]
    return next(data for data in drawn if "figure" in data)


def values_at(queries: int, sent: str = LOGITS) -> np.ndarray:
    rows = SPECTRA.logits if sent == LOGITS else SPECTRA.log_probabilities
    return rows[SPECTRA.queries.index(queries)]


def test_at_first_the_width_is_read_off_and_the_address_is_empty(leak):
    leak.run()
    assert not leak.exception
    assert not leak.warning
    assert "The last layer is 576 units wide**, and that is right" in shown(leak)["sentence"]
    assert leak.session_state["queries"] == 768
    assert not {"queries", "sent"} & set(leak.query_params)


@pytest.mark.parametrize("sent", [LOGITS, LOG_PROBABILITIES])
def test_a_link_sets_queries_and_what_is_sent(leak, sent):
    leak.query_params["queries"], leak.query_params["sent"] = "320", sent
    leak.run()
    assert not leak.exception
    assert "Cannot be told yet.** All 320 singular values" in shown(leak)["sentence"]
    assert shown(leak)["alt"] == leak_alt(values_at(320, sent), 320, sent)
    assert leak.query_params["queries"] == "320"
    assert leak.query_params.get("sent", LOGITS) == sent


@pytest.mark.parametrize(("key", "value"), [("queries", "9999"), ("queries", "nan"), ("sent", "<b>")])
def test_a_link_that_does_not_fit_gives_the_default(leak, key, value):
    leak.query_params[key] = value
    leak.run()
    assert not leak.exception
    assert leak.session_state["queries"] == 768
    assert leak.session_state["sent"] == LOGITS
    assert key not in leak.query_params
    assert len(leak.warning) == (key == "sent")


def test_a_number_of_queries_between_two_is_the_nearest_that_is_stored(leak):
    leak.query_params["queries"] = "600"
    leak.run()
    assert leak.session_state["queries"] == 608
    assert "608 queries" in shown(leak)["sentence"]


def test_the_sentence_says_the_drop_the_queries_and_the_bytes():
    words = leak_words(values_at(768), 768, LOGITS, SPECTRA)
    values = values_at(768)
    assert f"value 576 is {said(values[575])}, the next {said(values[576])}" in words
    assert f"{values[575] / values[576]:,.0f} times less" in words
    assert "768 queries and 3.1 MB of logits, of 1,000 tokens only" in words
    assert "577" not in words


def test_log_probabilities_need_their_constant_taken_off_and_the_sentence_says_what_would_show():
    words = leak_words(values_at(768, LOG_PROBABILITIES), 768, LOG_PROBABILITIES, SPECTRA)
    assert "576 units wide" in words
    assert "without that, all 1,024 queries would show 577" in words


def test_a_wrong_width_is_said_to_be_wrong():
    assert "10 units wide**, but it has 576" in leak_words(np.array([5.0] * 10 + [1e-3]), 32, LOGITS, SPECTRA)


def test_without_a_drop_there_is_a_lower_bound_and_no_width():
    words = leak_words(values_at(576), 576, LOGITS, SPECTRA)
    assert words.startswith("**Cannot be told yet.**")
    assert "at least 576 units" in words
    assert "2.3 MB" in words


def test_the_picture_marks_both_sides_of_the_drop_and_its_text_gives_their_numbers():
    values = values_at(1024)
    figure = singular_value_curve(values, 576, SPECTRA.columns)
    assert figure["data"][1]["x"] == [576, 577]
    assert figure["data"][1]["y"] == [values[575], values[576]]
    assert figure["layout"]["shapes"][0]["x0"] == 576.5
    alt = leak_alt(values, 1024, LOGITS)
    assert f"number 576 is {said(values[575])}; then they drop to {said(values[576])} at number 577" in alt
    assert f"the first is {said(values[0])}" in alt


def test_without_a_drop_the_picture_says_so():
    figure = singular_value_curve(values_at(320), None, SPECTRA.columns)
    assert len(figure["data"]) == 1
    assert not figure["layout"]["shapes"]
    assert "320 values, no drop" in figure["layout"]["annotations"][0]["text"]
    assert "there is no drop" in leak_alt(values_at(320), 320, LOGITS)


def test_every_stored_value_lies_on_the_axis():
    for values in (*SPECTRA.logits, *SPECTRA.log_probabilities):
        assert values[-1] > 10**LOWEST
        assert values[0] < 10**HIGHEST


def test_the_fashion_teacher_has_too_few_classes_to_leak():
    words = contrast_words("fashion")
    assert "10 classes and 128 units" in words
    assert "10 singular values; the smallest is 45 and there is no drop, so nothing can be read off" in words


def test_the_source_is_named_with_the_whole_vocabulary():
    words = source_words(SPECTRA)
    assert "SmolLM2-135M-Instruct, asked what follows each of the first 1,024 tokens of Pride and Prejudice" in words
    assert "All 49,152 tokens show 576 too" in words
    assert "1/4,096" in words


@pytest.mark.parametrize(
    ("value", "words"), [(7351.01, "7,351"), (3.1958, "3.2"), (0.0029346, "0.00293"), (0.0000388, "0.0000388")]
)
def test_a_singular_value_is_said_with_three_digits(value, words):
    assert said(value) == words
