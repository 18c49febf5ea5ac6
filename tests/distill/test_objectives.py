"""Objectives against plain float64 autograd, torch's and TRL's own losses, and the identities that bind them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div
from torch.utils._python_dispatch import TorchDispatchMode

from kdlab.core.divergences import forward_kl as numpy_forward_kl
from kdlab.distill import rowwise
from kdlab.distill.objectives import (
    dkd_loss,
    forward_kl_loss,
    generalized_jsd_loss,
    label_smoothing_loss,
    logit_mse_loss,
    reverse_kl_loss,
    soft_cross_entropy_loss,
    top_k_kl_loss,
)

# ---------------------------------------------------------------- the same losses, written plainly


def _log(z: Tensor, t: float) -> Tensor:
    return torch.log_softmax(z / t, -1)


def _plain_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _plain_jsd(z_s: Tensor, z_t: Tensor, beta: float, t: float) -> Tensor:
    log_p, log_q = _log(z_t, t), _log(z_s, t)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    return beta * _plain_kl(log_p, log_m) + (1 - beta) * _plain_kl(log_q, log_m)


def _plain_dkd(z_s: Tensor, z_t: Tensor, y: Tensor, a: float, b: float, t: float) -> Tensor:
    p, q = _log(z_t, t).exp(), _log(z_s, t).exp()
    on = torch.nn.functional.one_hot(y, p.shape[-1]).bool()
    p_y, q_y = p[on].reshape(y.shape), q[on].reshape(y.shape)
    p_rest, q_rest = p.masked_fill(on, 0).sum(-1), q.masked_fill(on, 0).sum(-1)
    target = p_y * (p_y / q_y).log() + p_rest * (p_rest / q_rest).log()
    p_hat, q_hat = p / p_rest[..., None], q / q_rest[..., None]
    others = (p_hat * (p_hat / q_hat).log()).masked_fill(on, 0).sum(-1)
    return a * target + b * others


def _plain_top_k(z_s: Tensor, p: Tensor, ids: Tensor, t: float) -> Tensor:
    rest = z_s.shape[-1] - p.shape[-1]
    q = torch.softmax(z_s, -1).gather(-1, ids)

    def soft(shown: Tensor) -> Tensor:
        tail = 1 - shown.sum(-1, keepdim=True)
        both = torch.cat([shown ** (1 / t), rest * (tail / rest) ** (1 / t)], -1)
        return both / both.sum(-1, keepdim=True)

    return (soft(p) * (soft(p) / soft(q)).log()).sum(-1)


def _top(z_t: Tensor, k: int) -> tuple[Tensor, Tensor]:
    wide = torch.promote_types(z_t.dtype, torch.float32)
    return torch.softmax(z_t, -1, dtype=wide).topk(k)


# name: (ours, the plain losses of the items without T²)
CASES = {
    "forward_kl": (forward_kl_loss, lambda s, t, y, T: _plain_kl(_log(t, T), _log(s, T))),
    "reverse_kl": (reverse_kl_loss, lambda s, t, y, T: _plain_kl(_log(s, T), _log(t, T))),
    "jsd_0.2": (
        lambda s, t, *rest: generalized_jsd_loss(s, t, 0.2, *rest),
        lambda s, t, y, T: _plain_jsd(s, t, 0.2, T),
    ),
    "jsd_0.9_continuous": (
        lambda s, t, *rest: generalized_jsd_loss(s, t, 0.9, *rest, continuous=True),
        lambda s, t, y, T: _plain_jsd(s, t, 0.9, T) / 0.09,
    ),
    "soft_cross_entropy": (
        soft_cross_entropy_loss,
        lambda s, t, y, T: -(_log(t, T).exp() * _log(s, T)).sum(-1),
    ),
    "logit_mse": (logit_mse_loss, lambda s, t, y, T: ((s - t) / T).square().mean(-1)),
}


def _ours(name: str, z_s: Tensor, z_t: Tensor, y: Tensor, *rest) -> Tensor:
    """Any objective by name, with the same arguments; rest = temperature, mask, t_squared."""
    if name == "dkd":
        return dkd_loss(z_s, z_t, y, 1.5, 4.0, *rest)
    if name == "top_k_kl":
        return top_k_kl_loss(z_s, *_top(z_t, 2), *rest)
    if name == "label_smoothing":
        return label_smoothing_loss(z_s, y, 0.2, *rest[:2])
    return CASES[name][0](z_s, z_t, *rest)


def _plain(name: str, z_s: Tensor, z_t: Tensor, y: Tensor, temperature: float) -> Tensor:
    if name == "dkd":
        return _plain_dkd(z_s, z_t, y, 1.5, 4.0, temperature)
    if name == "top_k_kl":
        return _plain_top_k(z_s, *_top(z_t, 2), temperature)
    if name == "label_smoothing":
        log_q = _log(z_s, temperature)
        return -0.8 * log_q.gather(-1, y[..., None])[..., 0] - 0.2 * log_q.mean(-1)
    return CASES[name][1](z_s, z_t, y, temperature)


ALL = [*CASES, "dkd", "top_k_kl", "label_smoothing"]
NO_SCALE = {"label_smoothing"}
ZERO_ON_EQUAL = [name for name in ALL if name not in ("soft_cross_entropy", "label_smoothing")]
every_objective = pytest.mark.parametrize("name", ALL)


@st.composite
def batches(draw, min_classes=3):
    """Student's and teacher's logits (B, K) or (B, L, K) in float64, labels, and a mask."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)))
    classes = draw(st.integers(min_classes, 7))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    spread = draw(st.floats(0.1, 6))
    z_s, z_t = (spread * torch.randn(2, *shape, classes, generator=generator, dtype=torch.float64)).unbind()
    y = torch.randint(0, classes, shape, generator=generator)
    mask = torch.rand(shape, generator=generator) < 0.6
    return z_s, z_t, y, mask


temperatures = st.floats(0.5, 20)


def _value_and_gradient(loss, z_s: Tensor) -> tuple[Tensor, Tensor]:
    z_s = z_s.detach().clone().requires_grad_(True)
    value = loss(z_s)
    value.backward()
    return value.detach(), z_s.grad


def _example(seed: int = 0, shape: tuple[int, ...] = (5, 4)) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z_s, z_t = (3 * torch.randn(2, *shape, generator=generator, dtype=torch.float64)).unbind()
    return z_s, z_t, torch.randint(0, shape[-1], shape[:-1], generator=generator)


# ---------------------------------------------------------------- value and gradient


@every_objective
@settings(max_examples=25)
@given(batch=batches(), temperature=temperatures, t_squared=st.booleans(), masked=st.booleans())
def test_value_and_gradient_are_those_of_plain_autograd(name, batch, temperature, t_squared, masked):
    z_s, z_t, y, mask = batch
    assume(not masked or mask.any())
    scale = temperature**2 if t_squared and name not in NO_SCALE else 1.0

    def plain(z):
        losses = _plain(name, z, z_t, y, temperature)
        return scale * (losses[mask] if masked else losses).mean()

    expected = _value_and_gradient(plain, z_s)
    arguments = (temperature, mask if masked else None, t_squared)
    ours = _value_and_gradient(lambda z: _ours(name, z, z_t, y, *arguments), z_s)
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-9)


@every_objective
@settings(max_examples=25)
@given(batch=batches())
def test_mask_equals_slicing(name, batch):
    z_s, z_t, y, mask = batch
    assume(mask.any())
    value, gradient = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0, mask), z_s)
    sliced, sliced_gradient = _value_and_gradient(
        lambda z: _ours(name, z, z_t[mask], y[mask], 2.0, None), z_s[mask]
    )
    torch.testing.assert_close((value, gradient[mask]), (sliced, sliced_gradient))
    assert (gradient[~mask] == 0).all()


@every_objective
def test_empty_mask_gives_zero_loss_and_zero_gradient(name):
    z_s, z_t, y = _example()
    nothing = torch.zeros(5, dtype=torch.bool)
    value, gradient = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0, nothing), z_s)
    assert value == 0
    assert (gradient == 0).all()


@every_objective
@pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf])
def test_what_a_masked_row_holds_changes_neither_loss_nor_gradient(name, rubbish):
    z_s, z_t, y = _example()
    mask = torch.tensor([True, False, True, True, False])
    clean = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0, mask), z_s)
    z_s[~mask], z_t[~mask] = rubbish, rubbish
    # Padding is often labelled −100, which is no class.
    padded = _value_and_gradient(lambda z: _ours(name, z, z_t, y.masked_fill(~mask, -100), 2.0, mask), z_s)
    torch.testing.assert_close(padded, clean, rtol=0, atol=0)


def _ruled_out(*classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """An example whose teacher gives these classes −∞."""
    z_s, z_t, y = _example(shape=(6, 5))
    z_t[:, list(classes)] = -math.inf
    return z_s / 3, z_t / 3, y


@every_objective
def test_a_class_that_the_teacher_rules_out_leaves_loss_and_gradient_finite(name):
    for classes in ((2,), (0, 3), (1, 2, 3, 4)):
        for dtype in (torch.float64, torch.float32):
            z_s, z_t, y = (
                part.to(dtype) if part.is_floating_point() else part for part in _ruled_out(*classes)
            )
            value, gradient = _value_and_gradient(lambda z, t=z_t, y=y: _ours(name, z, t, y, 2.0), z_s)
            assert math.isfinite(value)
            assert torch.isfinite(gradient).all()


LEFT_OUT_ALIKE = ["forward_kl", "soft_cross_entropy", "dkd", "top_k_kl"]


@pytest.mark.parametrize("name", LEFT_OUT_ALIKE)
def test_a_class_that_neither_side_gives_anything_may_as_well_be_dropped(name):
    z_s, z_t, _ = _ruled_out(2)
    z_s[:, 2] = -1e4  # as good as nothing; the gradient needs finite logits of the student
    kept, y = [0, 1, 3, 4], torch.tensor([0, 1, 3, 4, 0, 1])
    value, gradient = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0), z_s)
    fewer = torch.tensor([0, 1, 2, 3, 0, 1])  # the same labels, counted without class 2
    if name == "top_k_kl":
        # Its tail is spread over the classes that are hidden: with all shown there is none.
        top, all_of = z_t[:, kept].softmax(-1).topk(4), z_t.softmax(-1).topk(5)
        value, gradient = _value_and_gradient(lambda z: top_k_kl_loss(z, *all_of, 2.0), z_s)
        expected = _value_and_gradient(lambda z: top_k_kl_loss(z, *top, 2.0), z_s[:, kept])
    else:
        expected = _value_and_gradient(lambda z: _ours(name, z, z_t[:, kept], fewer, 2.0), z_s[:, kept])
    torch.testing.assert_close((value, gradient[:, kept]), expected)
    assert (gradient[:, 2] == 0).all()


def test_forward_kl_and_cross_entropy_sum_over_the_classes_that_the_teacher_leaves():
    z_s, z_t, _ = _ruled_out(1, 4)
    p, log_q = _log(z_t, 2.0).exp(), _log(z_s, 2.0)
    seen = p > 0
    cross = -(p * log_q).sum(-1).mean()
    entropy = -(p[seen] * p[seen].log()).sum() / len(p)
    torch.testing.assert_close(soft_cross_entropy_loss(z_s, z_t, 2.0, t_squared=False), cross)
    torch.testing.assert_close(forward_kl_loss(z_s, z_t, 2.0, t_squared=False), cross - entropy)


@pytest.mark.parametrize("beta", [0.2, 0.5, 0.9])
def test_jsd_of_a_class_ruled_out_is_that_of_one_nearly_ruled_out(beta):
    z_s, z_t, _ = _ruled_out(2)
    nearly = z_t.nan_to_num(neginf=-90.0)
    exact = _value_and_gradient(lambda z: generalized_jsd_loss(z, z_t, beta), z_s)
    torch.testing.assert_close(
        exact, _value_and_gradient(lambda z: generalized_jsd_loss(z, nearly, beta), z_s)
    )


def test_reverse_kl_grows_without_end_as_the_teacher_rules_a_class_out_and_stays_a_number():
    z_s, z_t, _ = _ruled_out(2)
    at = [reverse_kl_loss(z_s, z_t.nan_to_num(neginf=floor)).item() for floor in (-1e2, -1e3, -1e5)]
    assert at == sorted(at)
    assert reverse_kl_loss(z_s, z_t).item() > at[-1]


def test_logit_mse_leaves_out_a_class_without_a_score():
    z_s, z_t, _ = _ruled_out(2)
    kept = [0, 1, 3, 4]
    value, gradient = _value_and_gradient(lambda z: logit_mse_loss(z, z_t), z_s)
    expected = _value_and_gradient(lambda z: logit_mse_loss(z, z_t[:, kept]), z_s[:, kept])
    torch.testing.assert_close((value, gradient[:, kept]), expected)
    assert (gradient[:, 2] == 0).all()


@every_objective
def test_teacher_gets_no_gradient(name):
    z_s, z_t, y = _example()
    z_s.requires_grad_(True)
    z_t.requires_grad_(True)
    _ours(name, z_s, z_t, y, 2.0).backward()
    assert z_t.grad is None
    assert z_s.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ZERO_ON_EQUAL)
@settings(max_examples=25)
@given(batch=batches(), temperature=temperatures)
def test_equal_logits_give_zero_loss_and_zero_gradient(name, batch, temperature):
    _, z_t, y, _ = batch
    value, gradient = _value_and_gradient(lambda z: _ours(name, z, z_t, y, temperature), z_t)
    assert value == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)


@every_objective
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_stay_finite_and_right(name, dtype):
    z_s, z_t, y = _example(shape=(6, 5))
    z_s, z_t = (1e4 * torch.sign(z_s) * (z_s.abs() > 2)).to(dtype), (1e4 * torch.sign(z_t)).to(dtype)
    value, gradient = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 0.5), z_s)
    exact = _value_and_gradient(lambda z: _ours(name, z, z_t.double(), y, 0.5), z_s.double())
    assert math.isfinite(value)
    torch.testing.assert_close(value.double(), exact[0], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(gradient.double(), exact[1], rtol=1e-2, atol=1e-5)
    assert gradient.dtype is dtype


@every_objective
def test_students_stacked_by_vmap_get_what_each_gets_alone(name):
    z_s, _, _ = _example(shape=(3, 5, 4))
    _, z_t, y = _example(seed=1)
    mask = torch.tensor([True, False, True, True, False])
    temperature = torch.tensor([0.5, 2.0, 8.0], dtype=torch.float64)

    def stacked(z):
        return torch.func.vmap(lambda one, t: _ours(name, one, z_t, y, t, mask))(z, temperature)

    z = z_s.clone().requires_grad_(True)
    losses = stacked(z)
    losses.sum().backward()
    per_student = torch.func.vmap(torch.func.grad(lambda one, t: _ours(name, one, z_t, y, t, mask)))
    for i in range(3):
        alone = _value_and_gradient(
            lambda one, i=i: _ours(name, one, z_t, y, float(temperature[i]), mask), z_s[i]
        )
        torch.testing.assert_close((losses[i].detach(), z.grad[i]), alone)
        torch.testing.assert_close(per_student(z_s, temperature)[i], alone[1])


@every_objective
def test_blocks_of_rows_add_up_to_the_whole(name, monkeypatch):
    z_s, z_t, y = _example(shape=(7, 3, 4))
    mask = torch.arange(21).reshape(7, 3) % 4 > 0
    whole = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0, mask), z_s)
    unmasked = _value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0), z_s)
    monkeypatch.setitem(rowwise.BLOCK, "cpu", 5 * 4)
    torch.testing.assert_close(_value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0, mask), z_s), whole)
    torch.testing.assert_close(_value_and_gradient(lambda z: _ours(name, z, z_t, y, 2.0), z_s), unmasked)


class _FullSizeTensors(TorchDispatchMode):
    """Counts the storages that are made as large as the logits."""

    def __init__(self, numel: int, *inputs: Tensor) -> None:
        super().__init__()
        self.numel, self.made = numel, {t.untyped_storage().data_ptr(): t for t in inputs}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for t in out if isinstance(out, tuple | list) else (out,):
            if isinstance(t, Tensor) and t.untyped_storage().nbytes() >= self.numel * t.element_size():
                self.made.setdefault(t.untyped_storage().data_ptr(), t)  # kept, so no address comes twice
        return out


@every_objective
@pytest.mark.parametrize(("mask", "most"), [(None, 2), (torch.arange(30) % 3 > 0, 3)])
def test_no_more_tensors_of_the_logits_size_are_made_than_is_said(name, mask, most, monkeypatch):
    monkeypatch.setitem(rowwise.BLOCK, "cpu", 8)
    z_s, z_t, y = _example(shape=(30, 4))
    z_s.requires_grad_(True)
    mode = _FullSizeTensors(z_s.numel(), z_s, z_t)
    top = _top(z_t, 2)
    with mode:
        loss = (
            top_k_kl_loss(z_s, *top, 2.0, mask) if name == "top_k_kl" else _ours(name, z_s, z_t, y, 2.0, mask)
        )
        loss.backward()
    assert 1 <= len(mode.made) - 2 <= most


# ---------------------------------------------------------------- identities and others' implementations


@pytest.mark.filterwarnings("ignore:reduction")
@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures)
def test_forward_kl_is_torchs_batchmean_times_t_squared_and_shows_its_two_pitfalls(batch, temperature):
    z_s, z_t, _, _ = batch
    log_p, log_q = _log(z_t, temperature), _log(z_s, temperature)
    ours = forward_kl_loss(z_s, z_t, temperature) / temperature**2
    length = math.prod(z_s.shape[1:-1])
    batchmean = kl_div(log_q, log_p, log_target=True, reduction="batchmean")
    torch.testing.assert_close(batchmean, ours * length)  # ×L on (B, L, K)
    mean = kl_div(log_q, log_p, log_target=True, reduction="mean")
    torch.testing.assert_close(mean, ours / z_s.shape[-1])  # ÷K


@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures)
def test_forward_kl_agrees_with_the_lab_s_own_numpy(batch, temperature):
    z_s, z_t, _, _ = batch
    p, q = _log(z_t, temperature).exp().numpy(), _log(z_s, temperature).exp().numpy()
    ours = forward_kl_loss(z_s, z_t, temperature, t_squared=False).item()
    assert ours == pytest.approx(numpy_forward_kl(p, q).mean(), rel=1e-6, abs=1e-9)


@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures)
def test_soft_cross_entropy_is_kl_plus_entropy_with_the_same_gradient(batch, temperature):
    z_s, z_t, _, _ = batch
    kl = _value_and_gradient(lambda z: forward_kl_loss(z, z_t, temperature), z_s)
    ce = _value_and_gradient(lambda z: soft_cross_entropy_loss(z, z_t, temperature), z_s)
    entropy = torch.special.entr(_log(z_t, temperature).exp()).sum(-1).mean()
    torch.testing.assert_close(ce[0], kl[0] + temperature**2 * entropy)
    torch.testing.assert_close(ce[1], kl[1])


@settings(max_examples=40)
@given(batch=batches())
def test_kl_gradient_tends_to_the_logit_gap_at_high_temperature(batch):
    z_s, z_t, _, _ = batch
    z_s, z_t = z_s - z_s.mean(-1, keepdim=True), z_t - z_t.mean(-1, keepdim=True)
    _, gradient = _value_and_gradient(lambda z: forward_kl_loss(z, z_t, 1e5), z_s)
    items = math.prod(z_s.shape[:-1])
    torch.testing.assert_close(gradient, (z_s - z_t) / z_s.shape[-1] / items, rtol=0, atol=1e-3)


@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures, beta=st.floats(0.01, 0.99))
def test_jsd_is_unchanged_when_student_teacher_and_beta_swap(batch, temperature, beta):
    z_s, z_t, _, _ = batch
    torch.testing.assert_close(
        generalized_jsd_loss(z_s, z_t, beta, temperature),
        generalized_jsd_loss(z_t, z_s, 1 - beta, temperature),
    )


@pytest.mark.parametrize(("end", "limit"), [(0.0, forward_kl_loss), (1.0, reverse_kl_loss)])
def test_jsd_ends_are_zero_as_defined_and_the_two_kls_in_the_continuous_form(end, limit):
    z_s, z_t, _ = _example()
    z_s, z_t = z_s / 3, z_t / 3
    value, gradient = _value_and_gradient(lambda z: generalized_jsd_loss(z, z_t, end), z_s)
    assert value == 0
    assert (gradient == 0).all()
    kl = _value_and_gradient(lambda z: limit(z, z_t), z_s)
    at_end = _value_and_gradient(lambda z: generalized_jsd_loss(z, z_t, end, continuous=True), z_s)
    torch.testing.assert_close(at_end, kl)
    near = abs(end - 1e-6)
    close = _value_and_gradient(lambda z: generalized_jsd_loss(z, z_t, near, continuous=True), z_s)
    torch.testing.assert_close(close, kl, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_jsd_agrees_with_trl(beta, monkeypatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.gkd import GKDTrainer

    z_s, z_t, y = _example(shape=(3, 4, 6))
    mask = torch.arange(12).reshape(3, 4) % 3 > 0
    labels = y.masked_fill(~mask, -100)
    theirs = _value_and_gradient(
        lambda z: GKDTrainer.generalized_jsd_loss(z, z_t, labels, beta=beta, temperature=2.0), z_s
    )
    # TRL jumps to the KLs at the ends, as our continuous form arrives there; it has no T².
    ours = _value_and_gradient(
        lambda z: generalized_jsd_loss(z, z_t, beta, 2.0, mask, t_squared=False, continuous=beta in (0, 1)),
        z_s,
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures)
def test_kl_is_target_part_plus_non_target_part_weighed_by_the_teachers_doubt(batch, temperature):
    z_s, z_t, y, _ = batch
    z_s, z_t, y = z_s.flatten(0, -2), z_t.flatten(0, -2), y.flatten()
    for i in range(len(y)):
        item = z_s[i : i + 1], z_t[i : i + 1], y[i : i + 1]
        doubt = 1 - _log(item[1], temperature).exp()[0, y[i]].item()
        decoupled = dkd_loss(*item, 1.0, doubt, temperature)
        torch.testing.assert_close(decoupled, forward_kl_loss(*item[:2], temperature), rtol=1e-6, atol=1e-9)


@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures)
def test_top_k_kl_of_all_classes_is_the_forward_kl(batch, temperature):
    z_s, z_t, _, _ = batch
    top = _top(z_t, z_t.shape[-1])
    ours = _value_and_gradient(lambda z: top_k_kl_loss(z, *top, temperature), z_s)
    full = _value_and_gradient(lambda z: forward_kl_loss(z, z_t, temperature), z_s)
    torch.testing.assert_close(ours, full, rtol=1e-6, atol=1e-9)


@settings(max_examples=40)
@given(batch=batches())
def test_top_k_kl_grows_with_k_towards_the_forward_kl(batch):
    z_s, z_t, _, _ = batch
    ladder = [top_k_kl_loss(z_s, *_top(z_t, k)).item() for k in range(1, z_t.shape[-1] + 1)]
    assert (np.diff(ladder) >= -1e-9).all()


def test_top_k_kl_with_no_mass_left_in_the_tail_matches_the_shown_classes_alone():
    z_s, _, _ = _example()
    p = torch.tensor([[0.75, 0.25, 0.0]], dtype=torch.float64).expand(5, 3)
    ids = torch.tensor([[2, 0, 3]]).expand(5, 3)
    expected = (p[0, :2] * (p[0, :2].log() - _log(z_s, 1.0)[:, [2, 0]])).sum(-1).mean()
    value, gradient = _value_and_gradient(lambda z: top_k_kl_loss(z, p, ids), z_s)
    torch.testing.assert_close(value, expected)
    assert torch.isfinite(gradient).all()


@settings(max_examples=40)
@given(batch=batches(min_classes=2), smoothing=st.floats(0, 1))
def test_label_smoothing_agrees_with_torch(batch, smoothing):
    z_s, _, y, _ = batch
    expected = cross_entropy(z_s.flatten(0, -2), y.flatten(), label_smoothing=smoothing)
    torch.testing.assert_close(label_smoothing_loss(z_s, y, smoothing), expected)


@settings(max_examples=40)
@given(batch=batches(), temperature=temperatures)
def test_logit_mse_is_the_mean_square_and_the_temperature_cancels(batch, temperature):
    z_s, z_t, _, _ = batch
    torch.testing.assert_close(logit_mse_loss(z_s, z_t, temperature), torch.nn.functional.mse_loss(z_s, z_t))


def test_loss_without_gradient_is_the_same_number():
    z_s, z_t, _ = _example()
    with torch.no_grad():
        quiet = forward_kl_loss(z_s.requires_grad_(True), z_t, 2.0)
    assert not quiet.requires_grad
    torch.testing.assert_close(quiet, forward_kl_loss(z_s, z_t, 2.0).detach())


# ---------------------------------------------------------------- bad input

Z, Y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: forward_kl_loss(Z, torch.zeros(2, 4)), r"teacher_logits \(2, 4\)"),
        (lambda: reverse_kl_loss(Z, Z, 0), "temperature is 0"),
        (lambda: soft_cross_entropy_loss(Z, Z, math.nan), "temperature is nan"),
        (lambda: logit_mse_loss(Z, Z, mask=torch.ones(3)), r"mask has shape \(3,\)"),
        (lambda: generalized_jsd_loss(Z, Z, 1.2), "beta is 1.2"),
        (lambda: label_smoothing_loss(Z, Y, 1.5), "smoothing is 1.5"),
        (lambda: label_smoothing_loss(Z, Y[:1]), r"labels has shape \(1,\)"),
        (lambda: dkd_loss(Z, Z, Y[:1]), r"labels has shape \(1,\)"),
        (lambda: top_k_kl_loss(Z, torch.ones(2, 1), torch.zeros(2, 2).long()), r"top_p has shape \(2, 1\)"),
    ],
)
def test_bad_input_is_refused_by_name_and_reason(call, says):
    with pytest.raises(ValueError, match=says):
        call()
