"""Keep what a teacher holds inside for a few test examples: ``python -m kdlab.models.record_inside TEACHER NUMBER …``.

Pages show it without loading PyTorch. The examples are those of the gallery.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor

from kdlab.data.registry import get_dataset
from kdlab.models.bert import BertClassifier
from kdlab.models.catalogue import get_teacher, weights_sha256
from kdlab.models.checkpoints import load_teacher
from kdlab.models.inside_examples import inside_path
from kdlab.models.kept_files import write_arrays


def record_inside(teacher: str, examples: list[int]) -> None:
    """Writes what `InsideExample` has of each, float16."""
    dataset, network = get_dataset(get_teacher(teacher).dataset), load_teacher(teacher)
    x = torch.from_numpy(dataset.load().x_test[examples].copy())
    with torch.no_grad():
        inner = network(x, inside=True)[1]
    kept = {"hidden": inner.hidden[-1]}
    if dataset.kind == "token":
        with torch.no_grad():
            kept["attention"] = network.encode(x, output_attentions=True).attentions[-1].mean(1)
        kept["jacobian"] = torch.cat([_sway(network, one.unsqueeze(0)) for one in x])
    else:
        kept["jacobian"] = torch.stack([torch.func.jacrev(network)(one.unsqueeze(0))[0, :, 0] for one in x])
    write_arrays(
        inside_path(teacher),
        examples=np.array(examples),
        **{name: part.detach().half().numpy() for name, part in kept.items()},
        dataset_fingerprint=np.array(dataset.fingerprint()),
        weights_sha256=np.array(weights_sha256(teacher)),
    )


def _sway(network: BertClassifier, x: Tensor) -> Tensor:
    """How far a step of a tenth of a piece's embedding can move each logit, were it a straight line: x (1, L) → (1, K, L)."""
    embedded = network.bert.embeddings.word_embeddings(x)
    slope = torch.func.jacrev(lambda words: network.judge(network.encode(x, words), x))(embedded)[:, :, 0]  # (1, K, L, H)
    return slope.norm(dim=-1) * embedded.norm(dim=-1).unsqueeze(1) / 10


if __name__ == "__main__":
    record_inside(sys.argv[1], [int(number) for number in sys.argv[2:]])
