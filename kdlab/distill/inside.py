"""What a teacher reveals of its inside: computed once for a data set's training rows, kept on disk, mapped into memory."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from kdlab.data.registry import get_dataset
from kdlab.data.text import PADDING
from kdlab.distill.access import Access
from kdlab.distill.derivative import derivative
from kdlab.distill.signals import Signal
from kdlab.distill.teacher_signal import TeacherSignal
from kdlab.distill.white_box import attention_map, attention_scores
from kdlab.models.catalogue import get_teacher, teacher_identity
from kdlab.models.checkpoints import load_teacher
from kdlab.models.inner_layers import Inner
from kdlab.models.networks import build_teacher
from kdlab.models.sizes import HEAD

_AT_ONCE = 250  # examples in a forward pass
_SHARD_ROWS = 1024


def load_inside(teacher: str, access: Access, rows: np.ndarray, cache: Path, device: torch.device) -> Signal:
    """What the teacher reveals of these rows (N,) of its data set's training split, each part float16 with N rows.

    ``hidden``: a layer (N, positions, channels). ``attention``: its map (N, positions, 1), its heads' scores (N, heads,
    positions, positions), or its queries, keys and values (N, positions, 3 · channels). One such part for each of the
    access's layers. ``gradients``: the logits' derivative (N, K) along a direction an example, and that direction: of a
    picture its signs (N, …) int8, with length 1 and scaled by the root of its size, so that a mean of squares estimates
    the Jacobian's; of a text a swap of one piece (N, 2) int64 (`swaps`).

    A placebo is the control of what a teacher knows, so it differs in nothing else: an untrained teacher's signal is
    `_as_large` as the teacher's on the same rows, and another example is `_another` of like length.

    Errors as `load_teacher` where it has to be asked. Whether it fits the memory beside a run's others is looked at before
    (`kdlab.runs.build`).
    """
    x = get_dataset(get_teacher(teacher).dataset).load().x_train
    signal = _signal(teacher, access, x, cache)
    if access.whose == "shuffled":
        rows = _another(x, rows)
    shown = signal[rows]
    if access.whose == "untrained":
        _as_large(shown, signal, _signal(teacher, replace(access, whose="teacher"), x, cache), access, x, rows)
    return tuple(torch.from_numpy(part).to(device) for part in shown)


def _signal(teacher: str, access: Access, x: np.ndarray, cache: Path) -> TeacherSignal:
    """Of all rows of x (N, …): the teacher's own, or that of its network before it was trained."""
    untrained = access.whose == "untrained"
    network = functools.cache(lambda: _network(teacher, untrained))  # loaded for the first shard that is not there
    return TeacherSignal(
        cache,
        teacher=f"{teacher} untrained" if untrained else teacher_identity(teacher),
        rows=f"{get_dataset(get_teacher(teacher).dataset).fingerprint()} train",
        access=replace(access, whose="untrained" if untrained else "teacher"),
        count=len(x),
        ask=lambda part: _ask(network(), access, x, range(*part.indices(len(x)))),
        shard_rows=_SHARD_ROWS,
    )


def _another(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """For each of these rows (N,) of x another of them, each once; of texts one of like length.

    Where a text goes on and the other has ended, the teacher shows padding: a student would be pulled to it at a place
    that counts. By length, and by chance among those of one length, each text gets the next but one: there along the even
    places and back along the odd ones.
    """
    drawn = np.random.default_rng(0).permutation(len(rows))
    if np.issubdtype(x.dtype, np.integer):
        drawn = drawn[np.count_nonzero(x[rows[drawn]] != PADDING, axis=1).argsort(kind="stable")]
    ring = np.concatenate([drawn[::2], drawn[1::2][::-1]])
    found = np.empty_like(rows)
    found[ring] = rows[np.roll(ring, 1)]
    return found


def _as_large(
    shown: tuple[np.ndarray, ...],
    untrained: TeacherSignal,
    teacher: TeacherSignal,
    access: Access,
    x: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Gives each layer of an untrained teacher's signal, in place, the mean square of the teacher's on the same rows.

    Random weights let little through, the more so the deeper: the hidden states of the Fashion teacher's network are
    37 times smaller before it is trained. A term that asks for next to nothing does next to nothing, and would be no
    control. What does not depend on the scale, a map or the Gram matrix, stays as it is.
    """
    ours, theirs = (_squares(signal, access, x, rows) for signal in (untrained, teacher))
    for part, own, wanted in zip(shown, ours, theirs, strict=False):  # after a derivative comes its direction
        scale = np.sqrt(wanted / own).astype(np.float32).repeat(part.shape[-1] // len(own))
        np.multiply(part, scale, out=part, casting="same_kind")


def _squares(signal: TeacherSignal, access: Access, x: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """The sum of squares of what the objectives compare of each layer, over these rows: (1,), of queries, keys and values (3,)."""
    kinds = 3 if access.form == "queries_keys_values" else 1
    totals = [np.zeros(kinds) for _ in access.layers or (0,)]
    for some in np.array_split(rows, -(-len(rows) // _SHARD_ROWS)):  # few enough to be held beside all the rest
        for total, part in zip(totals, signal[some], strict=False):  # after a derivative comes its direction
            compared = _compared(part.astype(np.float32), access, x[some])
            total += np.square(compared).reshape(-1, kinds, compared.shape[-1] // kinds).sum((0, 2), dtype=np.float64)
    return totals


def _compared(part: np.ndarray, access: Access, x: np.ndarray) -> np.ndarray:
    """A layer (n, …) of the rows x (n, …) without what no objective reads: what all logits share, and what stands at padding,
    where hidden states are 0."""
    if access.rung == "gradients":
        return part - part.mean(-1, keepdims=True)
    if access.form == "map":
        return part
    real = x != PADDING
    if access.form == "scores":
        return np.moveaxis(part, 1, -1)[real[:, :, None] & real[:, None, :]]
    return part[real]


def directions(x: np.ndarray, rows: range) -> np.ndarray:
    """A direction for each of these rows of x (N, …), a row's own whichever rows are asked for.

    Of pictures signs (rows, …) int8, of texts `swaps`.
    """
    if np.issubdtype(x.dtype, np.integer):
        return swaps(x, rows)
    drawn = [np.random.default_rng([3, row]).integers(0, 2, x.shape[1:], dtype=np.int8) for row in rows]
    return (2 * np.stack(drawn) - 1).astype(np.int8)


def swaps(x: np.ndarray, rows: range) -> np.ndarray:
    """(rows, 2) int64: a place between a text's marks, and the piece at such a place in another text. x (N, L) ids."""
    found = np.empty((len(rows), 2), dtype=np.int64)
    for i, row in enumerate(rows):
        rng = np.random.default_rng([3, row])
        other = x[rng.integers(len(x))]
        found[i] = _inner_place(x[row], rng), other[_inner_place(other, rng)]
    return found


def _inner_place(text: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.integers(1, max(2, np.count_nonzero(text) - 1)))


def _network(teacher: str, untrained: bool) -> nn.Module:
    if not untrained:
        return load_teacher(teacher)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_teacher(teacher).eval().requires_grad_(False)


def _ask(network: nn.Module, access: Access, x: np.ndarray, rows: range) -> tuple[np.ndarray, ...]:
    batches = torch.from_numpy(x[rows.start : rows.stop].copy()).split(_AT_ONCE)
    if access.rung == "gradients":
        along = directions(x, rows)
        with torch.no_grad():
            found = [derivative(network, b, v) for b, v in zip(batches, torch.from_numpy(along).split(_AT_ONCE), strict=True)]
        return torch.cat(found).half().numpy(), along
    parts: list[list[np.ndarray]] = [[] for _ in access.layers]
    with torch.inference_mode():
        for batch in batches:
            inner = network(batch, inside=True)[1]
            for part, number in zip(parts, access.layers, strict=True):
                part.append(_shown(inner, number, access).half().numpy())
    return tuple(np.concatenate(part) for part in parts)


def _shown(inner: Inner, number: int, access: Access) -> Tensor:
    if access.rung == "hidden":
        return inner.hidden[number if inner.heads else number - 1]
    if access.form == "map":
        return attention_map(inner.hidden[number if inner.heads else number - 1]).unsqueeze(-1)
    heads = inner.heads[number - 1]
    return heads if access.form == "queries_keys_values" else attention_scores(heads, heads.shape[-1] // 3 // HEAD)
