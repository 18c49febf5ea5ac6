"""Classification: each example has one of K classes, and a student gives K logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdlab.data.registry import Arrays
from kdlab.data.text import PADDING
from kdlab.distill.batches import draw_examples, shuffled_batches
from kdlab.distill.cohort import Group
from kdlab.distill.evaluation import per_class_accuracy, score
from kdlab.distill.loss import supervised_term
from kdlab.distill.signals import Signal
from kdlab.distill.tasks.task import Batch, StudentOutput
from kdlab.models.catalogue import TeacherLogits
from kdlab.models.inner_layers import Inner

_TEST_ROWS = 500


class Classification:
    """A data set and its teacher's answers on one device, with every seed's batches drawn.

    A step shows each seed's students the same ``batch_size`` labelled and ``batch_size`` unlabelled examples.
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
    ) -> None:
        self.device, self.classes = device, classes
        self.x_test, self.y_test = self._put(data.x_test), self._put(data.y_test)
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
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            if inside:
                logits, inner = group.logits_and_inside(x)
            else:
                logits = group.logits(x)
        return StudentOutput(logits.float(), Inner(*(tuple(part.float() for part in parts) for parts in inner)))

    def derivative(self, group: Group, its: slice | Tensor, batch: Batch, direction: Tensor) -> Tensor:
        return group.derivative(its, _rows_of(self.x, batch), direction)

    def positions(self, batch: Batch) -> Tensor | None:
        return None if self.x.is_floating_point() else _rows_of(self.x, batch) != PADDING

    def supervised_term(self, output: StudentOutput, batch: Batch) -> Tensor:
        known = slice(batch.labelled)
        return supervised_term(output.logits[:, known], batch.labels[:, known])

    def reveal(self, signal: Signal, batch: Batch) -> Signal:
        return tuple(_rows_of(part, batch) for part in signal)

    def scores(self, group: Group) -> dict[str, Tensor]:
        with torch.inference_mode():
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                # In pieces that fit the processor's cache.
                pieces = [group.shared_logits(x).float() for x in self.x_test.split(_TEST_ROWS)]
            return score(torch.cat(pieces, dim=1), self.teacher_log_p, self.y_test)

    def outcome(self, scores: dict[str, Tensor]) -> dict[str, Any]:
        teacher_answers = self.teacher_log_p.argmax(-1)
        return {
            "per_class": per_class_accuracy(scores["answers"], self.y_test, self.classes),
            "teacher_accuracy": (teacher_answers == self.y_test).float().mean().item(),
            "teacher_per_class": per_class_accuracy(teacher_answers[None], self.y_test, self.classes)[0].tolist(),
        }

    @property
    def examples_a_step(self) -> int:
        return self.batches.shape[-1]

    @property
    def examples_a_point(self) -> int:
        return len(self.y_test)


def _rows_of(table: Tensor, batch: Batch) -> Tensor:
    """table (N, …) → (n, B, …), as `table[batch.rows]` in a quarter of its time."""
    return table.index_select(0, batch.rows.flatten()).unflatten(0, batch.rows.shape)
