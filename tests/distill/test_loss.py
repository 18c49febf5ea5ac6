"""The two terms for many students at once, against independent implementations."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from kdlab.core.hinton import hinton_loss, logit_gradients
from kdlab.distill.loss import answers_as_logits, hinton_terms

N, B, K, LABELLED = 4, 12, 6, 5
_generator = torch.Generator().manual_seed(0)
STUDENT = torch.randn(N, B, K, generator=_generator, dtype=torch.float64) * 3
TEACHER = torch.randn(N, B, K, generator=_generator, dtype=torch.float64) * 3
LABELS = torch.randint(K, (N, B), generator=_generator)
TEMPERATURE = torch.tensor([0.5, 1.0, 4.0, 20.0], dtype=torch.float64)


def test_each_student_has_the_terms_that_torch_gives_it_alone() -> None:
    terms = hinton_terms(STUDENT, TEACHER, LABELS, LABELLED, TEMPERATURE)
    for s, t in enumerate(TEMPERATURE.tolist()):
        kl = functional.kl_div(
            functional.log_softmax(STUDENT[s] / t, -1),
            functional.softmax(TEACHER[s] / t, -1),
            reduction="batchmean",
        )
        ce = functional.cross_entropy(STUDENT[s, :LABELLED], LABELS[s, :LABELLED])
        torch.testing.assert_close(terms.distillation[s], t * t * kl)
        torch.testing.assert_close(terms.supervised[s], ce)


def test_terms_and_gradient_are_those_of_the_core_maths() -> None:
    logits = STUDENT[:, :1].clone().requires_grad_()
    terms = hinton_terms(logits, TEACHER[:, :1], LABELS[:, :1], 1, TEMPERATURE)
    weight = torch.full((N,), 0.7, dtype=torch.float64)
    terms.total(weight).sum().backward()
    for s, t in enumerate(TEMPERATURE.tolist()):
        z_s, z_t, label = STUDENT[s, 0].numpy(), TEACHER[s, 0].numpy(), int(LABELS[s, 0])
        expected = hinton_loss(z_s, z_t, label, t, 0.7)
        np.testing.assert_allclose(terms.total(weight)[s].item(), expected.total)
        np.testing.assert_allclose(logits.grad[s, 0].numpy(), logit_gradients(z_s, z_t, label, t, 0.7).total)


def test_a_certain_teacher_makes_the_distillation_term_cross_entropy() -> None:
    one = torch.ones(N)
    terms = hinton_terms(STUDENT.float(), answers_as_logits(TEACHER.float()), LABELS, LABELLED, one)
    expected = functional.cross_entropy(
        STUDENT.float().flatten(0, 1), TEACHER.argmax(-1).flatten(), reduction="none"
    )
    torch.testing.assert_close(terms.distillation, expected.view(N, B).mean(1))


def test_a_student_equal_to_its_teacher_has_no_distillation_loss() -> None:
    terms = hinton_terms(TEACHER, TEACHER, LABELS, LABELLED, TEMPERATURE)
    torch.testing.assert_close(terms.distillation, torch.zeros(N, dtype=torch.float64))
