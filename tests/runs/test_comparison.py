"""Differences in words, and the two parts of a gain."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdlab.core.intervals import holm_differences, mean_interval, paired_difference
from kdlab.runs.comparison import (
    between_runs,
    compare,
    in_words,
    no_verdict,
    sampling_error,
    unpaired_because,
)
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run

LABELS_ONLY, ANSWERS, SOFT = [0.70, 0.72, 0.71], [0.75, 0.76, 0.77], [0.76, 0.79, 0.78]


def result() -> dict[str, object]:
    keys = ("labels_only", "hard_labels", "soft_targets")
    arms = [{"key": k, "accuracy": a} for k, a in zip(keys, (LABELS_ONLY, ANSWERS, SOFT), strict=True)]
    return {"arms": arms, "teacher_accuracy": 0.9}


def test_the_two_parts_add_up_to_the_whole_gain() -> None:
    found = compare(three_arms(), result())
    assert found["answers"].mean + found["softness"].mean == pytest.approx(found["total"].mean)
    assert found["total"].mean == pytest.approx(np.mean(SOFT) - np.mean(LABELS_ONLY))
    kept = found.kept("soft_targets")
    assert kept.mean == pytest.approx(np.mean(SOFT) / 0.9)
    assert kept.high - kept.mean == pytest.approx((mean_interval(SOFT).high - np.mean(SOFT)) / 0.9)


def test_a_difference_whose_interval_contains_zero_is_called_none() -> None:
    assert in_words(paired_difference([0.5, 0.6], [0.6, 0.5])).startswith(
        "no difference shown (0.0 points, 95 % interval −"
    )


def test_a_shown_difference_is_said_in_points_with_its_interval() -> None:
    words = in_words(compare(three_arms(), result())["answers"])
    # Student's t with 2 degrees of freedom: 4.303 · s / √3 around the mean.
    difference = 100 * (np.array(ANSWERS) - np.array(LABELS_ONLY))
    half = 4.3026527 * difference.std(ddof=1) / np.sqrt(3)
    mean = difference.mean()
    assert words == f"+{mean:.1f} points, 95 % interval {mean - half:.1f} to {mean + half:.1f}"


def test_one_seed_shows_nothing() -> None:
    assert "run at least two" in in_words(paired_difference([0.9], [0.5]))


@pytest.mark.parametrize(
    ("settings", "steering", "says"),
    [
        ({}, {}, None),
        ({"objective": {"name": "generalized_jsd", "beta": 0}}, {}, "At β = 0 .* labels alone"),
        ({"objective": {"name": "generalized_jsd", "beta": 0, "continuous": True}}, {}, None),
        ({"objective": {"name": "generalized_jsd", "beta": 1}, "kd_weight": 1}, {}, "learns nothing"),
        ({"objective": {"name": "generalized_jsd", "beta": 1}}, {"kd_weight": 0.5}, "At β = 1"),
        ({"objective": {"name": "dkd", "target_weight": 0, "non_target_weight": 0}}, {}, "both weights at 0"),
        ({"kd_weight": 0}, {}, "KD weight of 0 .* labels alone"),
        ({"kd_weight": 0}, {"kd_weight": 0.5, "temperature": 2.0}, None),
    ],
)
def test_a_run_whose_distillation_asks_nothing_gets_a_reason_in_place_of_a_verdict(
    settings, steering, says
) -> None:
    found = no_verdict(three_arms(**settings), steering)
    if says is None:
        assert found is None
    else:
        assert re.search(says, found or "")


def finished(
    gains: dict[str, float] | None = None, steering: dict[str, float] | None = None, **values: Any
) -> Run:
    found = result()
    for arm in found["arms"]:  # type: ignore[attr-defined]
        arm["accuracy"] = [a + (gains or {}).get(arm["key"], 0.0) for a in arm["accuracy"]]
    return replace(recorded_run()[0], spec=three_arms(seeds=3, **values), result=found, steering=steering or {})


def test_two_runs_differ_arm_by_arm_second_minus_first() -> None:
    found = between_runs(finished(), finished({"soft_targets": 0.02, "labels_only": -0.01}))
    means = {role: difference.mean for role, difference in found.items()}
    assert means == pytest.approx({"labels_only": -0.01, "hard_labels": 0.0, "soft_targets": 0.02})


@pytest.mark.parametrize(
    "same", [{"temperature": 8.0}, {"epochs": 3}, {"objective": "dkd"}, {"device": "cpu"}]
)
def test_runs_on_the_same_examples_from_the_same_weights_pair(same: dict[str, Any]) -> None:
    assert unpaired_because(finished(), finished(**same)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "digits"},
        {"student": "linear"},
        {"labels": 100},
        {"transfer": 100},
        {"steering": {"temperature": 3.0}},
    ],
)
def test_runs_whose_students_have_no_counterpart_do_not_pair_and_say_why(other: dict[str, Any]) -> None:
    one_way, other_way = (
        unpaired_because(*pair) for pair in ((finished(), finished(**other)), (finished(**other), finished()))
    )
    assert one_way
    assert other_way


def test_runs_of_other_teachers_do_not_pair() -> None:
    another = finished()
    another = replace(another, spec=another.spec.model_copy(update={"teacher": "another"}))
    assert "teachers" in (unpaired_because(finished(), another) or "")


def test_questions_are_judged_together_and_their_parts_are_not() -> None:
    spec = three_arms()
    found = compare(spec, result())
    assert found.together == 1
    assert found["total"] == paired_difference(SOFT, LABELS_ONLY)
    apart = spec.model_copy(update={"contrasts": tuple(c.model_copy(update={"parts": ()}) for c in spec.contrasts)})
    corrected = compare(apart, result())
    assert corrected.together == 3
    pairs = [(SOFT, LABELS_ONLY), (ANSWERS, LABELS_ONLY), (SOFT, ANSWERS)]
    assert [one.difference for one in corrected.found] == holm_differences(pairs)
    assert corrected["total"].low < found["total"].low


def test_the_test_set_s_own_error_is_that_of_a_resampled_test_set() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=400)
    one, other = (np.where(rng.random((3, 400)) < right, labels, (labels + 1) % 10) for right in (0.8, 0.7))
    drawn = rng.integers(400, size=(4000, 400))
    differences = (one == labels).mean(0)[drawn].mean(1) - (other == labels).mean(0)[drawn].mean(1)
    assert sampling_error(one, other, labels) == pytest.approx(1.96 * differences.std(), rel=0.05)


def test_runs_on_data_that_were_dealt_otherwise_do_not_pair() -> None:
    now, then = finished(), finished()
    assert now.result is not None
    now = replace(now, result=now.result | {"data": "another"})
    assert "dealt otherwise" in (unpaired_because(then, now) or "")
