"""The two terms for many students at once, against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from kdlab.core.hinton import hinton_loss, logit_gradients
from kdlab.distill.loss import distillation_term, supervised_term
from kdlab.distill.objective_catalogue import OBJECTIVES, ForwardKL, HardLabels, Objective, TopKKL
from kdlab.distill.signals import reveal

N, B, K = 4, 12, 6
_generator = torch.Generator().manual_seed(0)
STUDENT = torch.randn(N, B, K, generator=_generator, dtype=torch.float64) * 3
TEACHER = torch.randn(N, B, K, generator=_generator, dtype=torch.float64) * 3
LABELS = torch.randint(K, (N, B), generator=_generator)
TEMPERATURE = torch.tensor([0.5, 1.0, 4.0, 20.0], dtype=torch.float64)


def signal(objective: Objective) -> tuple[torch.Tensor, ...]:
    """What the teacher reveals to the objective, one copy a student."""
    parts = reveal(objective.access, TEACHER.flatten(0, 1))
    return tuple(part.unflatten(0, (N, B)) for part in parts)


def term(objective: Objective, student_logits: torch.Tensor = STUDENT) -> torch.Tensor:
    return distillation_term(objective, student_logits, signal(objective), LABELS, TEMPERATURE)


def test_each_student_has_the_terms_that_torch_gives_it_alone() -> None:
    supervised, distillation = supervised_term(STUDENT, LABELS), term(ForwardKL())
    for s, t in enumerate(TEMPERATURE.tolist()):
        soft_targets = functional.softmax(TEACHER[s] / t, -1)
        kl = functional.kl_div(
            functional.log_softmax(STUDENT[s] / t, -1), soft_targets, reduction="batchmean"
        )
        torch.testing.assert_close(distillation[s], t * t * kl)
        torch.testing.assert_close(supervised[s], functional.cross_entropy(STUDENT[s], LABELS[s]))


@pytest.mark.parametrize("labelled", [1, 7, B])
def test_the_supervised_term_is_to_the_bit_what_a_gather_from_log_probabilities_gives(labelled: int) -> None:
    found, plain = (STUDENT.float().requires_grad_() for _ in range(2))
    labels = LABELS[:, :labelled]
    terms = supervised_term(found[:, :labelled], labels)
    by_hand = -functional.log_softmax(plain[:, :labelled], -1).gather(-1, labels[..., None]).squeeze(-1).mean(1)
    assert torch.equal(terms, by_hand)
    for of in (terms, by_hand):
        (of * torch.arange(1, N + 1)).sum().backward()
    assert torch.equal(found.grad, plain.grad)


def test_terms_and_gradient_are_those_of_the_core_maths() -> None:
    logits = STUDENT[:, :1].clone().requires_grad_()
    teacher, labels, w = TEACHER[:, :1], LABELS[:, :1], 0.7
    distillation = distillation_term(ForwardKL(), logits, (teacher,), labels, TEMPERATURE)
    total = (1 - w) * supervised_term(logits, labels) + w * distillation
    total.sum().backward()
    for s, t in enumerate(TEMPERATURE.tolist()):
        z_s, z_t, label = STUDENT[s, 0].numpy(), TEACHER[s, 0].numpy(), int(LABELS[s, 0])
        np.testing.assert_allclose(total[s].item(), hinton_loss(z_s, z_t, label, t, w).total)
        np.testing.assert_allclose(logits.grad[s, 0].numpy(), logit_gradients(z_s, z_t, label, t, w).total)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_student_has_the_same_term_and_gradient_alone_as_among_others(name: str) -> None:
    objective = OBJECTIVES[name]()
    together = STUDENT.clone().requires_grad_()
    terms = term(objective, together)
    terms.sum().backward()
    for s in range(N):
        alone = STUDENT[s : s + 1].clone().requires_grad_()
        its = tuple(part[s : s + 1] for part in signal(objective))
        single = distillation_term(objective, alone, its, LABELS[s : s + 1], TEMPERATURE[s : s + 1])
        single.sum().backward()
        torch.testing.assert_close(single[0], terms[s])
        torch.testing.assert_close(alone.grad[0], together.grad[s])


def test_the_teachers_answers_are_cross_entropy_with_its_likeliest_class() -> None:
    expected = functional.cross_entropy(STUDENT.flatten(0, 1), TEACHER.argmax(-1).flatten(), reduction="none")
    torch.testing.assert_close(term(HardLabels()), expected.view(N, B).mean(1))


def test_a_teacher_reveals_no_more_than_the_objective_needs() -> None:
    logits = TEACHER[0]
    assert [part.shape for part in reveal(HardLabels().access, logits)] == [(B,)]
    assert [part.shape for part in reveal(TopKKL(k=2).access, logits)] == [(B, 2), (B, 2)]
    assert [part.shape for part in reveal(TopKKL(k=50).access, logits)] == [(B, K), (B, K)]
    assert reveal(OBJECTIVES["label_smoothing"]().access, logits) == ()
