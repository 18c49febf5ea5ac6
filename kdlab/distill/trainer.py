"""The trainer: a cohort through its batches, in lock-step, with a point now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from kdlab.distill.access import Access
from kdlab.distill.arms import Arm
from kdlab.distill.budget import Budget
from kdlab.distill.cohort import Cohort, Group
from kdlab.distill.loss import white_box_term
from kdlab.distill.metrics import metrics_of
from kdlab.distill.signals import Signal
from kdlab.distill.tasks.task import Asked, Batch, StudentOutput, Task, Terms
from kdlab.distill.white_box_catalogue import WhiteBox
from kdlab.models.inner_layers import Inner


@dataclass(frozen=True)
class Point:
    """What is known after ``step`` updates. Values are nested lists (arms, seeds) by metric.

    Losses are means since the last point, in nats and unweighted. The gradient budget is of the two weighted
    terms, in the student's weights, on one batch: their norms, their cosine, and the share of their sum that
    is the distillation term's, g_d·g / g·g with g = g_s + g_d (below 0 or above 1 where they oppose each other).
    A term without a gradient has no direction: the cosine is NaN there, the share where the sum is 0.
    ``samples``: what each student writes, where it writes, by arm and seed.
    """

    step: int
    epoch: float
    seconds: float
    arms: tuple[str, ...]
    values: dict[str, list[list[float]]]
    samples: dict[str, list[str]] = field(default_factory=dict)


class Listener(Protocol):
    """Who watches a run, and may hold or steer it. The trainer does not know who that is."""

    def point(self, point: Point) -> None: ...

    def before_step(self, trainer: Trainer) -> bool:
        """May wait, steer, or raise to stop. True asks for a point after this step."""
        ...


@dataclass(frozen=True)
class _InsideCall:
    """Students of a group that are asked the same inside their teacher; projections (n, …) where they learn them for it,
    one for each layer."""

    objective: WhiteBox
    its: slice | Tensor
    signal: Signal
    projections: tuple[Tensor, ...]


class Trainer:
    """Every arm and seed of a run as one cohort, in lock-step: student ``seed * arms + arm``.

    Cross-entropy reads the labelled examples of a batch, distillation all of them (an objective without a teacher,
    the labelled only), and so does what an arm is asked inside its teacher. ``inside`` is what the teacher reveals
    there, for each such objective. A student whose loss is no longer a number is marked in ``diverged`` and has no numbers from
    there on; the others go on.
    """

    def __init__(
        self,
        task: Task,
        arms: tuple[Arm, ...],
        cohort: Cohort,
        signals: Mapping[Access, Signal],
        budget: Budget,
        inside: Mapping[WhiteBox, Signal] = MappingProxyType({}),
    ) -> None:
        self.task, self.arms, self.cohort, self.signals, self.budget = task, arms, cohort, signals, budget
        self.inside = inside
        self.device, self.seeds = cohort.device, cohort.size // len(arms)
        self.temperature = torch.tensor([arm.temperature for arm in arms] * self.seeds, device=self.device)
        self.kd_weight = torch.tensor([arm.kd_weight for arm in arms] * self.seeds, device=self.device)
        self._layers_first = torch.tensor([arm.layers_first for arm in arms] * self.seeds, device=self.device)
        self._staged = any(arm.layers_first for arm in arms)
        self.step_number = 0
        self.diverged = torch.zeros(cohort.size, dtype=torch.bool, device=self.device)
        self.waited = 0.0  # seconds that a listener has held the training; they are no training time
        self._asked = {group.where.start: self._asked_of(group) for group in cohort.groups}
        self._inside_calls = {group.where.start: self._inside_calls_of(group) for group in cohort.groups}
        self._started = time.perf_counter()
        self._sums = torch.zeros(2, cohort.size, device=self.device)
        self._summed = 0
        self._restored = False

    # ------------------------------------------------------------------ the loop

    def train(self, listener: Listener) -> None:
        """All steps, a point at the start, the end and evenly between. Ends early when the listener raises."""
        marks = self.point_steps()
        if not self._restored:
            listener.point(self.measure())
        while self.step_number < self.budget.steps:
            wanted = listener.before_step(self)
            self.step()
            if wanted or self.step_number in marks:
                listener.point(self.measure())

    def step(self) -> None:
        """One update of every student."""
        learning_rate = self.budget.learning_rate_at(self.step_number)
        for group in self.cohort.groups:
            group.train(True)
            batch = self.task.batch(self.step_number, group)
            student = self.task.output(group, batch, inside=self._looks_inside(group))
            w = self.kd_weight[group.where]
            terms = self.terms(group, student, batch, (1 - w, w))
            loss = self._at_this_stage(group, terms.weighted, inside=False)
            if self._looks_inside(group):
                loss = loss + self._at_this_stage(group, self.white_box_term(group, student, batch), inside=True)
            group.step(loss.sum(), learning_rate, self.budget.clip_norm)
            self._sums[:, group.where].add_(torch.stack([terms.supervised, terms.distillation]).detach())
        self._summed += 1
        self.step_number += 1

    def terms(
        self, group: Group, student: StudentOutput, batch: Batch, weights: tuple[Tensor | None, Tensor | None]
    ) -> Terms:
        """What labels and teacher ask of each student, and the sum of both with these weights (n,); None leaves one out."""
        return self.task.terms(student, batch, self._asked[group.where.start], self.temperature[group.where], weights)

    def white_box_term(self, group: Group, student: StudentOutput, batch: Batch) -> Tensor:
        """What each student is asked inside its teacher, times its weight, (n,); 0 where it is asked nothing.

        An objective of several pairs of layers is their sum (Jiao et al. 2020, arXiv 1909.10351, eq. 11).
        """
        term = torch.zeros(group.size, device=self.device)
        for call in self._inside_calls[group.where.start]:
            part = batch.of(call.its, slice(None))
            shown = self.task.reveal(call.signal, part)
            if call.objective.compares_gradients:
                own = self.task.derivative(group, call.its, part, shown[1])
                asked = white_box_term(call.objective, own, shown[0], None)
            else:
                own_layers, mask = _own_layers(call.objective, student.inside), self.task.positions(part)
                terms = [
                    white_box_term(call.objective, own[call.its], theirs, projection, mask)
                    for own, theirs, projection in zip_longest(own_layers, shown, call.projections)
                ]
                asked = sum(terms[1:], terms[0])
            term[call.its] = term[call.its] + call.objective.weight * asked
        return term

    def _at_this_stage(self, group: Group, term: Tensor, inside: bool) -> Tensor:
        """A weighted term (n,), of the teacher's inside or of the outputs; 0 where an arm that takes one after the other is
        not at it."""
        if not self._staged:
            return term
        share = self._layers_first[group.where]
        first = self.step_number < share * self.budget.steps
        return term.masked_fill((share > 0) & (first != inside), 0)

    def _looks_inside(self, group: Group) -> bool:
        return bool(self._inside_calls[group.where.start])

    def _inside_calls_of(self, group: Group) -> list[_InsideCall]:
        calls: list[_InsideCall] = []
        for objective in dict.fromkeys(asked for arm in self.arms for asked in arm.insides):
            its = self._those_of(group, [objective in arm.insides for arm in self.arms])
            if its is None:
                continue
            signal, projections = self.inside[objective], []
            if objective.projects:
                with torch.no_grad():
                    inside = self.task.output(group, self.task.batch(0, group), inside=True).inside
                for place, (own, theirs) in enumerate(zip(_own_layers(objective, inside), signal, strict=True)):
                    drawn = [_projection(theirs.shape[-1], own.shape[-1], int(seed)) for seed in group.seed_of[its]]
                    initial = torch.stack(drawn).to(self.device)
                    projections.append(group.adopt(f"projection {len(calls)} {place}", initial))
            calls.append(_InsideCall(objective, its, signal, tuple(projections)))
        return calls

    def _asked_of(self, group: Group) -> list[Asked]:
        """Arms with the same objective are one call: fifty temperatures do not cost fifty calls a step."""
        asked = []
        for objective in dict.fromkeys(arm.objective for arm in self.arms):
            if objective is None:
                continue
            its = self._those_of(group, [arm.objective == objective for arm in self.arms])
            if its is not None:
                seen = slice(self.task.labelled) if objective.needs == "nothing" else slice(None)
                asked.append(Asked(objective, its, seen, self.signals[objective.access]))
        return asked

    def _those_of(self, group: Group, arms: list[bool]) -> slice | Tensor | None:
        """Which of a group's students have one of these arms; None where none has."""
        places = torch.arange(group.where.start, group.where.start + group.size)
        its = torch.tensor(arms)[places % len(self.arms)].nonzero().squeeze(1)
        if not len(its):
            return None
        # A slice is a view; numbers of students would copy what is read of them at every step.
        steps = its.diff()
        even = len(its) == 1 or bool((steps == steps[0]).all())
        stride = int(steps[0]) if len(its) > 1 else len(self.arms)
        return slice(int(its[0]), int(its[-1]) + 1, stride) if even else its.to(self.device)

    def point_steps(self) -> frozenset[int]:
        """Steps after which a point is due: 12 to 60 of them, so that measuring stays a small part.

        An update costs about three forward passes over its batch, a point one over the test set.
        """
        passes = 3 * self.budget.steps * self.task.examples_a_step / self.task.examples_a_point
        count = min(self.budget.steps, max(12, min(60, round(0.2 * passes))))
        return frozenset(np.linspace(0, self.budget.steps, count + 1).round().astype(int).tolist()[1:])

    def steer(self, steering: dict[str, float]) -> None:
        """Moves temperature and KD weight of the arms that obey, from the next step on."""
        self.arms = tuple(arm.steered(steering) for arm in self.arms)
        for i, arm in enumerate(self.arms):
            self.temperature[i :: len(self.arms)] = arm.temperature
            self.kd_weight[i :: len(self.arms)] = arm.kd_weight

    @property
    def epoch(self) -> float:
        """How many passes have been made."""
        return self.budget.epochs * self.step_number / self.budget.steps

    # ----------------------------------------------------------------- checkpoints

    def state(self) -> dict[str, Tensor]:
        """All that the steps to come depend on, by name: a trainer of the same run that restores it goes on to the bit."""
        done = torch.tensor([self.step_number, self._summed])
        spent = torch.tensor(time.perf_counter() - self._started - self.waited, dtype=torch.float64)
        own = {"done": done, "seconds": spent, "sums": self._sums, "diverged": self.diverged}
        groups = {f"group {g}/{name}": t for g, group in enumerate(self.cohort.groups) for name, t in group.state().items()}
        return {name: tensor.contiguous().clone().cpu() for name, tensor in {**own, **groups}.items()}

    def restore(self, state: dict[str, Tensor], steering: dict[str, float]) -> bool:
        """Goes on from `state`, under the steering that held then. False, and nothing done, for another run's state."""
        mine = {name: tensor.shape for name, tensor in self.state().items()}
        if any(name not in state or state[name].shape != shape for name, shape in mine.items()):
            return False
        self.step_number, self._summed = state["done"].tolist()
        self._sums, self.diverged = (state[name].to(self.device) for name in ("sums", "diverged"))
        for g, group in enumerate(self.cohort.groups):
            start = f"group {g}/"
            group.restore({name.removeprefix(start): t for name, t in state.items() if name.startswith(start)})
        self.steer(steering)
        self.waited = time.perf_counter() - self._started - float(state["seconds"])
        self._restored = True
        return True

    # ------------------------------------------------------------------ measuring

    def measure(self) -> Point:
        """Scores on the whole test set, the terms since the last point, and their gradients now."""
        scores = self._scores()
        sums = self._sums / max(self._summed, 1) if self._summed else self._first_terms()
        self.diverged |= ~sums.isfinite().all(dim=0)
        values = {name: score for name, score in scores.items() if name in metrics_of(self.task.name)}
        values |= {"supervised": sums[0], "distillation": sums[1], **self._gradient_budget()}
        self._sums.zero_()
        self._summed = 0
        return Point(
            step=self.step_number,
            epoch=self.epoch,
            seconds=time.perf_counter() - self._started - self.waited,
            arms=tuple(arm.key for arm in self.arms),
            values={name: self.by_arm(self._of_the_sound(tensor)) for name, tensor in values.items()},
            samples=self._samples(),
        )

    def _samples(self) -> dict[str, list[str]]:
        written = [text for group in self.cohort.groups for text in self.task.samples(group)]
        return {arm.key: written[i :: len(self.arms)] for i, arm in enumerate(self.arms)} if written else {}

    def _of_the_sound(self, values: Tensor) -> Tensor:
        """NaN where a student has diverged. values (students, …)"""
        marked = self.diverged.reshape(-1, *[1] * (values.ndim - 1))
        return values.masked_fill(marked, torch.nan) if self.diverged.any() else values

    def _scores(self) -> dict[str, Tensor]:
        """Every student on the whole test set."""
        for group in self.cohort.groups:
            group.train(False)
        parts = [self.task.scores(group) for group in self.cohort.groups]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _each_group(self, of: Callable[[Group, StudentOutput, Batch], Tensor]) -> Tensor:
        """What is made of each group's output on the batch of the step to come, last dimension students."""
        parts = []
        for group in self.cohort.groups:
            batch = self.task.batch(min(self.step_number, self.budget.steps - 1), group)
            parts.append(of(group, self.task.output(group, batch, inside=self._looks_inside(group)), batch))
        return torch.cat(parts, dim=-1)

    def _first_terms(self) -> Tensor:
        """(2, students): the terms before any update."""

        def both(group: Group, student: StudentOutput, batch: Batch) -> Tensor:
            w = self.kd_weight[group.where]
            return torch.stack(self.terms(group, student, batch, (1 - w, w))[1:])

        with torch.no_grad():
            return self._each_group(both)

    def _gradient_budget(self) -> dict[str, Tensor]:
        """The two weighted terms' gradients in each student's weights: norms, cosine, the share of their sum.

        What a student is asked inside its teacher belongs to the distillation term here. An arm that takes inside and
        outputs one after the other has the terms of the step to come alone.
        """

        def budget(group: Group, student: StudentOutput, batch: Batch) -> Tensor:
            w = self.kd_weight[group.where]
            labels = self._at_this_stage(group, self.terms(group, student, batch, (1 - w, None)).weighted, inside=False)
            soft = self._at_this_stage(group, self.terms(group, student, batch, (None, w)).weighted, inside=False)
            white_box = self._at_this_stage(group, self.white_box_term(group, student, batch), inside=True)
            g_s = group.gradients(labels.sum())
            g_d = group.gradients((soft + white_box).sum())
            total = g_s + g_d
            share = (g_d * total).sum(1) / total.square().sum(1)  # 0/0 is NaN
            n_s, n_d = g_s.norm(dim=1), g_d.norm(dim=1)
            cosine = torch.nn.functional.cosine_similarity(g_s, g_d, dim=1)
            return torch.stack([n_s, n_d, cosine.where((n_s > 0) & (n_d > 0), torch.nan), share])

        names = ("gradient_supervised", "gradient_distillation", "gradient_cosine", "gradient_share")
        return dict(zip(names, self._each_group(budget), strict=True))

    def by_arm(self, values: Tensor) -> list[Any]:
        """(students, …) → nested lists (arms, seeds, …)."""
        nested = values.detach().unflatten(0, (self.seeds, len(self.arms))).transpose(0, 1)
        return nested.cpu().tolist()

    def outcome(self) -> dict[str, Any]:
        """The end of a run: per arm and seed the scores and what the task adds; the teacher's own."""
        scores = self._scores()
        found = {name: score for name, score in scores.items() if name != "answers"} | self.task.outcome(scores)
        by_arm = {
            name: self.by_arm(self._of_the_sound(value)) if isinstance(value, Tensor) else value
            for name, value in found.items()
        }
        return by_arm | {"answers": self.by_arm(scores["answers"])}


def _own_layers(objective: WhiteBox, inside: Inner) -> list[Tensor]:
    """The students' layers that learn, in the order of the teacher's that they learn from."""
    parts = inside.heads if objective.reads_heads else inside.hidden
    last = len(inside.heads or inside.hidden)
    return [parts[number - last - 1] for number in objective.student_layers(last)]


def _projection(wide: int, narrow: int, seed: int) -> Tensor:
    """(wide, narrow), as a linear layer without bias begins in PyTorch; a seed's own."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(wide, narrow, generator=generator) - 1) / math.sqrt(narrow)
