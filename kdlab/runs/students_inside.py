"""What students hold inside at the end of a run, and held at its start, beside their teacher: for the gallery's examples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.data.registry import get_dataset
from kdlab.data.word_pieces import PADDING
from kdlab.distill.cohort import fresh_student
from kdlab.distill.trainer import Trainer
from kdlab.distill.white_box import attention_map
from kdlab.models.checkpoints import load_teacher
from kdlab.models.copied_layers import copied_layers
from kdlab.models.inner_layers import layers_of_student, layers_of_teacher
from kdlab.models.inside_examples import inside_examples
from kdlab.models.networks import build_student
from kdlab.runs.inside_kept import START, TEACHER, named, of_arm, start_of
from kdlab.runs.spec import RunSpec


def students_inside(spec: RunSpec, trainer: Trainer) -> dict[str, np.ndarray]:
    """Arrays for `kdlab.runs.inside_kept.read_inside`, of each arm's first seed; none where there is nothing to look into.

    Errors as `load_teacher`.
    """
    layers = layers_of_student(spec.student, spec.dataset), layers_of_teacher(spec.teacher)
    examples = list(inside_examples(spec.teacher))
    if not examples or not all(layers):
        return {}
    data = get_dataset(spec.dataset)
    x = torch.from_numpy(data.load().x_test[examples].copy())
    real = x != PADDING if data.kind == "token" else None
    looked: dict[str, nn.Module] = {
        TEACHER: load_teacher(spec.teacher),
        START: fresh_student(spec.student, spec.dataset, 0),
    }
    weights = trainer.cohort.weights()  # those of the first seed come first
    for place, arm in enumerate(trainer.arms):
        looked[of_arm(arm.key)] = build_student(spec.student, spec.dataset)
        looked[of_arm(arm.key)].load_state_dict(weights[place])
        if arm.copy_layers is not None:
            began = fresh_student(spec.student, spec.dataset, 0)
            copied = copied_layers(spec.teacher, spec.student, spec.dataset, arm.copy_layers.pairs(*layers))
            began.load_state_dict(copied, strict=False)
            looked[start_of(arm.key)] = began
    found = {"examples": np.array(examples)}
    for whose, network in looked.items():
        for (layer, part), values in _seen(network.eval(), x, real).items():
            found[named(whose, layer, part)] = values.half().numpy()
    return found


@torch.inference_mode()
def _seen(network: nn.Module, x: Tensor, real: Tensor | None) -> dict[tuple[int, str], Tensor]:
    """By layer and part. real (n, L): true where a word piece is no padding."""
    inner, found = network(x, inside=True)[1], {}
    looks = network.encode(x, output_attentions=True).attentions if inner.heads else ()  # type: ignore[operator]
    for layer, hidden in enumerate(inner.hidden, 0 if inner.heads else 1):
        if layer == 0:  # a transformer's embeddings look at nothing
            continue
        count = hidden.shape[1] if real is None else real.sum(1, keepdim=True)
        found[layer, "strip"] = hidden.sum(1) / count
        if inner.heads and real is not None:
            found[layer, "attention"] = looks[layer - 1].mean(1) * real[:, None, :] * real[:, :, None]
        else:
            found[layer, "attention"] = attention_map(hidden)
    return found
