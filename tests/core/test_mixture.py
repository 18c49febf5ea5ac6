"""One hump fitted to two: what each divergence finds, against closed forms and finite differences."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from kdlab.core import divergences, mixture

DIVERGENCES = {
    "forward_kl": mixture.forward_kl_integrand,
    "reverse_kl": mixture.reverse_kl_integrand,
    "jsd": partial(mixture.jsd_integrand, beta=0.3),
    "squared_error": mixture.squared_error_integrand,
}


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("student", [(1.5, 0.0), (-2.0, 0.7), (0.3, -0.5)])
def test_gradients_are_those_of_finite_differences(name, student):
    divergence, log_p, h = DIVERGENCES[name], mixture.log_teacher(4.0), 1e-5
    student = np.array(student)
    numeric = [
        (
            mixture.value(divergence, log_p, student + h * e)
            - mixture.value(divergence, log_p, student - h * e)
        )
        / (2 * h)
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(mixture.gradient(divergence, log_p, student), numeric, atol=1e-6)


def test_divergences_are_those_of_distributions_over_the_line_s_cells():
    log_p, student = mixture.log_teacher(3.0), np.array([0.5, 0.3])
    p, q = np.exp(log_p) * mixture.DX, np.exp(mixture.log_normal(*student)) * mixture.DX
    assert mixture.value(mixture.forward_kl_integrand, log_p, student) == pytest.approx(
        divergences.forward_kl(p, q)
    )
    assert mixture.value(mixture.reverse_kl_integrand, log_p, student) == pytest.approx(
        divergences.reverse_kl(p, q)
    )
    for beta in (0.1, 0.5, 0.9):
        found = mixture.value(partial(mixture.jsd_integrand, beta=beta), log_p, student)
        assert found == pytest.approx(divergences.generalized_jsd(p, q, beta))


def test_the_teacher_is_a_density():
    for distance in (0.0, 3.0, 7.0):
        assert np.exp(mixture.log_teacher(distance)).sum() * mixture.DX == pytest.approx(1)


@pytest.mark.parametrize("distance", [1.0, 3.0, 5.0])
def test_forward_kl_ends_at_the_teacher_s_mean_and_width(distance):
    path, _ = mixture.normalised_descent(mixture.forward_kl_integrand, mixture.log_teacher(distance), 300)
    a = mixture.LEFT_SHARE
    mean = distance / 2 * (1 - 2 * a)
    variance = mixture.HUMP_WIDTH**2 + a * (1 - a) * distance**2
    np.testing.assert_allclose(path[-1], [mean, np.log(variance) / 2], atol=2e-3)


def test_far_from_the_other_hump_reverse_kl_ends_on_one_hump():
    path, values = mixture.normalised_descent(mixture.reverse_kl_integrand, mixture.log_teacher(7.0), 300)
    np.testing.assert_allclose(path[-1], [3.5, np.log(mixture.HUMP_WIDTH)], atol=1e-2)
    assert values[-1] == pytest.approx(-np.log(1 - mixture.LEFT_SHARE), abs=1e-3)


@pytest.mark.parametrize("distance", [1.0, 5.0])
def test_no_runner_ever_loses_ground(distance):
    for one in mixture.descents(distance, 0.5, 60).values():
        assert (np.diff(one.values) <= 0).all()
        assert one.values[-1] < one.values[0]


def test_far_humps_are_covered_by_forward_kl_and_not_by_reverse_kl_and_beta_moves_between():
    ends = {beta: mixture.descents(5.0, beta, 80) for beta in (0.05, 0.95)}
    fits = {name: mixture.fit(5.0, one.students[-1]) for name, one in ends[0.05].items()}
    assert fits["forward_kl"].covers
    assert not fits["reverse_kl"].covers
    assert fits["forward_kl"].astray > 5 * fits["reverse_kl"].astray
    assert fits["reverse_kl"].unsaid > 5 * fits["forward_kl"].unsaid
    assert mixture.fit(5.0, ends[0.05]["jsd"].students[-1]).covers
    assert not mixture.fit(5.0, ends[0.95]["jsd"].students[-1]).covers


def test_a_student_that_is_the_teacher_goes_astray_in_a_twentieth():
    found = mixture.fit(0.0, np.array([0.0, np.log(mixture.HUMP_WIDTH)]))
    assert found.left == pytest.approx(0.5)
    assert found.astray == pytest.approx(0.05, abs=0.02)
    assert found.unsaid == pytest.approx(0.05, abs=0.02)


def test_the_jsd_goes_to_zero_at_both_ends_of_beta_and_to_the_kls_when_divided():
    student, log_p = np.array([1.0, 0.2]), mixture.log_teacher(3.0)
    betas = np.array([1e-6, 1 - 1e-6])
    jsd = mixture.beta_curve(3.0, student, betas)
    assert (jsd < 1e-5).all()
    expected = [
        mixture.value(d, log_p, student) for d in (mixture.forward_kl_integrand, mixture.reverse_kl_integrand)
    ]
    np.testing.assert_allclose(jsd / (betas * (1 - betas)), expected, rtol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 1.0, -0.5, float("nan")])
def test_a_race_without_a_divergence_is_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        mixture.descents(3.0, beta, 1)


def test_humps_off_the_line_are_refused():
    with pytest.raises(ValueError, match="distance"):
        mixture.log_teacher(40.0)
