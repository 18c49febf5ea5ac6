"""The terms of a language model's loss, a chunk of tokens at a time, against what autograd makes of whole tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from kdlab.distill import chunked_terms as module
from kdlab.distill.chunked_terms import Question, chunked_terms
from kdlab.distill.objective import Objective
from kdlab.distill.objective_catalogue import TEXT_OBJECTIVES, ForwardKL, GeneralizedJSD, ReverseKL, TopKKL
from kdlab.distill.objectives import RULED_OUT
from kdlab.distill.text_objectives import PolicyGradient, RenormalisedTopKKL, SampledKL, TextAlone

N, V, H, HT, STUDENTS = 37, 23, 6, 9, 3
T = 1.7
GENERATOR = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR)


HIDDEN, HEAD = drawn(STUDENTS, N, H), drawn(STUDENTS, V, H)
TEACHER = drawn(N, HT) @ drawn(HT, V)
TOKENS = torch.randint(V, (STUDENTS, N), generator=GENERATOR)
IDS = torch.randint(V, (N, 5), generator=GENERATOR)
BASELINE = drawn(N)
COUNTS = torch.rand(STUDENTS, N, generator=GENERATOR) > 0.3
OF_TEACHER = torch.rand(STUDENTS, N, generator=GENERATOR) > 0.4


def naive(objective: Objective, z: Tensor, y: Tensor) -> Tensor:
    """Losses (N,) from whole logits (N, V); of the policy gradient the surrogate whose gradient it is."""
    log_q, log_p = log_softmax(z / T, -1), log_softmax(TEACHER / T, -1)
    match objective:
        case ForwardKL():
            return T**2 * kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
        case ReverseKL():
            return T**2 * kl_div(log_p, log_q, log_target=True, reduction="none").sum(-1)
        case GeneralizedJSD():
            p, q, b = log_p.exp(), log_q.exp(), objective.beta
            m = (b * p + (1 - b) * q).log()
            return T**2 * (b * (p * (log_p - m)).sum(-1) + (1 - b) * (q * (log_q - m)).sum(-1))
        case SampledKL():
            return -(T**2) * log_q.gather(-1, IDS[:, : objective.draws]).mean(-1)
        case TopKKL():
            p, ids = softmax(TEACHER, -1).topk(objective.k)
            rest = torch.ones_like(TEACHER, dtype=torch.bool).scatter(-1, ids, False)
            # Both tails spread evenly over their tokens, softened as the rest is.
            tail = (1 - p.sum(-1, keepdim=True)) / (V - objective.k)
            even = torch.where(rest, tail, torch.zeros_like(TEACHER).scatter(-1, ids, p)).log()
            own = torch.logsumexp(torch.where(rest, z, -torch.inf), -1, keepdim=True) - torch.tensor(float(V - objective.k)).log()
            spread = torch.where(rest, own, z)
            return T**2 * kl_div(log_softmax(spread / T, -1), log_softmax(even / T, -1), log_target=True, reduction="none").sum(-1)
        case RenormalisedTopKKL():
            p, ids = softmax(TEACHER, -1).topk(objective.k)
            theirs, ours = log_softmax(p.log() / T, -1), log_softmax(z.gather(-1, ids) / T, -1)
            return T**2 * kl_div(ours, theirs, log_target=True, reduction="none").sum(-1)
        case PolicyGradient():
            own, theirs = (log_softmax(x, -1).gather(-1, y[:, None]).squeeze(-1) for x in (z, TEACHER))
            return (own - theirs - BASELINE).detach() * own
    return cross_entropy(z, y, reduction="none")


def shown(objective: Objective, y: Tensor) -> Callable[[slice], tuple[Tensor, ...]]:
    def of(here: slice) -> tuple[Tensor, ...]:
        match objective.access.rung:
            case "logits":
                return (TEACHER[here],)
            case "top_k":
                return tuple(softmax(TEACHER[here], -1).topk(objective.access.k))
            case "sampled":
                return (IDS[here, : objective.access.k],)
            case "token":
                return log_softmax(TEACHER, -1).gather(-1, y[:, None]).squeeze(-1)[here], y[here], BASELINE[here]
        return (y[here],)

    return of


def asked(objective: Objective, s: int) -> Question:
    return Question(objective, torch.tensor(T), ("student", s), shown(objective, TOKENS[s]), OF_TEACHER[s])


def mean_of(losses: Tensor, counts: Tensor) -> Tensor:
    return (losses * counts).sum() / counts.sum()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks and blocks that N is no multiple of."""
    monkeypatch.setattr(module, "CHUNK", 16)
    monkeypatch.setitem(module.BLOCK, "cpu", 5 * V)


OBJECTIVES = [
    ForwardKL(), ForwardKL(t_squared=False), ReverseKL(), GeneralizedJSD(beta=0.3), SampledKL(draws=4), SampledKL(draws=1),
    TopKKL(k=4), RenormalisedTopKKL(k=4), TextAlone(), PolicyGradient(),
]  # fmt: skip


def test_every_objective_of_texts_is_looked_at() -> None:
    assert {objective.name for objective in OBJECTIVES} == set(TEXT_OBJECTIVES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.model_dump_json())
def test_values_and_gradients_are_those_of_whole_tables(objective: Objective) -> None:
    """Three students: the first is asked nothing, the others the same."""
    hidden, head = HIDDEN.clone().requires_grad_(), HEAD.clone().requires_grad_()
    weights = torch.tensor([1.0, 0.4, 0.0]), torch.tensor([0.0, 0.6, 1.0])
    questions = [None, asked(objective, 1), asked(objective, 2)]
    found = chunked_terms(hidden, head, TOKENS, COUNTS, questions, weights)
    above = torch.tensor([1.0, 0.5, 2.0])
    gradients = torch.autograd.grad((above * found.weighted).sum(), (hidden, head))

    h, matrix = HIDDEN.clone().requires_grad_(), HEAD.clone().requires_grad_()
    z = torch.einsum("snh,svh->snv", h, matrix)
    text = torch.stack([mean_of(cross_entropy(z[s], TOKENS[s], reduction="none"), COUNTS[s]) for s in range(STUDENTS)])
    taught = torch.stack([torch.zeros(()), *(mean_of(naive(objective, z[s], TOKENS[s]), OF_TEACHER[s]) for s in (1, 2))])
    if not getattr(objective, "t_squared", True):
        taught = taught / T**2
    expected = torch.autograd.grad((above * (weights[0] * text + weights[1] * taught)).sum(), (h, matrix))

    torch.testing.assert_close(found.supervised, text.detach(), rtol=1e-5, atol=1e-5)
    if not isinstance(objective, PolicyGradient):  # whose value is another than its surrogate's
        torch.testing.assert_close(found.distillation, taught.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.weighted, weights[0] * found.supervised + weights[1] * found.distillation)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_term_without_a_weight_is_left_out_and_costs_nothing() -> None:
    called: list[slice] = []
    question = Question(ForwardKL(), torch.tensor(T), 0, lambda here: called.append(here) or (TEACHER[here],), OF_TEACHER[0])  # type: ignore[func-returns-value]
    one = torch.ones(1)
    found = chunked_terms(HIDDEN[:1], HEAD[:1], TOKENS[:1], COUNTS[:1], [question], (one, None))
    assert not called
    assert found.distillation.tolist() == [0.0]
    torch.testing.assert_close(found.weighted, found.supervised)
    found = chunked_terms(HIDDEN[:1], HEAD[:1], TOKENS[:1], COUNTS[:1], [question], (None, one))
    assert found.supervised.tolist() == [0.0]
    torch.testing.assert_close(found.weighted, found.distillation)


def test_students_that_are_shown_the_same_have_it_computed_once() -> None:
    called: list[slice] = []

    def of(here: slice) -> tuple[Tensor, ...]:
        called.append(here)
        return (TEACHER[here],)

    questions = [Question(ForwardKL(), torch.tensor(t), ("seed", s // 2), of, OF_TEACHER[s]) for s, t in enumerate((1.0, 2.0, 1.0))]
    ones = torch.ones(STUDENTS)
    chunked_terms(HIDDEN, HEAD, TOKENS, COUNTS, questions, (1 - ones, ones))
    assert len(called) == 2 * 3  # two seeds, three chunks


def test_nothing_that_counts_is_a_loss_of_nothing() -> None:
    hidden = HIDDEN[:1].clone().requires_grad_()
    nowhere = torch.zeros(1, N, dtype=torch.bool)
    question = Question(ReverseKL(), torch.tensor(T), 0, lambda here: (TEACHER[here],), nowhere[0])
    ones = torch.ones(1)
    found = chunked_terms(hidden, HEAD[:1], TOKENS[:1], nowhere, [question], (ones, ones))
    assert [part.item() for part in found] == [0.0, 0.0, 0.0]
    assert torch.autograd.grad(found.weighted.sum(), hidden)[0].count_nonzero() == 0


def test_what_the_teacher_rules_out_leaves_numbers() -> None:
    ruled_out = TEACHER.clone()
    ruled_out[:, 3] = -torch.inf
    hidden = HIDDEN[:1].clone().requires_grad_()
    question = Question(ForwardKL(), torch.tensor(T), 0, lambda here: (ruled_out[here],), OF_TEACHER[0])
    found = chunked_terms(hidden, HEAD[:1], TOKENS[:1], COUNTS[:1], [question], (torch.zeros(1), torch.ones(1)))
    assert 0 < found.distillation.item() < -RULED_OUT
    assert torch.autograd.grad(found.weighted.sum(), hidden)[0].isfinite().all()
