"""Differences in words, and the two parts of a gain."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdlab.core.intervals import joint_differences, mean_interval, paired_difference
from kdlab.runs.comparison import (
    ahead,
    between_runs,
    compare,
    diverged,
    in_words,
    no_verdict,
    over_seeds,
    sampling_error,
    unpaired_because,
)
from kdlab.runs.ladder import ALL, Ladder, ladder
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
    assert [one.difference for one in corrected.found] == joint_differences(pairs)
    assert corrected["total"].low < found["total"].low


def test_what_the_claims_ask_of_a_ladder_is_judged_with_its_contrasts() -> None:
    run = recorded_run(Ladder.recipe)[0]
    assert run.result is not None
    found = compare(run.spec, run.result)
    assert found.together == len(run.spec.contrasts) + 2
    arms = {arm["key"]: arm["accuracy"] for arm in run.result["arms"]}
    for minuend, subtrahend in (("label", "labels_only"), ("hidden", "hidden_untrained"), ("label", ALL)):
        difference = found.between(minuend, subtrahend)
        assert difference == paired_difference(arms[minuend], arms[subtrahend], 1 - 0.05 / found.together)


def test_a_difference_has_one_interval_from_whichever_side_it_is_told() -> None:
    found = compare(three_arms(), result())
    forth, back = found.between("soft_targets", "labels_only"), found.between("labels_only", "soft_targets")
    assert forth is not None
    assert back == forth.turned()


def test_contrasts_that_have_no_interval_are_not_counted_among_those_judged_together() -> None:
    spec = three_arms()
    apart = spec.model_copy(update={"contrasts": tuple(c.model_copy(update={"parts": ()}) for c in spec.contrasts)})
    told = result()
    told["arms"][1]["accuracy"] = [0.75, None, None]  # type: ignore[index]
    found = compare(apart, told)
    assert found.together == 1
    assert found["total"] == paired_difference(SOFT, LABELS_ONLY)


def of_a_ladder(**accuracy: list[float | None]) -> list[str]:
    """The arms that lead in a ladder of these accuracies; those not named are far behind."""
    spec = ladder(seeds=3)
    far = [0.20, 0.21, 0.22]
    arms = [{"key": arm.key, "accuracy": accuracy.get(arm.key, far)} for arm in spec.arms]
    return ahead(spec, compare(spec, {"arms": arms, "teacher_accuracy": 0.9}))


BASE = [0.70, 0.72, 0.71]


def test_one_arm_alone_leads_only_where_every_other_is_shown_to_be_behind() -> None:
    assert of_a_ladder(logits=BASE) == [ALL]
    assert of_a_ladder(logits=BASE, hidden=[a + 0.05 for a in BASE]) == ["hidden"]


def test_arms_that_are_not_shown_to_differ_tie_with_the_highest_mean_first() -> None:
    unsure = [0.71, 0.71, 0.73]
    assert of_a_ladder(logits=BASE, hidden=unsure) == ["hidden", ALL]
    # Both are better than logits, and which of the two is better nobody asked.
    far_apart = {"hidden": [a + 0.05 for a in BASE], "attention": [0.77, 0.80, 0.76]}
    assert of_a_ladder(logits=BASE, **far_apart) == ["attention", "hidden"]


def test_with_one_seed_nobody_is_behind_and_who_diverged_leads_nowhere() -> None:
    spec = ladder(seeds=1)
    arms = [{"key": arm.key, "accuracy": [0.1 * place]} for place, arm in enumerate(spec.arms)]
    arms[-1]["accuracy"] = [None]  # type: ignore[list-item]
    found = ahead(spec, compare(spec, {"arms": arms, "teacher_accuracy": 0.9}))
    assert found == [arm.key for arm in reversed(spec.arms[:-1])]


def test_an_accuracys_interval_does_not_leave_zero_to_one_nor_what_is_kept_of_the_teachers() -> None:
    wide = over_seeds([0.99, 0.60])
    assert (wide.low, wide.high) == (0, 1)
    kept = compare(three_arms(), result() | {"arms": [arm | {"accuracy": [0.99, 0.60]} for arm in result()["arms"]]})  # type: ignore[attr-defined]
    assert (kept.kept("soft_targets").low, kept.kept("soft_targets").high) == (0, pytest.approx(1 / 0.9))


def test_students_without_a_number_are_those_that_diverged() -> None:
    told = result()
    told["arms"][2]["accuracy"] = [0.7, None, 0.8]  # type: ignore[index]
    assert diverged(three_arms(), told).tolist() == [[False] * 3, [False] * 3, [False, True, False]]


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
