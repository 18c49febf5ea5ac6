"""Arms at equal time: numbers that were worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kdlab.core.intervals import paired_difference
from kdlab.runs.curves import curves, seed_table
from kdlab.runs.equal_time import Clock, at_equal_time, clocks, seed_scores
from kdlab.runs.ladder import ALL, Ladder
from kdlab.runs.recorded import recorded_run

STEP = np.array([0, 10, 20])
CHEAP = np.array([[0.1, 0.1], [0.5, 0.6], [0.7, 0.8]])  # (points, seeds)
DEAR = np.array([[0.1, 0.2], [0.6, 0.7], [0.9, 0.9]])


def test_each_arm_stands_where_it_was_when_the_first_had_ended() -> None:
    found = at_equal_time(STEP, {"cheap": CHEAP, "dear": DEAR}, {"cheap": Clock(1, 1), "dear": Clock(3, 1.5)})
    assert found is not None
    assert (found.ended, found.seconds) == ("cheap", 21)
    assert found.steps == {"cheap": 20, "dear": 12}  # (21 − 3) / 1.5
    np.testing.assert_allclose(found.scores["cheap"], [0.7, 0.8])
    np.testing.assert_allclose(found.scores["dear"], [0.6 + 0.2 * 0.3, 0.7 + 0.2 * 0.2])  # a fifth of the way


def test_the_dearest_teacher_may_not_have_answered_yet() -> None:
    found = at_equal_time(STEP, {"cheap": CHEAP, "dear": DEAR}, {"cheap": Clock(1, 1), "dear": Clock(30, 1)})
    assert found is not None
    assert found.steps["dear"] == 0
    np.testing.assert_allclose(found.scores["dear"], DEAR[0])


def test_who_asks_no_teacher_does_not_set_the_time_and_stands_where_it_ended() -> None:
    scores = {"alone": CHEAP, "cheap": CHEAP, "dear": DEAR}
    found = at_equal_time(STEP, scores, {"alone": Clock(0, 0.1), "cheap": Clock(4, 1), "dear": Clock(4, 2)})
    assert found is not None
    assert (found.ended, found.seconds, found.earlier) == ("cheap", 24, {"alone": 2})
    assert found.steps == {"alone": 20, "cheap": 20, "dear": 10}
    np.testing.assert_allclose(found.scores["alone"], CHEAP[-1])


def test_what_a_teacher_takes_decides_who_ends_first() -> None:
    found = at_equal_time(STEP, {"cheap": CHEAP, "dear": DEAR}, {"cheap": Clock(50, 1), "dear": Clock(10, 1.5)})
    assert found is not None
    assert (found.ended, found.seconds, found.steps["cheap"]) == ("dear", 40, 0)


def test_differences_are_paired_over_the_seeds_and_hold_together() -> None:
    found = at_equal_time(STEP, {"cheap": CHEAP, "dear": DEAR}, {"cheap": Clock(1, 1), "dear": Clock(3, 1.5)})
    assert found is not None
    (key, difference), *others = found.differences("cheap").items()
    assert (key, others) == ("dear", [])  # one alone is not widened
    assert difference == paired_difference([0.66, 0.74], [0.7, 0.8])
    assert difference.mean == pytest.approx(-0.05)


def test_of_several_arms_the_differences_hold_together() -> None:
    rng = np.random.default_rng(0)
    scores = {arm: rng.uniform(size=(3, 4)) for arm in ("one", "two", "three")}
    found = at_equal_time(STEP, scores, dict.fromkeys(scores, Clock(0, 1)))
    assert found is not None
    assert found.differences("one")["two"] == paired_difference(scores["two"][-1], scores["one"][-1], 1 - 0.05 / 2)


def test_a_student_that_diverged_has_no_number_from_there_on() -> None:
    gone = np.array([[0.1, 0.2], [0.6, np.nan], [0.9, np.nan]])
    found = at_equal_time(STEP, {"cheap": CHEAP, "dear": gone}, {"cheap": Clock(1, 1), "dear": Clock(3, 1.5)})
    assert found is not None
    assert found.interval("dear") is None
    assert found.differences("cheap")["dear"].n == 1
    assert found.interval("cheap") is not None


def test_one_arm_alone_is_compared_with_nothing() -> None:
    assert at_equal_time(STEP, {"cheap": CHEAP, "dear": DEAR}, {"cheap": Clock(0, 1)}) is None


def test_with_equal_clocks_the_recorded_ladder_gives_its_own_end() -> None:
    run, rows, _ = recorded_run(Ladder.recipe)
    table, drawn = seed_table(rows, run.spec), curves(rows, run.spec)
    assert table is not None
    assert drawn is not None
    step, scores = seed_scores(table, "accuracy")
    same = at_equal_time(step, scores, dict.fromkeys(scores, Clock(1, 0.01)))
    assert same is not None
    for arm in run.spec.arms:
        interval, line = same.interval(arm.key), drawn.line("accuracy", arm.key)
        assert interval is not None
        assert interval.mean == pytest.approx(line.mean[-1], abs=1e-5)
    assert run.result is not None
    own = at_equal_time(step, scores, clocks(run.result["costs"], run.spec.labels + run.spec.transfer))
    assert own is not None
    assert set(own.earlier) == {"labels_only"}
    assert own.steps["labels_only"] == own.steps[own.ended] == run.spec.total_steps
    assert 0 < own.steps["gradients"] == min(own.steps.values()) < run.spec.total_steps
    assert set(own.differences(ALL)) == {arm.key for arm in run.spec.arms} - {ALL}
