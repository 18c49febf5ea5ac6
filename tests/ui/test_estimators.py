"""The estimator bench without a browser: its numbers against exact ones, its pictures, its sentences, and what a link says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdlab.core.divergences import forward_kl, reverse_kl
from kdlab.core.probability import softmax
from kdlab.models.logit_rows import read_logit_rows
from kdlab.ui.language.estimator_bench import (
    BATCHES,
    FORWARD,
    METHODS,
    REVERSE,
    STUDENT_ROW,
    TEACHER_ROW,
    WORDS,
    bench,
    student_logits,
    tokens,
    vocabulary,
)
from kdlab.ui.language.estimator_charts import MOST_LIKELY, both_say, gradient_lengths, value_and_direction
from kdlab.ui.language.estimator_words import (
    ASKED,
    bench_alt,
    bench_words,
    both_say_alt,
    lengths_alt,
    lengths_words,
    said,
    source_words,
)
from kdlab.ui.language.estimators import DISTANCE, SAMPLES, STEP

FAR, NEAR, NOWHERE = bench(1.0, 256), bench(0.02, 256), bench(0.0, 256)
USUAL = bench(DISTANCE, 256)


def section() -> None:
    from kdlab.ui.language.estimators import show_estimators
    from kdlab.ui.url_state import arrive

    arrive()
    show_estimators()


@pytest.fixture
def estimators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return AppTest.from_function(section, default_timeout=180)


def drawn(app: AppTest) -> dict[str, dict]:
    """The section's pictures in their order: value and direction, lengths, words."""
    sent = [json.loads(component.proto.json) for component in app.get("bidi_component") if component.proto.json]
    return dict(zip(("bench", "lengths", "words"), (data for data in sent if "figure" in data), strict=True))


def test_teacher_and_student_are_real_rows_and_their_places_are_those_that_are_named():
    rows = read_logit_rows()
    p, q = softmax(rows.logits[TEACHER_ROW]), softmax(rows.logits[STUDENT_ROW])
    assert FAR.exact.reverse_kl == pytest.approx(float(reverse_kl(p, q)))
    assert FAR.exact.forward_kl == pytest.approx(float(forward_kl(p, q)))
    # The tokens of "It is a" and of "this truth is" in SmolLM2's vocabulary.
    assert rows.tokens[TEACHER_ROW - 2 : TEACHER_ROW + 1].tolist() == [1589, 314, 253]
    assert rows.tokens[STUDENT_ROW - 2 : STUDENT_ROW + 1].tolist() == [451, 4569, 314]
    assert (tokens(), vocabulary()) == (1000, 49152)
    assert "1,000 of its 49,152 tokens" in source_words()


def test_the_words_are_the_five_likeliest_of_either_place():
    rows = read_logit_rows()
    likeliest = [rows.columns[np.argsort(-rows.logits[row])[:5]].tolist() for row in (TEACHER_ROW, STUDENT_ROW)]
    assert [*likeliest[0], *likeliest[1]] == list(WORDS)
    here = softmax(rows.logits[TEACHER_ROW])
    np.testing.assert_allclose(NOWHERE.exact.student, here[np.searchsorted(rows.columns, list(WORDS))])
    np.testing.assert_array_equal(NOWHERE.exact.student, NOWHERE.exact.teacher)


def test_the_student_leaves_the_teacher_step_by_step():
    far = [bench(distance, 16).exact.reverse_kl for distance in np.linspace(0, 1, 11).round(2).tolist()]
    assert far[0] == 0
    assert (np.diff(far) > 0).all()
    for distance, row in ((0.0, TEACHER_ROW), (1.0, STUDENT_ROW)):
        np.testing.assert_array_equal(np.sort(student_logits(distance)), np.sort(read_logit_rows().logits[row]))


@pytest.mark.parametrize("now", [NEAR, USUAL, FAR])
def test_on_average_each_method_has_the_value_and_the_gradient_that_the_section_says(now):
    for name in ("k1", "k3", "policy", "baseline"):
        assert now.found[name].mean == pytest.approx(now.exact.reverse_kl, rel=1e-6)
    assert now.found["k2"].mean > 1.03 * now.exact.reverse_kl
    assert now.found["k1"].length == 0
    assert np.isnan(list(now.found["k1"].cosine.values())).all()
    for name, whose in (("k2", REVERSE), ("policy", REVERSE), ("baseline", REVERSE), ("k3", FORWARD)):
        assert now.found[name].cosine[whose] == pytest.approx(1)
        assert now.found[name].length == pytest.approx(now.exact.lengths[whose])
        other = FORWARD if whose == REVERSE else REVERSE
        assert now.found[name].cosine[other] == pytest.approx(now.exact.cosine)


@pytest.mark.parametrize("now", [NEAR, USUAL, FAR])
def test_the_baseline_keeps_the_direction_and_lowers_the_scatter(now):
    plain, less = now.found["policy"], now.found["baseline"]
    assert less.variance < plain.variance
    assert less.cosines[REVERSE].mean > plain.cosines[REVERSE].mean - 1e-3
    assert USUAL.found["baseline"].cosines[REVERSE].mean > USUAL.found["policy"].cosines[REVERSE].mean + 0.05


def test_batches_come_closer_to_the_exact_gradient_the_more_samples_they_have():
    cosines = [bench(DISTANCE, int(samples)).found["baseline"].cosines[REVERSE].mean for samples in SAMPLES]
    assert (np.diff(cosines) > 0).all()
    lengths = [bench(DISTANCE, int(samples)).found["k1"].lengths.mean for samples in SAMPLES]
    # k1's batches are noise alone, which falls with the root of their size: 16 times more, 4 times shorter.
    np.testing.assert_allclose(lengths[0] / np.array(lengths), [1, 4, 16], rtol=0.15)


def test_intervals_of_k1_hold_the_kl_as_often_as_they_promise_and_those_of_k3_do_not_far_out():
    """A share of 200 batches at 95 % has a standard error of 1.5 points; k1's samples are a little skewed."""
    held = [bench(distance, 4096).found["k1"].held for distance in (0.25, 0.5, 0.75, 1.0)]
    assert min(held) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / BATCHES)
    assert FAR.found["k3"].held < 0.5


def test_a_drag_moves_the_samples_a_little_at_a_time():
    """One batch's error changes by far less from step to step than that of a batch drawn anew: its standard error, times √2."""
    places = np.arange(0.4, 0.6, STEP).round(2).tolist()
    batch = np.array([float(bench(place, 256).found["k1"].batch.mean) for place in places])
    exact = np.array([bench(place, 256).exact.reverse_kl for place in places])
    interval = bench(0.5, 256).found["k1"].batch
    error = float(interval.high - interval.low) / 2 / 1.97
    assert np.abs(np.diff(batch - exact)).max() < 0.5 * np.sqrt(2) * error
    assert np.abs(np.diff(batch - exact)).mean() < 0.15 * np.sqrt(2) * error


def test_the_picture_marks_the_exact_kl_every_mean_and_no_direction_for_k1():
    figure = value_and_direction(USUAL)
    line = figure["layout"]["shapes"][-1]
    assert line["x0"] == line["x1"] == USUAL.exact.reverse_kl
    intervals, means, batches = figure["data"][:3]
    assert means["x"] == [USUAL.found[name].mean for name in METHODS]
    assert batches["x"] == [USUAL.found[name].batch.mean for name in METHODS]
    assert intervals["x"][0:2] == [USUAL.found["k1"].batch.low, USUAL.found["k1"].batch.high]
    signs = [trace for trace in figure["data"] if trace.get("xaxis") == "x2" and trace["mode"] == "markers"][1::2]
    assert [trace["x"][0] for trace in signs] == [None, None]
    assert [trace["x"][2] for trace in signs] == pytest.approx([USUAL.exact.cosine, 1])
    json.dumps(figure, allow_nan=False)


@pytest.mark.parametrize("samples", [int(samples) for samples in SAMPLES])
@pytest.mark.parametrize("distance", [0.0, 0.01, 0.3, 1.0])
def test_what_is_exact_lies_within_its_axis_at_every_distance(distance, samples):
    now = bench(distance, samples)
    values, lengths = value_and_direction(now), gradient_lengths(now)
    low, high = values["layout"]["xaxis"]["range"]
    assert all(low < found.mean < high for found in now.found.values())
    assert all(low < found.batch.mean < high for found in now.found.values())
    assert max(now.exact.lengths.values()) < lengths["layout"]["xaxis"]["range"][1]
    assert lengths["data"][0]["x"] == [found.length for found in now.found.values()]
    shares = [*now.exact.teacher, *now.exact.student, 1 - sum(now.exact.student)]
    assert max(shares) < MOST_LIKELY
    for figure in (values, lengths, both_say(list(WORDS.values()), now.exact.teacher.tolist(), now.exact.student.tolist())):
        json.dumps(figure, allow_nan=False)


def test_the_sentence_says_what_is_seen():
    words = bench_words(USUAL)
    assert f"The KL(q‖p) is {said(USUAL.exact.reverse_kl)} nats" in words
    assert "**k1**: value right, gradient **nothing**" in words
    assert f"**k2**: value **wrong**, {said(USUAL.found['k2'].mean)} on average; gradient the reverse KL’s" in words
    assert f"gradient the **forward** KL’s, cosine {USUAL.exact.cosine:.2f} with the reverse KL’s" in words
    plain, less = (USUAL.found[name].cosines[REVERSE].mean for name in ("policy", "baseline"))
    assert f"a batch of 256 comes to a cosine of {plain:.2f} with it, with a baseline to {less:.2f}" in words


def test_near_the_teacher_the_sentence_says_that_all_is_nearly_alike():
    words = bench_words(NEAR)
    assert "nearly right, so close to the teacher" in words
    assert "here nearly the same as the reverse KL’s" in words
    assert "0.000 nats" not in words


def test_far_from_it_the_sentence_tells_how_often_k3_s_interval_misses():
    assert f"only {FAR.found['k3'].held * 100:.0f} % of the time" in bench_words(FAR)
    assert "of the time" not in bench_words(bench(0.5, 256))


def test_at_the_teacher_only_k1_pushes():
    assert bench_words(NOWHERE).startswith("**Student and teacher are one**")
    assert NOWHERE.found["k1"].lengths.mean > 0
    assert all(NOWHERE.found[name].lengths.mean == 0 for name in ("k2", "k3", "policy", "baseline"))
    assert "all noise" in lengths_words(NOWHERE)
    assert "cosine none" in bench_alt(NOWHERE)


def test_lengths_are_told_with_what_the_baseline_takes():
    taken = 1 - USUAL.found["baseline"].variance / USUAL.found["policy"].variance
    assert f"a baseline takes {taken * 100:.0f} % of a single sample’s scatter" in lengths_words(USUAL)


def test_who_does_not_see_the_pictures_reads_their_numbers():
    alt = bench_alt(USUAL)
    for name, method in METHODS.items():
        assert f"{method.title}: value {said(USUAL.found[name].mean)} on average" in alt
    assert "exactly 0.31 for the reverse KL and 0.72 for the forward KL" in lengths_alt(USUAL)
    assert "cold 50 % and 41 %" in both_say_alt(["cold"], [0.5], [0.41])


def test_who_asked_is_named_with_the_threads():
    for thread in ("slime/issues/1068", "open-instruct/issues/534", "OpenRLHF/pull/1309"):
        assert thread in ASKED


def test_at_first_all_is_shown_and_the_address_is_empty(estimators):
    estimators.run()
    assert not estimators.exception
    assert not estimators.warning
    shown = drawn(estimators)
    assert shown["bench"]["sentence"] == bench_words(USUAL)
    assert shown["bench"]["alt"] == bench_alt(USUAL)
    assert shown["lengths"]["alt"] == lengths_alt(USUAL)
    assert "990 others" in shown["words"]["alt"]
    assert not {"distance", "drawn"} & set(estimators.query_params)


def test_a_link_sets_distance_and_samples(estimators):
    estimators.query_params["distance"], estimators.query_params["drawn"] = "0.3", "4096"
    estimators.run()
    assert not estimators.exception
    assert drawn(estimators)["bench"]["alt"] == bench_alt(bench(0.3, 4096))
    assert (estimators.query_params["distance"], estimators.query_params["drawn"]) == ("0.3", "4096")


@pytest.mark.parametrize(("key", "value"), [("distance", "1.5"), ("distance", "nan"), ("drawn", "17"), ("drawn", "<b>")])
def test_a_link_that_does_not_fit_gives_the_default(estimators, key, value):
    estimators.query_params[key] = value
    estimators.run()
    assert not estimators.exception
    assert drawn(estimators)["bench"]["alt"] == bench_alt(USUAL)
    assert key not in estimators.query_params
    assert len(estimators.warning) == (key == "drawn")
