"""The pictures and words of a run, whatever its numbers are: a run that diverged is drawn too."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kdlab.data.registry import get_dataset
from kdlab.distill.metrics import metrics_of
from kdlab.runs.comparison import Comparison, best_supported, compare, sampling_error
from kdlab.runs.curves import Curves, Mark
from kdlab.runs.points import mean_and_half
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run
from kdlab.ui.look.style import Figure, styled
from kdlab.ui.run import charts, result_charts
from kdlab.ui.run.verdict import most_frequent
from kdlab.ui.run.verdict_words import sampled, sentences
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
        drawn(charts.learning_curves(curves, ARMS, METRICS["accuracy"], 0.9))
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


@pytest.mark.parametrize("metric", ["accuracy", "agreement"])
def test_bands_of_a_share_stay_between_nothing_and_all(metric: str) -> None:
    values = {name: np.ones((2, 3, 2)) for name in METRICS}
    values[metric] = np.array([[[0.0, 0.3]] * 3, [[0.99, 0.7]] * 3])
    figure = (
        charts.learning_curves(curves_of(values), ARMS, METRICS["accuracy"], 0.9)
        if metric == "accuracy"
        else charts.fidelity(curves_of(values), ARMS, METRICS[metric])
    )
    bands = [trace["y"] for trace in figure["data"] if trace.get("fill") == "toself"]
    assert len(bands) == len(ARMS)
    for band in bands:
        assert (min(band), max(band)) == (0, 1)


def test_bars_of_the_gains_ends_stay_between_nothing_and_all() -> None:
    found = comparison([0.1, 0.0, 0.4], [0.3, 0.3, 0.3], [0.99, 0.7, 0.95])
    figure = result_charts.gain_split(SPEC, found, SPEC.contrasts[0])
    ends = [trace for trace in figure["data"] if trace.get("mode") == "markers"]
    assert len(ends) == 2
    for trace in ends:
        bar, mean = trace["error_y"], trace["y"][0]
        assert mean - bar["arrayminus"][0] >= 0
        assert mean + bar["array"][0] <= 1


def test_of_one_seed_no_gain_is_called_shown_or_not() -> None:
    figure = result_charts.gain_split(SPEC, comparison([0.5], [0.6], [0.7]), SPEC.contrasts[0])
    assert not any("shown" in note["text"] or "better" in note["text"] for note in figure["layout"]["annotations"])
    assert not any(trace["error_y"]["visible"] for trace in figure["data"])


def recorded_with_one_gone() -> tuple[Run, np.ndarray]:
    """The recorded run and its answers, the first soft-targets student diverged: all its answers are class 0."""
    run, _, answers = recorded_run()
    run, answers = copy.deepcopy(run), answers.copy()
    assert run.result is not None
    run.result["arms"][2]["accuracy"][0] = None
    answers[2, 0] = 0
    return run, answers


def test_the_test_sets_own_error_leaves_students_out_that_diverged() -> None:
    run, answers = recorded_with_one_gone()
    assert run.result is not None
    question = compare(run.spec, run.result).found[0]
    labels = get_dataset(run.spec.dataset).load().y_test
    error = sampling_error(answers[2, 1:], answers[0, 1:], labels)
    assert f"open by ± {100 * error:.1f} points" in sampled(run, question, answers)
    one = copy.deepcopy(run)
    one.result["arms"][2]["accuracy"][1:4] = [None] * 3  # type: ignore[index]
    assert sampled(one, question, answers) == ""
    assert "1 of 15 students diverged in training and is left out." in sentences(run, compare(run.spec, run.result), [question], "")


def test_where_they_differ_leaves_answers_out_that_are_none() -> None:
    _, answers = recorded_with_one_gone()
    gone = np.array([True, False, False, False, False])
    labels = get_dataset("fashion").load().y_test
    sound = (most_frequent(answers[2], 10, gone) == labels).mean()
    assert sound > (most_frequent(answers[2], 10, gone & False) == labels).mean()
    assert (most_frequent(np.array([[0, 0], [3, 1], [3, 1]]), 4, np.array([True, False, False])) == [3, 1]).all()


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
