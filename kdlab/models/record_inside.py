"""Keep what a teacher holds inside for a few test examples: ``python -m kdlab.models.record_inside TEACHER NUMBER …``.

Pages show it without loading PyTorch. The examples are those of the gallery.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import get_teacher, weights_sha256
from kdlab.models.checkpoints import load_teacher
from kdlab.models.inside_examples import inside_path
from kdlab.models.kept_files import write_arrays


def record_inside(teacher: str, examples: list[int]) -> None:
    """Writes the last hidden layer (N, positions, channels) and the logits' Jacobian (N, K, …), both float16."""
    dataset, network = get_dataset(get_teacher(teacher).dataset), load_teacher(teacher)
    x = torch.from_numpy(dataset.load().x_test[examples].copy())
    jacobian = torch.stack([torch.func.jacrev(network)(one.unsqueeze(0))[0, :, 0] for one in x])
    write_arrays(
        inside_path(teacher),
        examples=np.array(examples),
        hidden=network(x, inside=True)[1].hidden[-1].half().numpy(),
        jacobian=jacobian.half().numpy(),
        dataset_fingerprint=np.array(dataset.fingerprint()),
        weights_sha256=np.array(weights_sha256(teacher)),
    )


if __name__ == "__main__":
    record_inside(sys.argv[1], [int(number) for number in sys.argv[2:]])
