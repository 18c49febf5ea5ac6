"""What a language model reveals of windows of a text: asked once, kept on disk, on the device while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from kdlab.distill.access import Access
from kdlab.distill.teacher_signal import TeacherSignal

MOST_DRAWS = 16
_AT_ONCE = 8  # windows that the teacher reads in one pass
_SHARD_ROWS = 64  # windows: a teacher that is stopped has lost no more than these
_CHUNK = 1024  # positions whose probabilities are there at once while tokens are drawn

Progress = Callable[[int, int], None]
"""Hears how many windows of how many the teacher has answered; may raise to stop it."""


class Answers(Protocol):
    """A teacher that is here: `kdlab.models.causal_teacher`."""

    def hidden(self, x: Tensor) -> Tensor:
        """x (B, L) own ids → last hidden states (B, L, H)."""
        ...

    @property
    def head(self) -> Tensor:
        """(V, H): logits over the own tokens are hidden · headᵀ."""
        ...


@dataclass
class TextSignals:
    """A teacher's signals of a run's windows. ``head`` (V, H); ``test_hidden`` (W, L, H) on the test's windows.

    ``asked`` gives what the teacher says of all training windows (W, L, H), at the first that needs it; ``draws`` are tokens
    that it drew at each position, (W, L, 16) by the temperature that they were drawn at. ``written`` gives what the teacher
    wrote on from the windows' beginnings, (W, L + 1), and what it says of that. ``ask``: the teacher itself, for text that
    is not there yet.
    """

    head: Tensor
    test_hidden: Tensor
    asked: Callable[[], Tensor]
    ask: Callable[[Tensor], Tensor]
    written: Callable[[], tuple[Tensor, Tensor]]
    draws: dict[float, Tensor] = field(default_factory=dict)

    @cached_property
    def train_hidden(self) -> Tensor:
        return self.asked()

    @cached_property
    def _texts(self) -> tuple[Tensor, Tensor]:
        return self.written()

    @property
    def teacher_texts(self) -> Tensor:
        return self._texts[0]

    @property
    def texts_hidden(self) -> Tensor:
        return self._texts[1]

    def drawn(self, temperature: float | Tensor) -> Tensor:
        """(W, L, 16) tokens, drawn at this temperature: drawn anew where it is another than before."""
        at = round(float(temperature), 4)
        if at not in self.draws:
            self.draws[at] = draw(self.train_hidden, self.head, at)
        return self.draws[at]


def draw(hidden: Tensor, head: Tensor, temperature: float, draws: int = MOST_DRAWS, seed: int = 5) -> Tensor:
    """``draws`` tokens from the teacher's softened probabilities at each position: hidden (W, L, H) → (W, L, draws) int32.

    Who needs fewer takes the first of them: all arms of a run read one drawing.
    """
    generator = torch.Generator(hidden.device).manual_seed(seed)
    found = []
    for part in hidden.flatten(0, 1).split(_CHUNK):
        p = torch.softmax(part.float() @ head.T / temperature, -1)
        found.append(torch.multinomial(p, draws, replacement=True, generator=generator).int())
    return torch.cat(found).unflatten(0, hidden.shape[:2])


def kept_hidden(
    cache: Path, teacher: str, rows: str, windows: np.ndarray, wanted: int, load: Callable[[], Answers], progress: Progress
) -> np.ndarray:
    """The teacher's last hidden states on the first ``wanted`` of windows (W, L + 1): (wanted, L, H) float16.

    From the cache, else asked now in shards. teacher and rows: what tells this teacher and this text from all others. load:
    brings the teacher, where it is needed.
    """

    def ask(part: slice) -> tuple[np.ndarray]:
        answers, found = load(), []
        for start in range(part.start, part.stop, _AT_ONCE):
            progress(min(start, wanted), wanted)
            with torch.inference_mode():
                x = torch.from_numpy(windows[start : min(start + _AT_ONCE, part.stop), :-1].copy())
                found.append(answers.hidden(x).half().cpu().numpy())
        return (np.concatenate(found),)

    signal = TeacherSignal(
        cache, teacher=teacher, rows=rows, access=Access("hidden"), count=len(windows), ask=ask, shard_rows=_SHARD_ROWS
    )
    return signal[np.arange(wanted)][0]
