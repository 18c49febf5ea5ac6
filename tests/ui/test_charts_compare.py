"""The comparison's figures: an honest axis, runs that are told apart, and intervals that say where they are cut."""

from __future__ import annotations

import numpy as np
import pytest

from kdlab.core.intervals import Interval, paired_difference
from kdlab.distill.metrics import METRICS
from kdlab.runs.curves import Curves
from kdlab.runs.points import mean_and_half
from kdlab.ui.look.style import ROLES
from kdlab.ui.run.differences import clipped, paired_differences, reach
from kdlab.ui.runs.charts_compare import arm_in_both, cut, score_range

ACCURACY = METRICS["accuracy"]
AROUND = {"metric": ACCURACY, "axis": "B − A", "sides": ("A", "B")}
TWO_SEEDS = paired_difference([0.80, 0.70], [0.75, 0.71])  # t with one degree of freedom: ± 38 points


def curves(accuracies: list[float], spread: float) -> Curves:
    """One arm, two seeds that lie so far apart."""
    values = np.array([[[a - spread / 2, a + spread / 2]] for a in accuracies])
    steps = np.arange(len(accuracies))
    mean, half = mean_and_half(values)
    return Curves(
        arms=("soft_targets",),
        seeds=2,
        step=steps,
        epoch=steps * 1.0,
        seconds=steps * 1.0,
        mean={"accuracy": mean},
        half={"accuracy": half},
        marks=(),
    )


def both(spread: float = 0.2) -> dict[str, Curves]:
    return {"A": curves([0.1, 0.6, 0.70], spread), "B": curves([0.1, 0.7, 0.80], spread)}


def test_an_accuracy_axis_never_leaves_zero_to_one_however_wide_the_bands() -> None:
    low, high = score_range(both(spread=0.4), ACCURACY, 0.9)
    assert 0 <= low < 0.6
    assert 0.9 < high <= 1


def test_two_runs_of_an_arm_share_its_hue_and_differ_by_dash_marker_and_name() -> None:
    figure = arm_in_both("soft_targets", ROLES["soft_targets"], both(), ACCURACY, 0.9, (0.5, 1.0))
    a, b = (trace for trace in figure["data"] if trace["mode"] == "lines+markers")
    assert a["line"]["color"] == b["line"]["color"] == ROLES["soft_targets"].colour
    assert a["line"]["dash"] != b["line"]["dash"]
    assert a["marker"]["symbol"] != b["marker"]["symbol"]
    assert not any("opacity" in trace for trace in figure["data"])
    labels = [note["text"] for note in figure["layout"]["annotations"]]
    assert sorted(labels) == ["A 70.0%", "B 80.0%", "Teacher"]
    assert figure["data"][0]["y"] == [0.9, 0.9]


def test_what_leaves_the_picture_is_known() -> None:
    drawn = both(spread=0.4)
    assert cut(arm_in_both("soft_targets", ROLES["soft_targets"], drawn, ACCURACY, 0.9, (0.5, 1.0)))
    assert not cut(arm_in_both("soft_targets", ROLES["soft_targets"], drawn, ACCURACY, 0.9, (-9.0, 9.0)))


def test_an_interval_wider_than_the_picture_is_cut_at_its_edge_with_an_arrow() -> None:
    found = {"labels_only": paired_difference([0.8, 0.8], [0.79, 0.789]), "soft_targets": TWO_SEEDS}
    assert clipped(found, ACCURACY) == ["soft_targets"]
    figure = paired_differences(found, ROLES, **AROUND)
    low, high = figure["layout"]["xaxis"]["range"]
    assert (low, high) == (-100 * reach(found, ACCURACY), 100 * reach(found, ACCURACY))
    cut_off = next(t for t in figure["data"] if t["mode"] == "lines+markers" and t["y"] == [1, 1])
    assert cut_off["x"] == [low, high]
    assert cut_off["marker"]["symbol"] == ["arrow-left", "arrow-right"]
    for trace in figure["data"]:
        assert all(low <= x <= high for x in trace["x"])


@pytest.mark.parametrize(
    "found",
    [
        paired_difference([0.5], [0.4]),
        paired_difference([0.5, 0.6], [0.5, 0.6]),
        paired_difference([0.9, 0.1], [0.1, 0.9]),
    ],
)
def test_every_mean_lies_in_the_picture(found: Interval) -> None:
    low, high = paired_differences({"soft_targets": found}, ROLES, **AROUND)["layout"]["xaxis"]["range"]
    assert low < 100 * found.mean < high
