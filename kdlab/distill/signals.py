"""What a teacher reveals, computed once and kept: training reads signals, never the teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kdlab.data.registry import get_dataset
from kdlab.distill.access import Access
from kdlab.distill.teacher_signal import TeacherSignal
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import TeacherLogits, get_teacher, teacher_identity, teacher_logits
from kdlab.models.checkpoints import CheckpointError, load_teacher

# What a teacher reveals, row for row of the dataset: (N,) classes; (N, K) logits or probabilities; the likeliest
# classes' probabilities and numbers, (N, k) each. Empty where it reveals nothing.
Signal = tuple[Tensor, ...]


def load_logits(teacher: str, cache: Path) -> TeacherLogits:
    """The teacher's logits on each split of its dataset.

    From the file that comes with the teacher; else from ``cache``, keyed by the teacher's weights and
    the data; else the teacher answers once, now, and the cache keeps it (`kdlab.distill.teacher_signal`).
    Raises CheckpointError when the teacher itself cannot be loaded.
    """
    try:
        return teacher_logits(teacher)
    except ValueError as error:
        if is_added(teacher):
            raise CheckpointError(str(error)) from error
        return _cached_logits(teacher, cache)


def reveal(access: Access, logits: Tensor) -> Signal:
    """What a teacher with these logits (N, K) tells under this access: no more than it grants."""
    match access.rung:
        case "label":
            return (logits.argmax(-1),)
        case "top_k":
            return tuple(torch.topk(torch.softmax(logits, dim=-1), min(access.k, logits.shape[-1])))
        case "probabilities":
            return (torch.softmax(logits, dim=-1),)
        case "logits":
            return (logits if access.bits >= 32 else quantised(logits, access.bits),)
    return ()


def quantised(logits: Tensor, bits: int) -> Tensor:
    """Each row (…, K) on 2^bits evenly spaced levels between its smallest and its largest logit."""
    low, high = logits.aminmax(dim=-1, keepdim=True)
    step = (high - low).clamp(min=torch.finfo(logits.dtype).tiny) / (2**bits - 1)
    return low + ((logits - low) / step).round() * step


def _cached_logits(teacher: str, cache: Path) -> TeacherLogits:
    dataset = get_dataset(get_teacher(teacher).dataset)

    def kept(split: str, x: np.ndarray) -> np.ndarray:
        signal = TeacherSignal(
            cache,
            teacher=teacher_identity(teacher),
            rows=f"{dataset.fingerprint()} {split}",
            access=Access("logits"),
            count=len(x),
            ask=lambda rows: (answer(teacher, x[rows]),),
        )
        return signal.whole()[0]

    return TeacherLogits(**{split: kept(split, x) for split, (x, _) in dataset.load().splits().items()})


def answer(teacher: str, x: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """The teacher's logits (N, K) float32 on x, computed now."""
    module = load_teacher(teacher)
    with torch.inference_mode():
        batches = [
            module(torch.from_numpy(np.array(x[i : i + batch_size]))) for i in range(0, len(x), batch_size)
        ]
    return torch.cat(batches).float().numpy()
