"""The loss page without a browser: its example, its numbers, its sentences, and what a link may ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdlab.core import mixture
from kdlab.core.conventions import CONVENTIONS
from kdlab.core.hinton import logit_gradients
from kdlab.core.mixture import (
    HUMP_WIDTH,
    START,
    descents,
    fit,
    forward_kl_integrand,
    log_teacher,
    reverse_kl_integrand,
)
from kdlab.core.probability import softmax
from kdlab.core.simplex import gradient_descent, optimum, to_plane
from kdlab.distill.metrics import metrics_of
from kdlab.models.catalogue import teacher_logits
from kdlab.runs.curves import Curves
from kdlab.runs.recipes import three_arms
from kdlab.ui.examples.own_numbers import read_numbers
from kdlab.ui.examples.subjects import hesitant, showcase, vector_subject
from kdlab.ui.examples.subjects import test_subject as subject_of
from kdlab.ui.look.style import styled
from kdlab.ui.loss.charts import pushes, triangle, why_t_squared
from kdlab.ui.loss.conventions_charts import loss_bars
from kdlab.ui.loss.example import MOST_CLASSES, STARTS, example_of, limit_norm, mean_norms, soft_norms
from kdlab.ui.loss.race import ends_alt, ends_words, humps_merged, race_words, run
from kdlab.ui.loss.race_charts import beta_ends, race_panels
from kdlab.ui.loss.sections import TEMPERATURES, swing_words
from kdlab.ui.loss.words import formula, loss_and_gradients, norms_alt, pull, pushes_alt, triangle_alt
from kdlab.ui.run.words import budget_words

ROOT = Path(__file__).resolve().parents[2]
TEACHER, STUDENT = np.array([3.0, 1.0, -1.0, -3.0]), np.array([0.5, -0.5, 1.0, -1.0])


@pytest.mark.parametrize("teacher", ["digits", "fashion", "languages", "glosses"])
def test_the_example_keeps_the_teacher_s_answer_among_its_likeliest_classes(teacher):
    logits = teacher_logits(teacher).test
    for index in showcase(teacher):
        example = example_of(subject_of(teacher, index))
        shown = np.sort(logits[index])[::-1][: len(example.classes)].astype(float)
        assert len(example.classes) <= MOST_CLASSES
        assert example.teacher.mean() == pytest.approx(0, abs=1e-9)
        assert (
            example.classes[example.label]
            == subject_of(teacher, index).classes[subject_of(teacher, index).label]
        )
        np.testing.assert_allclose(softmax(example.teacher)[:3], softmax(shown)[:3], atol=1e-5)
        assert example.label in example.corners
        assert len(set(example.corners)) == 3


def test_the_lesson_s_vector_has_its_own_probabilities_and_a_zero_a_floor():
    example = example_of(vector_subject(read_numbers("0.7, 0.2, 0.1")))
    np.testing.assert_allclose(softmax(example.teacher), [0.7, 0.2, 0.1])
    assert np.isfinite(example_of(vector_subject(read_numbers("1, 0, 0"))).teacher).all()


def test_starts_are_what_they_say():
    example = example_of(vector_subject(read_numbers("0.7, 0.2, 0.1")))
    at = {
        start: loss_and_gradients(example.student(start), example.teacher, example.label, 2, 0.5, True)
        for start in STARTS
    }
    assert at["nothing"].cross_entropy == pytest.approx(np.log(3))
    assert at["copy"].kl == pytest.approx(0, abs=1e-12)
    assert at["wrong"].cross_entropy > at["nothing"].cross_entropy
    assert int(example.student("wrong").argmax()) != example.label


@pytest.mark.parametrize("t_squared", [True, False])
def test_the_formula_s_factors_multiply_to_its_terms(t_squared):
    now = loss_and_gradients(STUDENT, TEACHER, 0, 3.0, 0.7, t_squared)
    assert now.supervised == pytest.approx(0.3 * now.cross_entropy)
    assert now.distillation == pytest.approx(0.7 * (9 if t_squared else 1) * now.kl)
    assert now.total == pytest.approx(now.supervised + now.distillation)
    assert ("class='off'" in formula(now)) is not t_squared


def test_the_soft_gradient_comes_to_rest_at_its_limit_and_falls_without_t_squared():
    hot = np.array([1e4])
    assert soft_norms(STUDENT, TEACHER, hot, True)[0] == pytest.approx(limit_norm(STUDENT, TEACHER), rel=1e-3)
    at = np.array([2.0, 50.0])
    ratio = soft_norms(STUDENT, TEACHER, at, True) / soft_norms(STUDENT, TEACHER, at, False)
    np.testing.assert_allclose(ratio, at**2)
    assert limit_norm(STUDENT + 5, TEACHER) == pytest.approx(limit_norm(STUDENT, TEACHER))


@pytest.mark.parametrize("t_squared", [True, False])
def test_lengths_of_the_soft_gradient_are_those_of_the_loss_s_gradient(t_squared):
    heat = np.array([0.5, 1.0, 3.0, 40.0])
    alone = [
        np.linalg.norm(logit_gradients(STUDENT, TEACHER, 0, t, 1.0, t_squared).distillation) for t in heat
    ]
    np.testing.assert_allclose(soft_norms(STUDENT, TEACHER, heat, t_squared), alone)


def test_means_over_the_test_set_are_means_of_single_examples():
    mean = mean_norms("digits", (2.0, 1e5))
    z_t = teacher_logits("digits").test
    zero = np.zeros(z_t.shape[1])
    alone = [np.linalg.norm(logit_gradients(zero, z, 0, 2.0, 1.0).distillation) for z in z_t]
    assert mean.with_t_squared[0] == pytest.approx(np.mean(alone), rel=1e-5)
    assert mean.with_t_squared[1] == pytest.approx(mean.limit, rel=1e-3)
    assert mean.examples == len(z_t)


def test_the_sentence_names_the_term_that_pulls_harder():
    soft = loss_and_gradients(STUDENT, TEACHER, 0, 4.0, 0.95, True)
    hard = loss_and_gradients(STUDENT, TEACHER, 0, 4.0, 0.05, True)
    assert "**soft** term pulls" in pull(soft)
    assert "**supervised** term pulls" in pull(hard)
    assert "its weight is 0" in pull(loss_and_gradients(STUDENT, TEACHER, 0, 4.0, 0.0, True))
    assert "what the teacher says" in pull(loss_and_gradients(TEACHER, TEACHER, 0, 4.0, 0.5, True))
    assert "against each other" in pull(loss_and_gradients(TEACHER, -TEACHER, 0, 4.0, 0.5, True))


def test_arrows_point_down_the_gradient_and_their_sum_is_marked():
    now = loss_and_gradients(STUDENT, TEACHER, 0, 2.0, 0.5, True)
    bars, marks, _ = pushes("ABCD", now.supervised_gradient, now.distillation_gradient, 32)["data"]
    down = np.array(bars["x"]).reshape(2, 4)
    np.testing.assert_array_equal(down, [-now.supervised_gradient, -now.distillation_gradient])
    np.testing.assert_allclose(marks["x"][-4:], down.sum(axis=0))


def test_the_surface_is_lowest_where_the_optimum_is_marked():
    z_t, setting = np.array([1.0, 0.2, -1.0]), (2.0, 0.6, True)
    best = optimum(z_t, 0, *setting)
    figure = triangle("ABC", 0, z_t, softmax(z_t, 2.0), best, softmax(z_t)[None], setting)
    heat = figure["data"][0]
    row, column = np.unravel_index(np.argmin(heat["z"]), np.shape(heat["z"]))
    assert np.hypot(heat["x"][column] - to_plane(best)[0], heat["y"][row] - to_plane(best)[1]) < 0.03


def test_a_race_is_run_once_and_is_the_core_s():
    assert run(5.0, 0.5, 10) is run(5.0, 0.5, 10)
    np.testing.assert_array_equal(run(5.0, 0.5, 10)["jsd"].students, descents(5.0, 0.5, 10)["jsd"].students)


def test_the_race_gives_no_verdict_where_all_four_start_alike_or_the_humps_have_merged():
    names = ("forward_kl", "reverse_kl", "jsd", "squared_error")
    start = dict.fromkeys(names, fit(5.0, START))
    told = race_words(start, 0.5, 0, False)
    assert "start alike" in told
    assert "As a language model" not in told
    assert "merged into one" in race_words(start, 0.5, 80, True)
    assert "seek one hump" in race_words(start, 0.5, 2, False)


def test_humps_up_to_two_widths_apart_are_one():
    assert all(humps_merged(distance) for distance in (1.0, 2 * HUMP_WIDTH))
    assert not any(humps_merged(distance) for distance in (2.5, 5.0, 7.0))


def test_the_continuous_curve_reaches_both_kls_and_its_words_name_the_student():
    student = descents(7.0, 0.99, 10)["jsd"].students[-1]
    dashed = beta_ends(7.0, student, 0.99)["data"][0]
    kls = [
        mixture.value(divergence, log_teacher(7.0), student)
        for divergence in (forward_kl_integrand, reverse_kl_integrand)
    ]
    assert (dashed["x"][0], dashed["x"][-1]) == (0, 1)
    np.testing.assert_allclose([dashed["y"][0], dashed["y"][-1]], kls, atol=1e-6)
    assert "JSD(0.99), as it stands at step 10" in ends_words(7.0, student, 0.99, 10)


def test_a_small_jump_is_told_in_digits_that_count():
    told = ends_words(1.0, descents(1.0, 0.5, 80)["jsd"].students[-1], 0.5, 80)
    assert all(float(number) > 0 for number in re.findall(r"(?:jumps from|to|1 from) (0\.\d+)", told))


@pytest.fixture
def loss_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "kdlab" / "main.py"), default_timeout=30).run()
    return app.switch_page("../pages/loss.py")


def _formula(app: AppTest) -> str:
    shown = next(str(node.proto.body) for node in app.get("html") if "kd-formula" in str(node.proto))
    return re.search(r"aria-label='([^']*)'", shown)[1]


@pytest.mark.parametrize("data", ["digits", "fashion", "languages", "glosses", "own"])
def test_the_page_opens_for_all_data(loss_page, data):
    loss_page.query_params["data"] = data
    loss_page.run()
    assert not loss_page.exception
    assert "nats" in _formula(loss_page)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("zs", "nan_________"),
        ("zs", "1_2"),
        ("zt", "text"),
        ("zt", "9" * 5000),
        ("start", "asleep"),
        ("kd_weight", "2"),
        ("square", "x"),
    ],
)
def test_a_link_that_does_not_fit_gives_the_default(loss_page, key, value):
    loss_page.run()
    usual = _formula(loss_page)
    fresh = AppTest.from_file(str(ROOT / "kdlab" / "main.py"), default_timeout=30).run()
    fresh = fresh.switch_page("../pages/loss.py")
    fresh.query_params[key] = value
    fresh.run()
    assert not fresh.exception
    assert _formula(fresh) == usual
    assert key not in fresh.query_params


def test_a_link_that_fits_moves_the_loss_and_is_kept(loss_page):
    wanted = {"zs": "3.5__-2_______", "kd_weight": "0.8", "temperature": "2.5", "start": "copy", "square": "0"}
    for key, value in wanted.items():
        loss_page.query_params[key] = value
    loss_page.run()
    assert not loss_page.exception
    assert {key: loss_page.query_params[key] for key in wanted} == wanted
    example = example_of(subject_of("fashion", hesitant("fashion")))
    student = example.student("copy")
    student[[0, 2]] = 3.5, -2
    now = loss_and_gradients(student, example.teacher, example.label, 2.5, 0.8, False)
    assert f"Loss {now.total:.2f} nats" in _formula(loss_page)


@pytest.mark.parametrize("teacher", ["digits", "fashion", "languages", "glosses"])
def test_the_pull_is_said_to_change_as_much_as_it_does_between_the_temperatures_that_are_named(teacher):
    said = swing_words(mean_norms(teacher, tuple(TEMPERATURES.tolist())))
    low, high = (float(t) for t in re.search(r"From T = (\S+) to (\S+) the", said).groups())
    assert low == 1
    exact = mean_norms(teacher, tuple(np.geomspace(low, high, 400).tolist()))
    with_t_squared, without = (float(n.replace(",", "")) for n in re.findall(r"([\d.,]+)-fold", said))
    assert with_t_squared == pytest.approx(exact.with_t_squared.max() / exact.with_t_squared.min(), abs=0.051)
    assert without == pytest.approx(exact.without.max() / exact.without.min(), rel=1e-3, abs=0.6)


def test_a_silent_term_is_told_the_reason_that_holds():
    faint = loss_and_gradients(STUDENT, TEACHER, 0, 20.0, 1e-3, False)
    assert faint.lengths[1] < 1e-4
    assert "next to nothing" in pull(faint)
    assert "its weight is 0" in pull(loss_and_gradients(STUDENT, TEACHER, 0, 20.0, 0.0, False))
    assert "says what the teacher says" in pull(loss_and_gradients(TEACHER, TEACHER, 0, 20.0, 0.5, False))
    assert "sure of the label" in pull(
        loss_and_gradients(np.array([30.0, 0, 0, 0]), TEACHER, 0, 4.0, 0.5, True)
    )


def test_a_large_ratio_is_a_number_that_one_can_read():
    now = loss_and_gradients(np.array([7.0, 0, 0, 0]), TEACHER, 0, 20.0, 0.95, True)
    hard, soft = now.lengths
    assert soft / hard > 1000
    assert f"**{soft / hard:,.0f} times**" in pull(now)


EXTREME = np.array([1e4, -1e4, 0.0])


@pytest.mark.parametrize("student", [EXTREME, -EXTREME, 0 * EXTREME], ids=["alike", "opposite", "nothing"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
@pytest.mark.parametrize("kd_weight", [0.0, 0.5, 1.0])
def test_every_figure_of_the_page_can_be_sent_however_extreme_the_logits(student, temperature, kd_weight):
    setting = (temperature, kd_weight, True)
    now = loss_and_gradients(student, EXTREME, 2, *setting)
    gradients = (now.supervised_gradient, now.distillation_gradient)
    on, off = (soft_norms(student, EXTREME, TEMPERATURES, square) for square in (True, False))
    best, path = (
        optimum(EXTREME, 2, *setting),
        softmax(gradient_descent(student, EXTREME, 2, *setting, steps=5)),
    )
    figures = [
        pushes("ABC", *gradients, 44),
        why_t_squared(
            TEMPERATURES, on, off, limit_norm(student, EXTREME), 0.0, temperature, (0.0, 0.0), True
        ),
        triangle("ABC", 2, EXTREME, softmax(EXTREME, temperature), best, path, setting),
    ]
    for convention in CONVENTIONS.values():
        defaults = {parameter.name: parameter.default for parameter in convention.parameters}
        terms = convention.loss(student, EXTREME, 2, defaults)
        figures.append(loss_bars([("its", terms)], "third"))
    for figure in figures:
        json.dumps(styled(figure), allow_nan=False)


@pytest.mark.parametrize("distance", [1.0, 5.0, 7.0])
@pytest.mark.parametrize("beta", [0.01, 0.5, 0.99])
def test_every_figure_of_the_race_can_be_sent_at_every_step(distance, beta):
    runners = run(distance, beta, 80)
    for step in (0, 40, 80):
        students = {name: runner.students[step] for name, runner in runners.items()}
        json.dumps(styled(race_panels(distance, students, dict.fromkeys(students, ""))), allow_nan=False)
        json.dumps(styled(beta_ends(distance, students["jsd"], beta)), allow_nan=False)


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"[+−]?\d+(?:\.\d+)?", text))


def test_every_figure_is_told_in_its_numbers_to_those_who_do_not_see_it():
    now = loss_and_gradients(STUDENT, TEACHER, 1, 4.0, 0.5, True)
    said = pushes_alt("ABCD", now)
    for name, hard, soft in zip("ABCD", now.supervised_gradient, now.distillation_gradient, strict=True):
        assert f"{name} {-hard:+.2f} and {-soft:+.2f}".replace("-", "−") in said
    said = norms_alt("for this example", 4.0, (1.6, 0.1), 1.84, 0.95)
    assert {"4", "1.60", "0.10", "1.84", "0.95"} <= _numbers(said)
    best, path = np.array([0.7, 0.2, 0.1]), np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    said = triangle_alt(["Shirt", "Coat", "Bag"], 0, np.array([0.4, 0.35, 0.25]), best, path)
    assert "hard label is Shirt" in said
    for shares in (
        "40 %, 35 %, 25 %",
        "70 %, 20 %, 10 %",
        "from 20 %, 30 %, 50 % to 60 %, 30 %, 10 % in 1 step",
    ):
        assert shares in said
    student = run(5.0, 0.5, 80)["jsd"].students[-1]
    said = ends_alt(5.0, student, 0.5)
    ends = [mixture.value(d, log_teacher(5.0), student) for d in (forward_kl_integrand, reverse_kl_integrand)]
    assert f"{ends[0]:.2g} forward at 0, {ends[1]:.2g} reverse at 1" in said


def test_a_run_s_silent_term_has_no_angle_and_no_cosine_in_its_words():
    arm = three_arms().arms[2]
    values = {name: np.full((1, 1), 0.5) for name in metrics_of("classification")}
    values["gradient_distillation"][:, 0] = 0
    values["gradient_cosine"][:, 0] = np.nan
    at = np.zeros(1)
    said = budget_words(Curves((arm.key,), 2, at, at, at, values, values, ()), arm)
    assert "silent" in said
    assert "cosine" not in said
    values["gradient_distillation"][:, 0] = values["gradient_cosine"][:, 0] = 0.5
    assert "cosine 0.50" in budget_words(Curves((arm.key,), 2, at, at, at, values, values, ()), arm)
