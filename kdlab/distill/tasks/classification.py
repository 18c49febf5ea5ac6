"""Classification: each example has one of K classes, and a student gives K logits."""

from __future__ import annotations

import copy
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdlab.data.registry import Arrays
from kdlab.data.text import PADDING
from kdlab.distill.batches import draw_examples, shuffled_batches
from kdlab.distill.cohort import Group
from kdlab.distill.evaluation import per_class_accuracy, score
from kdlab.distill.loss import distillation_term, supervised_term
from kdlab.distill.signals import Signal
from kdlab.distill.tasks.task import Asked, Batch, StudentOutput, Terms
from kdlab.models.catalogue import TeacherLogits
from kdlab.models.inner_layers import Inner

_TEST_ROWS = 500


class Classification:
    """A data set and its teacher's answers on one device, with every seed's batches drawn.

    A step shows each seed's students the same ``batch_size`` labelled and ``batch_size`` unlabelled examples. ``parts``: into
    how many each of the two is cut on a transformer's way through, alike in length and without the padding that the longer
    ones need. It changes nothing but the order within a batch.
    """

    name = "classification"

    def __init__(
        self,
        data: Arrays,
        classes: int,
        teacher_logits: TeacherLogits,
        *,
        labels: int,
        transfer: int,
        batch_size: int,
        steps: int,
        seeds: int,
        device: torch.device,
        parts: int = 1,
    ) -> None:
        self.device, self.classes = device, classes
        self.x_test, self.y_test = self._put(data.x_test), self._put(data.y_test)
        pictures = self.x_test.is_floating_point()
        # In pieces that fit the processor's cache; of texts those alike in length together, cut where the longest ends.
        order = torch.arange(len(self.y_test), device=device) if pictures else _length(self.x_test).argsort(stable=True)
        self._test_pieces = [x if pictures else x[:, : int(_length(x).max())] for x in self.x_test[order].split(_TEST_ROWS)]
        self._test_places = order.argsort()
        self.teacher_log_p = torch.log_softmax(self._put(teacher_logits.test), dim=-1)
        drawn = [draw_examples(data.y_train, labels, transfer, seed) for seed in range(seeds)]
        labelled, unlabelled = (
            np.stack([shuffled_batches(rows[part], batch_size, steps, seed) for seed, rows in enumerate(drawn)])
            for part in (0, 1)
        )
        self.labelled = labelled.shape[-1]
        # Rows among the examples that are drawn at all: those few stay in a processor's cache.
        seen, batches = np.unique(np.concatenate([labelled, unlabelled], axis=-1), return_inverse=True)
        self.seen = seen  # (N,) row numbers in the training split
        self.x, self.teacher_logits = self._put(data.x_train[seen]), self._put(teacher_logits.train[seen])
        shape = (seeds, steps, -1)
        self.batches = self._put(batches.reshape(shape).swapaxes(0, 1))  # (steps, seeds, B)
        self._sizes: list[int] = []
        if parts > 1:
            sections = self.batches.tensor_split([self.labelled], dim=-1)
            self.batches = torch.cat([_shortest_first(section, _length(self.x)) for section in sections], dim=-1)
            sizes = [part.shape[-1] for section in sections for part in section.tensor_split(parts, dim=-1)]
            self._sizes = [size for size in sizes if size]
        known, unknown = self.batches.tensor_split([self.labelled], dim=-1)
        y, answers = self._put(data.y_train[seen]), self.teacher_logits.argmax(-1)
        self.labels = torch.cat([y[known], answers[unknown]], dim=-1)  # (steps, seeds, B)

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)

    def batch(self, step: int, group: Group) -> Batch:
        rows, labels = (table[step].index_select(0, group.seed_of) for table in (self.batches, self.labels))
        return Batch(rows, self.labelled, labels)

    def output(self, group: Group, batch: Batch, inside: bool = False) -> StudentOutput:
        x, inner = _rows_of(self.x, batch), Inner()
        # How many texts a part has, and how far its longest goes.
        parts = tuple((part.shape[1], int(_length(part).max())) for part in x.split(self._sizes, dim=1)) if self._sizes else ()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            if inside:
                logits, inner = group.outputs_and_inside(x, parts)
            else:
                logits = group.outputs(x, parts)
        return StudentOutput(logits.float(), Inner(*(tuple(part.float() for part in parts) for parts in inner)))

    def derivative(self, group: Group, its: slice | Tensor, batch: Batch, direction: Tensor) -> Tensor:
        return group.derivative(its, _rows_of(self.x, batch), direction)

    def positions(self, batch: Batch) -> Tensor | None:
        return None if self.x.is_floating_point() else _rows_of(self.x, batch) != PADDING

    def terms(
        self,
        student: StudentOutput,
        batch: Batch,
        asked: list[Asked],
        temperature: Tensor,
        weights: tuple[Tensor | None, Tensor | None],
    ) -> Terms:
        nothing = torch.zeros_like(temperature)
        known = slice(batch.labelled)
        supervised = nothing if weights[0] is None else supervised_term(student.logits[:, known], batch.labels[:, known])
        distillation = nothing if weights[1] is None else self._distillation_term(student, batch, asked, temperature)
        weighted = [w * term for w, term in zip(weights, (supervised, distillation), strict=True) if w is not None]
        return Terms(sum(weighted[1:], weighted[0]), supervised, distillation)

    def _distillation_term(
        self, student: StudentOutput, batch: Batch, asked: list[Asked], temperature: Tensor
    ) -> Tensor:
        """What each student's objective asks of it, unweighted, (n,) nats; 0 where it has none."""
        term = torch.zeros_like(temperature)
        for one in asked:
            part = batch.of(one.its, one.seen)
            own = distillation_term(
                one.objective,
                student.logits[one.its, one.seen],
                self.reveal(one.signal, part),
                part.labels,
                temperature[one.its],
            )
            if len(own) == len(term):
                return own
            term[one.its] = own
        return term

    def reveal(self, signal: Signal, batch: Batch) -> Signal:
        return tuple(_rows_of(part, batch) for part in signal)

    def scores(self, group: Group) -> dict[str, Tensor]:
        with torch.inference_mode():
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                pieces = [group.shared_outputs(x).float() for x in self._test_pieces]
            return score(torch.cat(pieces, dim=1)[:, self._test_places], self.teacher_log_p, self.y_test)

    def samples(self, group: Group) -> list[str]:
        return []

    def outcome(self, scores: dict[str, Tensor]) -> dict[str, Any]:
        teacher_answers = self.teacher_log_p.argmax(-1)
        return {
            "per_class": per_class_accuracy(scores["answers"], self.y_test, self.classes),
            "teacher_accuracy": (teacher_answers == self.y_test).float().mean().item(),
            "teacher_per_class": per_class_accuracy(teacher_answers[None], self.y_test, self.classes)[0].tolist(),
        }

    def labelled_alone(self) -> Classification:
        alone = copy.copy(self)
        alone.batches, alone.labels = self.batches[..., : self.labelled], self.labels[..., : self.labelled]
        ends = accumulate(self._sizes)  # no part has both kinds
        alone._sizes = [size for size, end in zip(self._sizes, ends, strict=True) if end <= self.labelled]
        return alone

    @property
    def examples_a_step(self) -> int:
        return self.batches.shape[-1]

    @property
    def examples_a_point(self) -> int:
        return len(self.y_test)


def _length(x: Tensor) -> Tensor:
    """How far the texts x (…, L) go, (…): what follows is padding, which no student sees."""
    return (x != PADDING).sum(-1)


def _shortest_first(rows: Tensor, length: Tensor) -> Tensor:
    """Row numbers (…, B) in the order of their texts' length (N,)."""
    return rows.gather(-1, length[rows].argsort(dim=-1, stable=True))


def _rows_of(table: Tensor, batch: Batch) -> Tensor:
    """table (N, …) → (n, B, …), as `table[batch.rows]` in a quarter of its time."""
    return table.index_select(0, batch.rows.flatten()).unflatten(0, batch.rows.shape)
