"""The task of language models: windows, whose text is read, what counts, what is scored."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from kdlab.distill.arms import Arm
from kdlab.distill.budget import Budget
from kdlab.distill.cohort import Cohort
from kdlab.distill.objective_catalogue import AnyObjective, ForwardKL, ReverseKL
from kdlab.distill.tasks.next_token import PROMPT, NextToken, Reading, after_prompt
from kdlab.distill.text_objectives import PolicyGradient, SampledKL, TextAlone
from kdlab.distill.text_signals import TextSignals, draw
from kdlab.distill.trainer import Point, Trainer
from kdlab.models.causal import build_causal

CPU = torch.device("cpu")
V, WINDOWS, LENGTH, STEPS = 40, 24, 32, 6
TEACHER = "llama-2x64"


class Listener:
    def __init__(self) -> None:
        self.points: list[Point] = []

    def point(self, point: Point) -> None:
        self.points.append(point)

    def before_step(self, trainer: Trainer) -> bool:
        return False


def text(count: int, seed: int) -> np.ndarray:
    """Windows (count, LENGTH + 1) of a language in which each token follows the last by number, or is anything one time in four."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, V, (count, LENGTH + 1))
    for t in range(2, LENGTH + 1):
        known = rng.random(count) < 0.75
        rows[known, t] = 1 + rows[known, t - 1] % (V - 1)
    rows[:, 0] = 0
    return rows


class Teacher:
    """A student's network, a little trained: it answers as any teacher does."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.network = build_causal(TEACHER, V)
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=5e-3)
        for step in range(40):
            rows = torch.from_numpy(text(16, 100 + step))
            loss = cross_entropy((self.network(rows[:, :-1]) @ self.network.head.T).flatten(0, 1), rows[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.asked = 0

    @torch.no_grad()
    def hidden(self, x: Tensor) -> Tensor:
        self.asked += 1
        return self.network(x)

    @property
    def head(self) -> Tensor:
        return self.network.head.detach()


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    with torch.random.fork_rng():
        return Teacher()


def arm(key: str, objective: AnyObjective | None = None, **how: object) -> Arm:
    taught = {"kd_weight": 0.0 if objective is None else 1.0} | how
    return Arm(key=key, label=key, hue="0.5", objective=objective, **taught)


def task_of(teacher: Teacher, arms: tuple[Arm, ...], seeds: int = 2, steps: int = STEPS) -> NextToken:
    train, test = text(WINDOWS, 1), text(6, 2)

    def written() -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(text(WINDOWS, 9))
        rows[:, : PROMPT + 1] = torch.from_numpy(train)[:, : PROMPT + 1]
        return rows, teacher.hidden(rows[:, :-1])

    signals = TextSignals(
        head=teacher.head,
        test_hidden=teacher.hidden(torch.from_numpy(test)[:, :-1]),
        asked=lambda: teacher.hidden(torch.from_numpy(train)[:, :-1]),
        ask=teacher.hidden,
        written=written,
    )
    reading = Reading(train, test, np.full(V, 2), np.bincount(train.ravel(), minlength=V), np.array([5, 6, 7]), lambda ids: " ".join(map(str, ids)))
    return NextToken(reading, signals, arms, batch_size=4, steps=steps, seeds=seeds, device=CPU)


def trainer_of(
    teacher: Teacher, arms: tuple[Arm, ...], group_size: int, seeds: int = 2, steps: int = STEPS
) -> Trainer:
    cohort = Cohort(
        partial(build_causal, "llama-2x64", V), arms=len(arms), seeds=seeds, group_size=group_size, learning_rate=3e-3, device=CPU
    )
    budget = Budget(steps=steps, epochs=1, learning_rate=3e-3)
    return Trainer(task_of(teacher, arms, seeds, steps), arms, cohort, {one.access: () for one in arms}, budget)


ALL_ARMS = (
    arm("text_only"),
    arm("drawn", SampledKL(draws=4), kd_weight=0.5),
    arm("forward", ForwardKL()),
    arm("sequence", TextAlone(), text="teacher"),
    arm("teacher_reverse", ReverseKL(), text="teacher"),
    arm("own_forward", ForwardKL(), text="student", warm=0.4),
    arm("own_reverse", ReverseKL(), text="student", own_share=0.5),
    arm("policy", PolicyGradient(), text="student"),
)


def test_stacked_and_in_turn_students_learn_the_same(teacher: Teacher) -> None:
    """All arms, whoever writes what they read: each student is asked what it would be asked alone."""
    together, alone = trainer_of(teacher, ALL_ARMS, 16), trainer_of(teacher, ALL_ARMS, 1)
    ends = []
    for trainer in (together, alone):
        listener = Listener()
        trainer.train(listener)
        ends.append(listener.points[-1])
    assert ends[0].values.keys() >= {"bits_per_byte", "kl", "own_kl", "own_distinct"}
    for name in ("bits_per_byte", "kl", "supervised", "distillation", "own_kl"):
        np.testing.assert_allclose(ends[0].values[name], ends[1].values[name], rtol=2e-2, atol=2e-3, err_msg=name)
    assert set(ends[0].samples) == {one.key for one in ALL_ARMS}


def test_students_learn_the_text_and_come_closer_to_their_teacher(teacher: Teacher) -> None:
    trainer = trainer_of(teacher, ALL_ARMS[:3], 16, steps=60)
    listener = Listener()
    trainer.train(listener)
    first, last = listener.points[0].values, listener.points[-1].values
    assert np.mean(last["bits_per_byte"][0]) < 0.97 * np.mean(first["bits_per_byte"][0])
    for taught in (1, 2):
        assert np.mean(last["kl"][taught]) < 0.97 * np.mean(first["kl"][taught])


def test_students_of_a_seed_begin_alike_and_read_the_same_windows(teacher: Teacher) -> None:
    trainer = trainer_of(teacher, ALL_ARMS, 16)
    batch = trainer.task.batch(5, trainer.cohort.groups[0])
    n = len(ALL_ARMS)
    assert torch.equal(batch.x[0], batch.x[2])
    assert not torch.equal(batch.x[0], batch.x[n])  # another seed
    for s in range(n):
        assert torch.equal(batch.x[s, :, : PROMPT + 1], batch.x[0, :, : PROMPT + 1])
        assert torch.equal(batch.x[s, :, 1:], batch.labels[s, :, :-1])
    own, half = 5, 6
    assert not torch.equal(batch.x[own], batch.x[0])
    assert torch.equal(batch.x[half, 2:], batch.x[0, 2:])  # λ = 0.5: two of four windows are its own
    assert not torch.equal(batch.x[half, :2], batch.x[0, :2])
    assert not batch.of_teacher[own, :, :PROMPT].any()
    assert batch.of_teacher[half, 2:].all()


def test_a_warm_student_reads_the_text_until_its_own_begins(teacher: Teacher) -> None:
    trainer = trainer_of(teacher, ALL_ARMS, 16)
    group = trainer.cohort.groups[0]
    warm = trainer.task.batch(0, group)
    assert torch.equal(warm.x[5], warm.x[0])
    assert not warm.of_teacher[5].any()
    terms = trainer.terms(group, trainer.task.output(group, warm), warm, (1 - trainer.kd_weight, trainer.kd_weight))
    torch.testing.assert_close(terms.weighted[5], terms.supervised[5])
    assert terms.distillation[5] == 0


def test_what_counts_ends_with_the_first_end_by_position() -> None:
    windows = torch.full((2, LENGTH + 1), 3)
    windows[:, 0] = 0
    windows[0, PROMPT + 4] = 0
    windows[0, PROMPT + 9] = 0
    windows[1, 5] = 0  # in the prompt: nobody's end
    counts = after_prompt(windows)
    assert counts[0].nonzero().squeeze(1).tolist() == [PROMPT, PROMPT + 1, PROMPT + 2, PROMPT + 3]
    assert counts[1].sum() == LENGTH - PROMPT


def test_scores_are_those_of_whole_tables(teacher: Teacher) -> None:
    arms = (arm("text_only"), arm("forward", ForwardKL()))
    trainer = trainer_of(teacher, arms, 4)
    task, group = trainer.task, trainer.cohort.groups[0]
    found = task.scores(group)
    x, y = torch.from_numpy(text(6, 2))[:, :-1], torch.from_numpy(text(6, 2))[:, 1:].flatten()
    log_p = log_softmax((teacher.hidden(x) @ teacher.head.T).flatten(0, 1), -1)
    with torch.no_grad():
        for s in range(group.size):
            network = build_causal("llama-2x64", V)
            network.load_state_dict(group.weights(s))
            log_q = log_softmax((network(x) @ network.head.T).flatten(0, 1), -1)
            nats = cross_entropy(log_q, y)
            torch.testing.assert_close(found["perplexity"][s], nats.exp(), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found["bits_per_byte"][s], nats / np.log(2) / 2, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found["kl"][s], kl_div(log_q, log_p, log_target=True, reduction="batchmean"), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found["agreement"][s], (log_q.argmax(-1) == log_p.argmax(-1)).float().mean())


def test_draws_are_the_teachers_probabilities_on_average(teacher: Teacher) -> None:
    hidden = teacher.hidden(torch.from_numpy(text(1, 4))[:, :4])
    for temperature in (1.0, 3.0):
        p = torch.softmax(hidden @ teacher.head.T / temperature, -1)
        drawn = draw(hidden, teacher.head, temperature, draws=20_000).long()
        share = torch.nn.functional.one_hot(drawn, V).float().mean(-2)
        assert (share - p).abs().max() < 5 * (0.25 / 20_000) ** 0.5


def test_a_steered_temperature_has_its_tokens_drawn_anew(teacher: Teacher) -> None:
    signals = task_of(teacher, ALL_ARMS).signals
    first = signals.drawn(1.0)
    assert signals.drawn(torch.tensor(1.0)) is first
    assert not torch.equal(signals.drawn(2.0), first)


def test_arms_of_other_temperatures_learn_from_tokens_drawn_at_their_own(teacher: Teacher) -> None:
    """Two arms of a seed with one signal: each has the terms that it has alone."""
    arms = tuple(arm(f"t{t}", SampledKL(draws=4), temperature=float(t)) for t in (1, 3))
    together = trainer_of(teacher, arms, 2, seeds=1)
    alone = [trainer_of(teacher, (one,), 1, seeds=1) for one in arms]

    def distillation(trainer: Trainer) -> Tensor:
        group = trainer.cohort.groups[0]
        batch = trainer.task.batch(0, group)
        w = trainer.kd_weight
        return trainer.terms(group, trainer.task.output(group, batch), batch, (1 - w, w)).distillation

    torch.testing.assert_close(distillation(together), torch.cat([distillation(one) for one in alone]), rtol=1e-5, atol=1e-5)


def test_the_baseline_is_what_the_other_windows_say(teacher: Teacher) -> None:
    """One window's tokens decide nothing of its own baseline."""
    arms = (arm("policy", PolicyGradient(), text="student"),)
    trainer = trainer_of(teacher, arms, 1, seeds=1)
    group = trainer.cohort.groups[0]
    batch = trainer.task.batch(0, group)
    student = trainer.task.output(group, batch)
    question = trainer.task._question(trainer._asked[0][0], 0, student, batch, torch.tensor(1.0))
    log_p, y, baseline = question.shown(slice(None))
    log_q = log_softmax(student.hidden[0].flatten(0, 1) @ student.head[0].T, -1).gather(-1, y[:, None]).squeeze(-1)
    ratio, counts = (log_q - log_p).view(4, -1), batch.of_teacher[0]
    for window in range(4):
        others = [w for w in range(4) if w != window]
        expected = ratio[others][counts[others]].mean()
        torch.testing.assert_close(baseline.view(4, -1)[window], expected.expand(LENGTH).detach(), rtol=1e-4, atol=1e-4)
