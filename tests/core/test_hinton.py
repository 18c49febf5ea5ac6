"""The distillation loss and its gradient: identities, finite differences, torch, golden values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from kdlab.core import (
    cross_entropy,
    entropy,
    forward_kl,
    forward_kl_from_logits,
    hinton_loss,
    log_softmax,
    logit_gradients,
    softmax,
)


@st.composite
def examples(draw, spread=10.0):
    n, k = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    scores = hnp.arrays(np.float64, (n, k), elements=st.floats(-spread, spread))
    labels = hnp.arrays(np.int64, (n,), elements=st.integers(0, k - 1))
    return draw(scores), draw(scores), draw(labels)


temperatures = st.floats(0.5, 20)
weights = st.floats(0, 1)


@given(examples(), temperatures, weights, st.booleans())
def test_loss_and_gradient_agree_with_torch(example, temperature, kd_weight, t_squared):
    z_s, z_t, y = example
    student = torch.tensor(z_s, requires_grad=True)
    ce = torch.nn.functional.cross_entropy(student, torch.tensor(y), reduction="mean")
    kl = torch.nn.functional.kl_div(
        torch.log_softmax(student / temperature, -1),
        torch.log_softmax(torch.tensor(z_t) / temperature, -1),
        log_target=True,
        reduction="batchmean",
    )
    loss = (1 - kd_weight) * ce + kd_weight * (temperature**2 if t_squared else 1) * kl
    loss.backward()
    ours = hinton_loss(z_s, z_t, y, temperature, kd_weight, t_squared)
    gradients = logit_gradients(z_s, z_t, y, temperature, kd_weight, t_squared)
    assert ours.total.mean() == pytest.approx(loss.item(), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(gradients.total / len(y), student.grad.numpy(), rtol=1e-7, atol=1e-10)


@given(examples(spread=4), temperatures, weights)
def test_gradient_of_each_term_is_its_finite_difference(example, temperature, kd_weight):
    z_s, z_t, y = example
    gradients = logit_gradients(z_s, z_t, y, temperature, kd_weight)
    step = 1e-5
    for k in range(z_s.shape[1]):
        nudge = step * np.eye(z_s.shape[1])[k]
        up = hinton_loss(z_s + nudge, z_t, y, temperature, kd_weight)
        down = hinton_loss(z_s - nudge, z_t, y, temperature, kd_weight)
        for term in ("supervised", "distillation", "total"):
            slope = (getattr(up, term) - getattr(down, term)) / (2 * step)
            np.testing.assert_allclose(getattr(gradients, term)[:, k], slope, rtol=1e-4, atol=1e-6)


@given(examples(), temperatures, weights)
def test_terms_add_up_and_are_never_negative(example, temperature, kd_weight):
    loss = hinton_loss(*example, temperature, kd_weight)
    assert (loss.supervised >= 0).all()
    assert (loss.distillation >= 0).all()
    np.testing.assert_allclose(loss.total, loss.supervised + loss.distillation)


@given(examples(), temperatures, weights)
def test_gradients_sum_to_zero_over_the_classes(example, temperature, kd_weight):
    gradients = logit_gradients(*example, temperature, kd_weight)
    for term in (gradients.supervised, gradients.distillation, gradients.total):
        np.testing.assert_allclose(term.sum(axis=-1), 0, atol=1e-9)


@given(examples(), temperatures)
def test_distillation_is_zero_on_equal_logits_in_loss_and_gradient(example, temperature):
    z, _, y = example
    assert (hinton_loss(z, z, y, temperature, 1.0).total == 0).all()
    assert (logit_gradients(z, z, y, temperature, 1.0).total == 0).all()


@given(examples(), temperatures)
def test_kd_weight_zero_is_cross_entropy_alone(example, temperature):
    z_s, z_t, y = example
    loss = hinton_loss(z_s, z_t, y, temperature, 0.0)
    np.testing.assert_allclose(loss.total, [-log_softmax(z)[k] for z, k in zip(z_s, y, strict=True)])


@given(examples(spread=3), temperatures)
def test_cross_entropy_form_differs_by_the_teachers_entropy_and_has_the_same_gradient(example, temperature):
    z_s, z_t, y = example
    p = softmax(z_t, temperature)
    cross_entropy = lambda z: -(p * log_softmax(z, temperature)).sum(axis=-1)
    kl = hinton_loss(z_s, z_t, y, temperature, 1.0, t_squared=False).total
    np.testing.assert_allclose(cross_entropy(z_s), kl + entropy(p, base=np.e), rtol=1e-9, atol=1e-9)
    step = 1e-5
    ours = logit_gradients(z_s, z_t, y, temperature, 1.0, t_squared=False).total
    for k in range(z_s.shape[1]):
        nudge = step * np.eye(z_s.shape[1])[k]
        slope = (cross_entropy(z_s + nudge) - cross_entropy(z_s - nudge)) / (2 * step)
        np.testing.assert_allclose(ours[:, k], slope, rtol=1e-4, atol=1e-6)


@given(examples(spread=5))
def test_soft_gradient_tends_to_the_logit_gap_at_high_temperature(example):
    z_s, z_t, y = (part - part.mean(axis=-1, keepdims=True) if part.ndim == 2 else part for part in example)
    temperature, classes = 1e4, z_s.shape[1]
    plain = logit_gradients(z_s, z_t, y, temperature, 1.0, t_squared=False).distillation
    scaled = logit_gradients(z_s, z_t, y, temperature, 1.0).distillation
    limit = (z_s - z_t) / classes
    np.testing.assert_allclose(plain * temperature**2, limit, atol=1e-2)
    np.testing.assert_allclose(scaled, limit, atol=1e-2)


@given(examples(spread=1e4), st.floats(0.05, 1000), weights)
def test_loss_and_gradient_stay_finite_at_the_extremes(example, temperature, kd_weight):
    loss = hinton_loss(*example, temperature, kd_weight)
    gradients = logit_gradients(*example, temperature, kd_weight)
    assert np.isfinite(loss.total).all()
    assert np.isfinite(gradients.total).all()


def test_scaled_gradient_norm_keeps_its_size_as_the_temperature_moves():
    teacher, student = np.log([0.7, 0.2, 0.1]), np.log([0.5, 0.3, 0.2])
    norms = [np.linalg.norm(logit_gradients(student, teacher, 0, t, 1.0).total) for t in (1, 2, 4, 20)]
    plain = [np.linalg.norm(logit_gradients(student, teacher, 0, t, 1.0, False).total) for t in (1, 20)]
    assert max(norms) / min(norms) < 2
    assert plain[0] / plain[1] > 100


@given(examples())
def test_cross_entropy_is_the_logarithm_of_the_sum_of_exponentials_less_the_label_s_logit(example):
    z, _, y = example
    expected = special.logsumexp(z, axis=-1) - [row[k] for row, k in zip(z, y, strict=True)]
    np.testing.assert_allclose(cross_entropy(z, y), expected, rtol=1e-9, atol=1e-9)
    assert (cross_entropy(z, y) >= 0).all()


@given(examples(spread=5), temperatures)
def test_kl_from_logits_is_the_kl_of_the_softened_answers_either_way_round(example, temperature):
    z_s, z_t, _ = example
    p, q = softmax(z_t, temperature), softmax(z_s, temperature)
    for teacher, student, expected in ((z_t, z_s, forward_kl(p, q)), (z_s, z_t, forward_kl(q, p))):
        ours = forward_kl_from_logits(teacher, student, temperature)
        np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-10)


def test_kl_from_logits_is_exact_where_the_student_s_probability_underflows():
    # p is certain of class 0, which q gives e^{-2000}: the KL is 2000 nats, not infinity.
    assert forward_kl_from_logits([1000.0, 0.0], [0.0, 2000.0]) == pytest.approx(2000)
    assert forward_kl(softmax([1000.0, 0.0]), softmax([0.0, 2000.0])) == np.inf


@given(examples(), temperatures, weights, st.booleans())
def test_the_loss_is_its_two_terms_weighed(example, temperature, kd_weight, t_squared):
    z_s, z_t, y = example
    loss = hinton_loss(z_s, z_t, y, temperature, kd_weight, t_squared)
    kl = (temperature**2 if t_squared else 1.0) * forward_kl_from_logits(z_t, z_s, temperature)
    np.testing.assert_allclose(loss.supervised, (1 - kd_weight) * cross_entropy(z_s, y), rtol=1e-12)
    np.testing.assert_allclose(loss.distillation, kd_weight * kl, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cross_entropy([np.nan, 0.0], 0), "logits holds NaN"),
        (lambda: cross_entropy([1.0, 0.0], 2), "label holds 2"),
        (lambda: cross_entropy([1.0, 0.0], [0, 1]), "one label for each"),
        (lambda: forward_kl_from_logits([1.0, 0.0], [1.0, 0.0, 2.0]), "over the same classes"),
        (lambda: forward_kl_from_logits([1.0, 0.0], [np.inf, 0.0]), "student_logits holds infinity"),
        (lambda: forward_kl_from_logits([1.0, 0.0], [1.0, 0.0], 0), "temperature is 0"),
    ],
)
def test_a_bare_term_refuses_bad_input_by_name_and_reason(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_one_label_serves_one_example_without_a_batch():
    single = hinton_loss([1.0, 0.0, -1.0], [2.0, 1.0, 0.0], 2, 3.0, 0.4)
    batch = hinton_loss([[1.0, 0.0, -1.0]], [[2.0, 1.0, 0.0]], [2], 3.0, 0.4)
    assert single.total == pytest.approx(batch.total[0])


@pytest.mark.parametrize("function", [hinton_loss, logit_gradients])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"student_logits": [np.nan, 0.0]}, "student_logits holds NaN"),
        ({"teacher_logits": [np.inf, 0.0]}, "teacher_logits holds infinity"),
        ({"teacher_logits": [1.0, 2.0, 3.0]}, "must score the same examples over the same classes"),
        ({"label": 2}, "label holds 2; it must be a class number from 0 to 1"),
        ({"label": 0.5}, "label holds 0.5"),
        ({"label": [0, 1]}, "one label for each"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": [1.0, 2.0]}, "temperature must be one number"),
        ({"kd_weight": -0.1}, "kd_weight must be one number from 0 to 1"),
    ],
)
def test_bad_input_is_refused_by_name_and_reason(function, change, says):
    arguments = {
        "student_logits": [1.0, 2.0],
        "teacher_logits": [2.0, 1.0],
        "label": 0,
        "temperature": 2.0,
        "kd_weight": 0.5,
    }
    with pytest.raises(ValueError, match=says):
        function(**(arguments | change))
