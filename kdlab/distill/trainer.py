"""The trainer: a cohort through its batches, in lock-step, with a point now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from kdlab.data.registry import get_dataset
from kdlab.distill.arms import Arm
from kdlab.distill.batches import draw_examples, shuffled_batches
from kdlab.distill.cohort import Cohort, Group
from kdlab.distill.device import resolve_device
from kdlab.distill.evaluation import Scores, concatenate, per_class_accuracy, score
from kdlab.distill.grouping import group_size
from kdlab.distill.loss import distillation_term, supervised_term
from kdlab.distill.signals import load_logits, reveal

_TEST_ROWS = 500


@dataclass(frozen=True)
class Point:
    """What is known after ``step`` updates. Values are nested lists (arms, seeds) by metric.

    Losses are means since the last point, in nats and unweighted. The gradient budget is of the two weighted
    terms, in the student's weights, on one batch: their norms, their cosine, and the share of their sum that
    is the distillation term's, g_d·g / g·g with g = g_s + g_d (below 0 or above 1 where they oppose each other).
    A term without a gradient has no direction: the cosine is NaN there, the share where the sum is 0.
    """

    step: int
    epoch: float
    seconds: float
    arms: tuple[str, ...]
    values: dict[str, list[list[float]]]


class Listener(Protocol):
    """Who watches a run, and may hold or steer it. The trainer does not know who that is."""

    def point(self, point: Point) -> None: ...

    def before_step(self, trainer: Trainer) -> bool:
        """May wait, steer, or raise to stop. True asks for a point after this step."""
        ...


class Trainer:
    """Every arm and seed of a run as one cohort.

    A step shows each seed's students the same ``batch_size`` labelled and ``batch_size`` unlabelled
    examples: cross-entropy reads the labelled, distillation reads both (an objective without a teacher, the
    labelled only).
    """

    def __init__(
        self,
        *,
        dataset: str,
        teacher: str,
        student: str,
        arms: tuple[Arm, ...],
        labels: int,
        transfer: int,
        total_steps: int,
        epochs: int,
        seeds: int,
        learning_rate: float,
        batch_size: int,
        device: str,
        cache: Path,
    ) -> None:
        self.device = resolve_device(device)
        self.arms, self.seeds, self.total_steps, self.epochs = arms, seeds, total_steps, epochs
        data = get_dataset(dataset)
        arrays, self.classes = data.load(), len(data.classes)
        train_logits, test_logits = load_logits(teacher, cache / "signals")

        self.x, self.y = self._put(arrays.x_train), self._put(arrays.y_train)
        self.x_test, self.y_test = self._put(arrays.x_test), self._put(arrays.y_test)
        logits = self._put(train_logits)
        self.answers = logits.argmax(-1)
        self.signals = [reveal(arm.access, logits) for arm in arms]
        self.teacher_log_p = torch.log_softmax(self._put(test_logits), dim=-1)

        drawn = [draw_examples(arrays.y_train, labels, transfer, seed) for seed in range(seeds)]
        parts = [
            np.stack(
                [
                    shuffled_batches(rows[part], batch_size, total_steps, seed)
                    for seed, rows in enumerate(drawn)
                ]
            )
            for part in (0, 1)
        ]
        self.labelled = parts[0].shape[-1]
        batches = np.concatenate(parts, axis=-1).repeat(len(arms), axis=0)  # (students, steps, B)
        self.batches = self._put(batches.swapaxes(0, 1))

        count, rows = len(arms) * seeds, batches.shape[-1]
        self.cohort = Cohort(
            student,
            dataset,
            arms=len(arms),
            seeds=seeds,
            group_size=group_size(student, dataset, count, rows, self.device, cache),
            learning_rate=learning_rate,
            device=self.device,
        )
        self.temperature = torch.tensor([arm.temperature for arm in arms] * seeds, device=self.device)
        self.kd_weight = torch.tensor([arm.kd_weight for arm in arms] * seeds, device=self.device)
        self.step_number = 0
        self.waited = 0.0  # seconds that a listener has held the training; they are no training time
        self._started = time.perf_counter()
        self._sums = torch.zeros(2, count, device=self.device)
        self._summed = 0
        self._restored = False

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)

    # ------------------------------------------------------------------ the loop

    def train(self, listener: Listener) -> None:
        """All steps, a point at the start, the end and evenly between. Ends early when the listener raises."""
        marks = self.point_steps()
        if not self._restored:
            listener.point(self.measure())
        while self.step_number < self.total_steps:
            wanted = listener.before_step(self)
            self.step()
            if wanted or self.step_number in marks:
                listener.point(self.measure())

    def point_steps(self) -> frozenset[int]:
        """Steps after which a point is due: 12 to 60 of them, so that measuring stays a small part.

        An update costs about three forward passes over its batch, a point one over the test set.
        """
        passes = 3 * self.total_steps * self.batches.shape[-1] / len(self.y_test)
        count = min(self.total_steps, max(12, min(60, round(0.2 * passes))))
        return frozenset(np.linspace(0, self.total_steps, count + 1).round().astype(int).tolist()[1:])

    def step(self) -> None:
        """One update of every student."""
        for group, where in zip(self.cohort.groups, self.cohort.slices, strict=True):
            supervised, distillation = self._terms(group, where, self.batches[self.step_number])
            w = self.kd_weight[where]
            group.step(((1 - w) * supervised + w * distillation).sum())
            self._sums[0, where] += supervised.detach()
            self._sums[1, where] += distillation.detach()
        self._summed += 1
        self.step_number += 1

    def _terms(self, group: Group, where: slice, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Each student's two terms, unweighted, (n,). Labels only has no second term: it is 0."""
        rows = rows[where]  # (n, B)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            student_logits = group.logits(self.x[rows])
        student_logits, known = student_logits.float(), self.labelled
        labels = torch.cat([self.y[rows[:, :known]], self.answers[rows[:, known:]]], dim=1)
        supervised = supervised_term(student_logits[:, :known], labels[:, :known])
        distillation = torch.zeros_like(supervised)
        for i, arm in enumerate(self.arms):
            if arm.objective is None:
                continue
            # Student s is of arm s % arms: this arm's students in the group are every arms-th from its first.
            its = slice((i - where.start) % len(self.arms), None, len(self.arms))
            seen = slice(known) if arm.objective.needs == "nothing" else slice(None)
            chosen = rows[its, seen]
            if not len(chosen):
                continue
            signal = tuple(part[chosen] for part in self.signals[i])
            distillation[its] = distillation_term(
                arm.objective,
                student_logits[its, seen],
                signal,
                labels[its, seen],
                self.temperature[where][its],
            )
        return supervised, distillation

    def steer(self, steering: dict[str, float]) -> None:
        """Moves temperature and KD weight of the arms that obey, from the next step on."""
        self.arms = tuple(arm.steered(steering) for arm in self.arms)
        for i, arm in enumerate(self.arms):
            self.temperature[i :: len(self.arms)] = arm.temperature
            self.kd_weight[i :: len(self.arms)] = arm.kd_weight

    # ----------------------------------------------------------------- checkpoints

    def state(self) -> dict[str, Tensor]:
        """All that the steps to come depend on, by name: a trainer of the same run that restores it goes on to the bit."""
        done = torch.tensor([self.step_number, self._summed])
        spent = torch.tensor(time.perf_counter() - self._started - self.waited, dtype=torch.float64)
        own = {"done": done, "seconds": spent, "sums": self._sums}
        groups = {f"group {g}/{name}": t for g, group in enumerate(self.cohort.groups) for name, t in group.state().items()}
        return {name: tensor.contiguous().clone().cpu() for name, tensor in {**own, **groups}.items()}

    def restore(self, state: dict[str, Tensor], steering: dict[str, float]) -> bool:
        """Goes on from `state`, under the steering that held then. False, and nothing done, for another run's state."""
        mine = {name: tensor.shape for name, tensor in self.state().items()}
        if any(name not in state or state[name].shape != shape for name, shape in mine.items()):
            return False
        self.step_number, self._summed = state["done"].tolist()
        self._sums = state["sums"].to(self.device)
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
        scores = self.scores()
        sums = self._sums / max(self._summed, 1) if self._summed else self._first_terms()
        gradients = self._gradient_budget()
        values = {
            "accuracy": scores.accuracy,
            "agreement": scores.agreement,
            "kl": scores.kl,
            "supervised": sums[0],
            "distillation": sums[1],
            **gradients,
        }
        self._sums.zero_()
        self._summed = 0
        return Point(
            step=self.step_number,
            epoch=self.epochs * self.step_number / self.total_steps,
            seconds=time.perf_counter() - self._started - self.waited,
            arms=tuple(arm.key for arm in self.arms),
            values={name: self.by_arm(tensor) for name, tensor in values.items()},
        )

    def scores(self) -> Scores:
        """Every student on the whole test set."""
        with torch.inference_mode():
            return concatenate(
                [
                    score(self._test_logits(group), self.teacher_log_p, self.y_test)
                    for group in self.cohort.groups
                ]
            )

    def _test_logits(self, group: Group) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            # In pieces that fit the processor's cache.
            pieces = [group.shared_logits(x).float() for x in self.x_test.split(_TEST_ROWS)]
        return torch.cat(pieces, dim=1)

    def _each_group(self, of: Callable[[Group, slice, Tensor], Tensor]) -> Tensor:
        rows = self.batches[min(self.step_number, self.total_steps - 1)]
        parts = [of(g, w, rows) for g, w in zip(self.cohort.groups, self.cohort.slices, strict=True)]
        return torch.cat(parts, dim=-1)

    def _first_terms(self) -> Tensor:
        """(2, students): the terms before any update."""

        def terms(group: Group, where: slice, rows: Tensor) -> Tensor:
            with torch.no_grad():
                return torch.stack(self._terms(group, where, rows))

        return self._each_group(terms)

    def _gradient_budget(self) -> dict[str, Tensor]:
        """The two weighted terms' gradients in each student's weights: norms, cosine, the share of their sum."""

        def budget(group: Group, where: slice, rows: Tensor) -> Tensor:
            supervised, distillation = self._terms(group, where, rows)
            w = self.kd_weight[where]
            g_s = group.gradients(((1 - w) * supervised).sum())
            g_d = group.gradients((w * distillation).sum())
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
        """The end of a run: per arm and seed accuracy, agreement, KL and per-class accuracy; the teacher's own."""
        scores = self.scores()
        teacher_answers = self.teacher_log_p.argmax(-1)
        return {
            "accuracy": self.by_arm(scores.accuracy),
            "agreement": self.by_arm(scores.agreement),
            "kl": self.by_arm(scores.kl),
            "per_class": self.by_arm(per_class_accuracy(scores.answers, self.y_test, self.classes)),
            "answers": self.by_arm(scores.answers),
            "teacher_accuracy": (teacher_answers == self.y_test).float().mean().item(),
            "teacher_per_class": per_class_accuracy(teacher_answers[None], self.y_test, self.classes)[
                0
            ].tolist(),
        }
