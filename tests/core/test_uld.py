"""ULD by its identities, scipy's Wasserstein distance of the sorted shapes, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kdlab.core.divergences import forward_kl
from kdlab.core.probability import softmax
from kdlab.core.uld import uld, uld_logit_gradient


@st.composite
def pairs(draw):
    """Two distributions over unlike vocabularies, (V_t,) and (V_s,), and the second's logits."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    z = rng.normal(0, 2, draw(st.integers(2, 9)))
    return softmax(rng.normal(0, 2, draw(st.integers(2, 9)))), softmax(z), z


@given(pairs())
def test_uld_is_symmetric_from_0_to_2_and_blind_to_order(both):
    p, q, _ = both
    value = uld(p, q)
    assert 0 <= value < 2
    assert uld(q, p) == pytest.approx(value)
    rng = np.random.default_rng(0)
    assert uld(rng.permutation(p), rng.permutation(q)) == pytest.approx(value)


def test_a_permuted_teacher_gives_0_while_the_kl_is_large():
    p = softmax(np.linspace(6, -6, 20))
    assert uld(p, p[::-1]) == 0
    assert forward_kl(p, p[::-1]) > 5


def test_the_shorter_vocabulary_is_filled_up_with_zeros():
    assert uld([0.6, 0.4], [0.5, 0.3, 0.2]) == pytest.approx(0.1 + 0.1 + 0.2)
    assert uld([0.2, 0.5, 0.3], [0.4, 0.6]) == pytest.approx(0.4)


@given(pairs())
def test_uld_is_what_torch_sorts_and_subtracts_and_its_gradient_is_torch_s(both):
    """As the papers' code has it: sort, pad, L1."""
    p, _, z = both
    size = max(len(p), len(z))
    leaf = torch.tensor(z, requires_grad=True)
    sorted_q = torch.nn.functional.pad(torch.softmax(leaf, -1).sort(descending=True).values, (0, size - len(z)))
    sorted_p = torch.nn.functional.pad(torch.tensor(p).sort(descending=True).values, (0, size - len(p)))
    loss = (sorted_p - sorted_q).abs().sum()
    loss.backward()
    assert uld(p, softmax(z)) == pytest.approx(float(loss.detach()))
    np.testing.assert_allclose(uld_logit_gradient(p, z), leaf.grad.numpy(), atol=1e-12)


@given(pairs())
def test_the_gradient_is_its_finite_differences_away_from_the_kinks(both):
    p, q, z = both
    gaps = np.concatenate([np.diff(np.sort(q)), np.abs(np.subtract.outer(np.append(p, 0.0), q)).ravel()])
    if gaps.min() < 1e-4:
        return
    steps = 1e-6 * np.eye(len(z))
    by_differences = [(uld(p, softmax(z + s)) - uld(p, softmax(z - s))) / 2e-6 for s in steps]
    np.testing.assert_allclose(uld_logit_gradient(p, z), by_differences, atol=1e-6)


def test_a_student_of_the_teacher_s_shape_is_not_pushed_at_all():
    z = np.array([2.0, 0.5, -1.0])
    np.testing.assert_allclose(uld_logit_gradient(softmax(z)[::-1], z), 0, atol=1e-12)


def test_rows_are_compared_one_by_one():
    rng = np.random.default_rng(1)
    p, z = softmax(rng.normal(size=(4, 7))), rng.normal(size=(4, 5))
    np.testing.assert_allclose(uld(p, softmax(z)), [uld(p[i], softmax(z[i])) for i in range(4)])
    np.testing.assert_allclose(uld_logit_gradient(p, z), [uld_logit_gradient(p[i], z[i]) for i in range(4)])
    np.testing.assert_allclose(uld_logit_gradient(p, z[0]), [uld_logit_gradient(row, z[0]) for row in p])


@pytest.mark.parametrize("p", [[0.5, 0.4], [1.2, -0.2], []])
def test_what_is_no_distribution_is_refused(p):
    with pytest.raises(ValueError, match=r"p (sums|holds|is empty)"):
        uld(p, [0.5, 0.5])
