"""The loss over the triangle: where its optimum lies, and that going down never goes up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from kdlab.core.hinton import hinton_loss, logit_gradients
from kdlab.core.probability import softmax
from kdlab.core.simplex import CORNERS, HEIGHT, from_plane, gradient_descent, loss_at, optimum, to_plane

logits = st.lists(st.floats(-12, 12), min_size=3, max_size=3).map(np.array)
settings = st.tuples(st.integers(0, 2), st.floats(0.5, 20), st.floats(0.02, 1), st.booleans())


def test_the_plane_and_the_shares_are_one_another_s_inverse():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    np.testing.assert_allclose(from_plane(to_plane(p)), p, atol=1e-12)


def test_corners_are_certain_and_the_middle_is_even():
    np.testing.assert_allclose(from_plane(CORNERS), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(from_plane([0.5, HEIGHT / 3]), np.full(3, 1 / 3), atol=1e-12)


@given(logits, settings)
def test_the_loss_has_no_slope_at_the_optimum(z_t, setting):
    best = optimum(z_t, *setting)
    assert best.sum() == pytest.approx(1)
    assert np.abs(logit_gradients(np.log(best), z_t, *setting).total).max() < 1e-8


@given(logits, settings)
def test_without_the_label_the_optimum_is_the_teacher_at_one_whatever_the_temperature(z_t, setting):
    label, temperature, _, t_squared = setting
    np.testing.assert_allclose(optimum(z_t, label, temperature, 1.0, t_squared), softmax(z_t), atol=1e-7)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_without_the_teacher_the_optimum_is_the_label_and_small_weights_lead_there(label):
    z_t = np.array([1.0, 0.5, -1.0])
    assert optimum(z_t, label, 4.0, 0.0).tolist() == np.eye(3)[label].tolist()
    shares = [optimum(z_t, label, 4.0, w)[label] for w in (1.0, 0.5, 0.1, 0.01, 1e-4)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99


@pytest.mark.parametrize(
    ("temperature", "kd_weight", "t_squared"), [(1, 0.5, True), (4, 0.3, True), (4, 0.7, False)]
)
def test_the_optimum_is_where_a_general_minimiser_ends(temperature, kd_weight, t_squared):
    z_t, label = np.array([2.0, 1.5, -0.5]), 1

    def loss(free: np.ndarray) -> float:
        z_s = np.append(free, 0.0)
        return float(hinton_loss(z_s, z_t, label, temperature, kd_weight, t_squared).total)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
    best = optimum(z_t, label, temperature, kd_weight, t_squared)
    np.testing.assert_allclose(best, softmax(np.append(found.x, 0.0)), atol=1e-5)


@given(logits, logits, st.integers(0, 2), st.floats(0.5, 20), st.floats(0, 1), st.booleans())
def test_descent_with_rate_one_never_rises(z_s, z_t, label, temperature, kd_weight, t_squared):
    setting = (label, temperature, kd_weight, t_squared)
    path = gradient_descent(z_s, z_t, *setting, steps=20)
    losses = hinton_loss(path, np.broadcast_to(z_t, path.shape), *setting).total
    assert (np.diff(losses) <= 1e-10 * (1 + losses[:-1])).all()


def test_descent_ends_at_the_optimum():
    setting = (0, 2.0, 0.6)
    z_t = np.array([1.0, 0.4, -1.2])
    path = gradient_descent(np.zeros(3), z_t, *setting, steps=400)
    np.testing.assert_allclose(softmax(path[-1]), optimum(z_t, *setting), atol=1e-6)


def test_the_surface_is_hinton_s_loss_of_the_logarithms():
    q, z_t = np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]]), np.array([1.0, 0.0, -2.0])
    expected = [hinton_loss(np.log(row), z_t, 2, 3.0, 0.4).total for row in q]
    np.testing.assert_allclose(loss_at(q, z_t, 2, 3.0, 0.4), expected)


def test_a_share_of_nothing_has_no_loss_to_show():
    with pytest.raises(ValueError, match="infinity"):
        loss_at([0.0, 0.5, 0.5], [0.0, 0.0, 0.0], 0, 1.0, 0.5)
