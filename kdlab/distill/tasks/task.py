"""What a trainer asks of a task. `kdlab.distill.tasks.classification` is the first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from kdlab.distill.cohort import Group
from kdlab.distill.objective_catalogue import Objective
from kdlab.distill.signals import Signal
from kdlab.models.inner_layers import Inner


@dataclass(frozen=True)
class StudentOutput:
    """What n students say of their batches: logits (n, B, …, K), float32; where it is asked for, their inside, each part
    (n, B, positions, …)."""

    logits: Tensor
    inside: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class Batch:
    """One step's examples: row numbers (n, B), a student's own each, the first ``labelled`` of them with a label.

    ``labels`` (n, B) are the true classes, and the teacher's answers where no label is known; ``mask`` (n, B, …) is
    true where an item counts, None where all do.
    """

    rows: Tensor
    labelled: int
    labels: Tensor
    mask: Tensor | None = None

    def of(self, its: slice | Tensor, seen: slice) -> Batch:
        """The part of some of the students, and of the examples that they see."""
        mask = None if self.mask is None else self.mask[its, seen]
        return Batch(self.rows[its, seen], self.labelled, self.labels[its, seen], mask)


@dataclass(frozen=True)
class Asked:
    """Students of a group with one objective: it is computed in one call, each student with its own temperature.

    ``its``: which of the group's students; ``seen``: which examples of a batch they learn from; ``signal``: what the
    teacher reveals to them.
    """

    objective: Objective
    its: slice | Tensor
    seen: slice
    signal: Signal


class Terms(NamedTuple):
    """A loss and what it is made of, each (n,): ``weighted`` is the sum of the two terms with their weights, and what is
    learned from; the terms themselves are in nats, unweighted."""

    weighted: Tensor
    supervised: Tensor
    distillation: Tensor


class Task(Protocol):
    """Owns examples and batches, the students' forward pass, the terms of the loss and the scores."""

    name: str

    def batch(self, step: int, group: Group) -> Batch:
        """What the group's students see at a step: the same for all arms of a seed."""
        ...

    def output(self, group: Group, batch: Batch, inside: bool = False) -> StudentOutput:
        """The students' forward pass over their batches; with ``inside`` their inside too."""
        ...

    def derivative(self, group: Group, its: slice | Tensor, batch: Batch, direction: Tensor) -> Tensor:
        """How the logits of some of the students change along a direction (n, B, …) of their input: (n, B, K)."""
        ...

    def positions(self, batch: Batch) -> Tensor | None:
        """True where a position of the input is no padding, (n, B, positions); None where there is no padding."""
        ...

    def terms(
        self,
        student: StudentOutput,
        batch: Batch,
        asked: list[Asked],
        temperature: Tensor,
        weights: tuple[Tensor | None, Tensor | None],
    ) -> Terms:
        """The supervised term, a mean over labelled examples, and what each student's objective asks, 0 where it has none.

        temperature (n,). weights: of the supervised and of the distillation term, (n,) each; None leaves a term out, which is
        0 then.
        """
        ...

    def reveal(self, signal: Signal, batch: Batch) -> Signal:
        """What a signal holds of the batch's examples, each part (n, B, …)."""
        ...

    def scores(self, group: Group) -> dict[str, Tensor]:
        """Each of the task's scores, (n,), by its metric's name, and the students' ``answers`` (n, N)."""
        ...

    def samples(self, group: Group) -> list[str]:
        """What each of the group's students writes now; empty where students of this task write nothing."""
        ...

    def outcome(self, scores: dict[str, Tensor]) -> dict[str, Any]:
        """What a result says beside the scores: per student as tensors (n, …), of the teacher as plain numbers."""
        ...

    def labelled_alone(self) -> Task:
        """The same steps for students that read no unlabelled example: a batch ends with its labelled part."""
        ...

    @property
    def labelled(self) -> int:
        """How many examples of a batch have a label; they come first."""
        ...

    @property
    def examples_a_step(self) -> int:
        """How many examples a student sees at a step."""
        ...

    @property
    def examples_a_point(self) -> int:
        """How many examples a student is scored on at a point."""
        ...
