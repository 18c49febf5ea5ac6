"""The pictures and words of a run, whatever its numbers are: a run that diverged is drawn too."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kdlab.distill.metrics import metrics_of
from kdlab.runs.comparison import Comparison, best_supported, compare
from kdlab.runs.curves import Curves, Mark
from kdlab.runs.points import mean_and_half
from kdlab.runs.recipes import three_arms
from kdlab.ui.look.style import Figure, styled
from kdlab.ui.run import charts, result_charts
from kdlab.ui.run.words import budget_words, course

SPEC = three_arms(seeds=3)
ARMS = SPEC.arms
SOFT, CONTROL = ARMS[2], ARMS[0]
METRICS = metrics_of("classification")
numbers = st.one_of(
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0]), st.floats(-1e6, 1e6, allow_subnormal=False)
)


def curves_of(values: dict[str, np.ndarray], marks: tuple[Mark, ...] = ()) -> Curves:
    """values (points, arms, seeds) by metric."""
    points, _, seeds = values["accuracy"].shape
    both = {name: mean_and_half(found) for name, found in values.items()}
    return Curves(
        arms=tuple(arm.key for arm in ARMS),
        seeds=seeds,
        step=np.arange(points),
        epoch=np.arange(points, dtype=float),
        seconds=np.arange(points, dtype=float),
        mean={name: mean for name, (mean, _) in both.items()},
        half={name: half for name, (_, half) in both.items()},
        marks=marks,
    )


@st.composite
def any_curves(draw: st.DrawFn) -> Curves:
    points, seeds = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    values = arrays(float, (points, len(ARMS), seeds), elements=numbers)
    marks = draw(st.sampled_from([(), (Mark(1, 0.5, 3.0, 0.5),)]))
    return curves_of({name: draw(values) for name in METRICS}, marks)


def drawn(figure: Figure) -> str:
    """As it is sent to the browser, which knows no NaN."""
    return json.dumps(styled(figure), allow_nan=False)


@given(any_curves())
def test_every_picture_of_a_run_is_drawn_whatever_its_numbers_are(curves: Curves) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(charts.learning_curves(curves, ARMS, 10, 0.9))
        for metric in ("agreement", "kl"):
            drawn(charts.fidelity(curves, ARMS, METRICS[metric]))
        for arm, control in ((SOFT, CONTROL), (CONTROL, None)):
            drawn(charts.terms(curves, arm, control))
            drawn(charts.gradient_budget(curves, arm, control))
        said = course(curves, charts.gradient_lines(curves, SOFT, CONTROL), ".2f") + budget_words(curves, SOFT)
    assert "nan" not in said
    assert "inf" not in said


costs = st.one_of(st.sampled_from([0.0, None, float("nan"), float("inf")]), st.floats(1e-3, 1e9))
profiles = st.fixed_dictionaries(
    {name: costs for name in ("parameters", "memory_mib", "flops", "latency_ms", "throughput")}
)


@given(profiles, profiles)
def test_the_price_is_drawn_also_where_something_was_not_measured(
    teacher: dict[str, Any], student: dict[str, Any]
) -> None:
    both = {"teacher": teacher, "student": student}
    drawn(result_charts.costs(both))
    assert "nan" not in result_charts.costs_in_words(both)


accuracies = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=3, max_size=3)


def comparison(*accuracy: Any) -> Comparison:
    """Of labels only, the teacher's answers and soft targets."""
    arms = [{"key": arm.key, "accuracy": list(found)} for arm, found in zip(ARMS, accuracy, strict=True)]
    return compare(SPEC, {"arms": arms, "teacher_accuracy": 0.9})


@given(accuracies, st.integers(1, 3))
def test_the_gain_is_drawn_for_any_accuracies_and_one_seed(means: list[float], seeds: int) -> None:
    spread = np.linspace(-0.01, 0.01, seeds) if seeds > 1 else np.zeros(1)
    found = comparison(*(m + spread for m in means))
    for contrast in SPEC.contrasts:
        drawn(result_charts.gain_split(SPEC, found, contrast))


BASE = np.array([0.70, 0.71, 0.72])


def bars(softness: float) -> tuple[dict[str, Any], str]:
    """The block of softness, and the words above it."""
    noise = np.array([0.0, 0.001, -0.001])
    found = comparison(BASE, BASE + 0.03 + noise, BASE + 0.03 + softness)
    figure = result_charts.gain_split(SPEC, found, SPEC.contrasts[0])
    block = [trace for trace in figure["data"] if trace.get("type") == "bar"][1]
    return block, figure["layout"]["annotations"][-1]["text"]


def test_a_harm_is_drawn_as_a_harm() -> None:
    harm, said = bars(-0.014)
    gain, praised = bars(+0.014)
    nothing, unsure = bars(0.0)
    assert "▼ −1.4" in said
    assert "worse" in said
    assert "▲ +1.4" in praised
    assert "not shown" in unsure
    assert "pattern" in harm["marker"]
    assert "pattern" not in gain["marker"]
    assert len({harm["marker"]["color"], gain["marker"]["color"]}) == 2
    assert nothing["marker"]["opacity"] < gain["marker"]["opacity"]


@pytest.mark.parametrize(
    ("answers", "softness", "best"),
    [
        (0.03, 0.02, "soft_targets"),
        (0.03, -0.014, "hard_labels"),
        (0.03, None, "hard_labels"),
        (None, 0.03, "soft_targets"),
        (None, None, "labels_only"),
        (-0.03, None, "labels_only"),
        (-0.03, 0.06, "soft_targets"),
    ],
)
def test_the_arm_to_take_is_the_simplest_that_nothing_is_shown_to_beat(
    answers: float | None, softness: float | None, best: str
) -> None:
    unsure = np.array([0.01, -0.01, 0.0])
    hard = BASE + (unsure if answers is None else answers)
    soft = hard + (np.roll(unsure, 1) if softness is None else softness)
    assert best_supported(SPEC, comparison(BASE, hard, soft)) == best


def test_one_seed_shows_no_arm_to_be_better() -> None:
    assert best_supported(SPEC, comparison([0.5], [0.7], [0.9])) == "labels_only"


def test_costs_are_plain_multiples_on_a_linear_scale() -> None:
    teacher = {"parameters": 241_898, "memory_mib": 1.0, "flops": 3_000_000, "latency_ms": 0.1}
    student = {"parameters": 12_730, "memory_mib": 1.01, "flops": 1_000_000, "latency_ms": 0.2}
    figure = result_charts.costs({"teacher": teacher, "student": student})
    assert figure["layout"]["xaxis"].get("type", "linear") == "linear"
    assert figure["data"][0]["x"][0] == pytest.approx(12_730 / 241_898)
    said = [annotation["text"] for annotation in figure["layout"]["annotations"]]
    assert said == ["19× fewer", "the same", "3.0× fewer", "2.0× slower"]


def silent_curves(supervised: float, distillation: float, cosine: float) -> Curves:
    values = {name: np.ones((1, 3, 2)) for name in METRICS}
    values["gradient_supervised"] = np.full((1, 3, 2), supervised)
    values["gradient_distillation"] = np.full((1, 3, 2), distillation)
    values["gradient_cosine"] = np.full((1, 3, 2), cosine)
    return curves_of(values)


@pytest.mark.parametrize("cosine", [0.0, np.nan])
def test_a_silent_term_has_no_angle(cosine: float) -> None:
    curves = silent_curves(0.0, 1.5, cosine)
    said = budget_words(curves, SOFT)
    assert "**supervised** term is **silent**" in said
    assert "cosine" not in said
    assert "unrelated" not in said
    assert "x2" not in drawn(charts.gradient_budget(curves, SOFT, CONTROL))
    assert "cosine 0.50" in budget_words(silent_curves(1.0, 1.5, 0.5), SOFT)
