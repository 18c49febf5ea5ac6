"""Students that read word pieces learn stacked what each learns alone."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import Group, fresh_student
from kdlab.models.catalogue import students_for

STEPS, BATCH, COHORT = 4, 16, 3
CPU = torch.device("cpu")


def trained(student: str, seeds: list[int]) -> Group:
    """Students after a few steps, each on examples of its own."""
    arrays = get_dataset("glosses").load()
    x, y = torch.tensor(arrays.x_train), torch.tensor(arrays.y_train)
    students = [fresh_student(student, "glosses", seed) for seed in seeds]
    group = Group(students, 2e-3, CPU, slice(0, len(seeds)), arms=1)
    for step in range(STEPS):
        rows = torch.stack([torch.arange(BATCH) + BATCH * (step + STEPS * seed) for seed in seeds])
        loss = cross_entropy(group.outputs(x[rows]).flatten(0, 1), y[rows].flatten(), reduction="sum") / BATCH
        group.step(loss, 2e-3)
    return group


@pytest.mark.parametrize("student", [shape.name for shape in students_for("glosses")])
def test_stacked_training_is_training_alone(student: str) -> None:
    # Answers and not weights: a softmax does not see the keys' bias, so Adam moves it by rounding errors alone.
    x = torch.tensor(get_dataset("glosses").load().x_test[:20])
    stacked = trained(student, list(range(COHORT))).shared_outputs(x)
    alone = torch.cat([trained(student, [seed]).shared_outputs(x) for seed in range(COHORT)])
    torch.testing.assert_close(stacked, alone, atol=1e-5, rtol=1e-4)
