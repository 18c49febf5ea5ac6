"""What a teacher reveals of its inside: computed once for a data set's training rows, kept on disk, mapped into memory."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.data.registry import get_dataset
from kdlab.distill.access import Access
from kdlab.distill.device import free_memory
from kdlab.distill.signals import Signal
from kdlab.distill.teacher_signal import TeacherSignal
from kdlab.distill.white_box import attention_map
from kdlab.models.catalogue import get_teacher, weights_sha256
from kdlab.models.checkpoints import CheckpointError, load_teacher
from kdlab.models.networks import build_teacher

SHARE_OF_MEMORY = 0.25
"""Of what is free: how much of it a run's signals from inside a teacher may fill."""
_AT_ONCE = 250  # examples in a forward pass
_SHARD_ROWS = 1024


def load_inside(teacher: str, access: Access, rows: np.ndarray, cache: Path, device: torch.device) -> Signal:
    """What the teacher reveals of these rows (N,) of its data set's training split, each part float16 with N rows.

    ``hidden``: a layer (N, positions, channels). ``attention``: its map (N, positions, 1). ``gradients``: the logits'
    derivative (N, K) along a direction an example, and that direction's signs (N, …) int8. Directions have length 1
    and are scaled by the root of their size, so that a mean of squares estimates the Jacobian's.

    Raises CheckpointError where the teacher cannot be loaded, and where the signal would fill more than its share of
    the free memory.
    """
    dataset = get_dataset(get_teacher(teacher).dataset)
    x = dataset.load().x_train
    untrained = access.whose == "untrained"
    network = functools.cache(lambda: _network(teacher, untrained))  # loaded for the first shard that is not there
    signal = TeacherSignal(
        cache,
        teacher=f"{teacher} {'untrained' if untrained else weights_sha256(teacher)}",
        rows=f"{dataset.fingerprint()} train",
        access=Access(access.rung, layer=access.layer, whose="untrained" if untrained else "teacher"),
        count=len(x),
        ask=lambda part: _ask(network(), access, np.array(x[part]), part.start),
        shard_rows=_SHARD_ROWS,
    )
    _fits(signal, len(rows), device)
    if access.whose == "shuffled":
        rows = np.random.default_rng(0).permutation(rows)
    return tuple(torch.from_numpy(part).to(device) for part in signal[rows])


def directions(shape: tuple[int, ...], rows: range) -> np.ndarray:
    """Signs (N, *shape) int8, a row's own whichever rows are asked for."""
    drawn = [np.random.default_rng([3, row]).integers(0, 2, shape, dtype=np.int8) for row in rows]
    return (2 * np.stack(drawn) - 1).astype(np.int8)


def _network(teacher: str, untrained: bool) -> nn.Module:
    if not untrained:
        return load_teacher(teacher)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_teacher(teacher).eval().requires_grad_(False)


def _ask(network: nn.Module, access: Access, x: np.ndarray, first: int) -> tuple[np.ndarray, ...]:
    batches = torch.from_numpy(x).split(_AT_ONCE)
    if access.rung == "gradients":
        signs = directions(x.shape[1:], range(first, first + len(x)))
        along = torch.from_numpy(signs).split(_AT_ONCE)
        with torch.no_grad():
            found = [derivative(network, b, v) for b, v in zip(batches, along, strict=True)]
        return torch.cat(found).half().numpy(), signs
    with torch.inference_mode():
        layers = [network(b, inside=True)[1][access.layer - 1] for b in batches]
        if access.rung == "attention":
            layers = [attention_map(layer).unsqueeze(-1) for layer in layers]
        return (torch.cat(layers).half().numpy(),)


def derivative(network: nn.Module, x: Tensor, signs: Tensor) -> Tensor:
    """The derivative of the logits along the signs: J·v for |v| = 1, times the root of v's size. x, signs (B, …)."""
    return torch.func.jvp(network, (x,), (signs.to(x.dtype),))[1]


def _fits(signal: TeacherSignal, rows: int, device: torch.device) -> None:
    one = sum(part[0].nbytes for part in signal[np.zeros(1, dtype=int)])
    free = free_memory(device)
    if free is not None and one * rows > SHARE_OF_MEMORY * free:
        raise CheckpointError(
            f"The inside of the teacher on {rows:,} examples fills {one * rows / 2**20:,.0f} MiB, more than a quarter "
            f"of the memory that is free ({free / 2**20:,.0f} MiB). Take fewer labels, a smaller transfer set or fewer "
            "seeds."
        )
