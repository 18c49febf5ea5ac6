"""Trains a causal language model on a text from its start, and goes on to the bit where it was interrupted.

Every step's windows and dropout are drawn from the seed and the step's number alone, so that weights, the optimiser's state and
the step are all that the steps to come depend on. The same machine and the same number of threads are taken for granted: of
others no two sums are alike.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdlab.models.causal import CausalNetwork
from kdlab.models.kept_files import write_whole

START = 0
"""The id that begins a window; end-of-text too."""
_BETAS = (0.9, 0.95)
_WINDOWS_AT_ONCE = 32  # of those that are measured


@dataclass(frozen=True)
class Pretraining:
    """The numbers of a training.

    A step shows ``batch`` windows of ``context`` positions from anywhere in the text; of a share ``from_start`` of them the
    first token is `START` in place of the text's own, as the lab shows windows. The learning rate rises over ``warm_up`` steps
    and falls as a cosine to 0. ``clip``: the gradient's largest norm. Every ``validate_every`` steps the validation is
    measured; the weights that did best are the training's result.
    """

    steps: int
    batch: int
    learning_rate: float
    context: int = 128
    from_start: float = 0.75
    warm_up: int = 100
    weight_decay: float = 0.1
    clip: float = 1.0
    dropout: float = 0.0
    seed: int = 0
    validate_every: int = 250

    def learning_rate_at(self, step: int) -> float:
        """Of the step with this number, 0 the first."""
        rising = min(1.0, (step + 1) / self.warm_up)
        through = max(0.0, (step + 1 - self.warm_up) / max(1, self.steps - self.warm_up))
        return self.learning_rate * rising * (1 + math.cos(math.pi * through)) / 2


@dataclass(frozen=True)
class Measured:
    """After so many steps, in nats a token: the mean over the steps since the last measurement, and on the validation."""

    step: int
    training: float
    validation: float


def draw_windows(ids: np.ndarray, settings: Pretraining, step: int) -> Tensor:
    """The windows of a step: (batch, context + 1) int64. A window reads all but its last token and predicts all but its first."""
    rng = np.random.default_rng([settings.seed, step])
    begin = rng.integers(0, len(ids) - settings.context, settings.batch)
    windows = ids[begin[:, None] + np.arange(settings.context + 1)]
    windows[rng.random(settings.batch) < settings.from_start, 0] = START
    return torch.from_numpy(windows)


@torch.inference_mode()
def logits_of(network: CausalNetwork, windows: np.ndarray) -> np.ndarray:
    """float32 logits at every position of windows (W, L + 1): (W, L, V)."""
    network.eval()
    x = torch.from_numpy(windows[:, :-1])
    return np.concatenate([(network(part) @ network.head.T).numpy() for part in x.split(_WINDOWS_AT_ONCE)])


@torch.inference_mode()
def cross_entropy(network: CausalNetwork, windows: np.ndarray) -> float:
    """Mean negative log-likelihood of what windows (W, L + 1) predict, in nats a token."""
    network.eval()
    total = 0.0
    for part in torch.from_numpy(windows).split(_WINDOWS_AT_ONCE):
        logits = network(part[:, :-1]) @ network.head.T
        total += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
    return total / windows[:, 1:].size


class PretrainingRun:
    """A training under way. ids: (N,) the text; validation: (W, L + 1) windows to choose by."""

    def __init__(
        self, build: Callable[[], CausalNetwork], settings: Pretraining, ids: np.ndarray, validation: np.ndarray
    ) -> None:
        torch.manual_seed(settings.seed)
        self.network, self.settings = build(), settings
        self._ids, self._validation = ids, validation
        _drop_out(self.network, settings.dropout)
        matrices = [parameter for parameter in self.network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.network.parameters() if parameter.ndim < 2]
        self._optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            settings.learning_rate,
            betas=_BETAS,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0
        self.curve: list[Measured] = []
        self._losses = 0.0  # since the last measurement
        self._best: dict[str, Tensor] = {}

    def advance(self) -> None:
        """One step, and the validation where it is due. Raises ValueError where the loss is no number any more."""
        started = time.perf_counter()
        settings = self.settings
        self.network.train()
        windows = draw_windows(self._ids, settings, self.step)
        torch.manual_seed(settings.seed + self.step)  # of dropout
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate_at(self.step)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(windows[:, :-1]) @ self.network.head.T
        loss = F.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())
        if not torch.isfinite(loss):
            raise ValueError(f"The loss of step {self.step + 1} is no number. Take a smaller learning rate.")
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        self._optimiser.step()
        self._losses += loss.item()
        self.step += 1
        if self.step % settings.validate_every == 0 or self.step == settings.steps:
            self._measure()
        self.seconds += time.perf_counter() - started

    def _measure(self) -> None:
        steps = self.step - (self.curve[-1].step if self.curve else 0)
        now = Measured(self.step, self._losses / steps, cross_entropy(self.network, self._validation))
        if now.validation < min((one.validation for one in self.curve), default=math.inf):
            self._best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.curve.append(now)
        self._losses = 0.0

    @property
    def best(self) -> Measured:
        """The measurement with the lowest validation loss, the first of equal ones. Raises ValueError before the first."""
        return min(self.curve, key=lambda one: one.validation)

    def result(self) -> CausalNetwork:
        """The network with the weights that did best on the validation."""
        self.network.load_state_dict(self._best)
        return self.network.eval()

    def keep(self, part: Path) -> None:
        """Writes all that the steps to come depend on, whole or not at all."""
        content = io.BytesIO()
        state = {
            "about": self._about(),
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": self._best,
            "curve": [tuple(asdict(one).values()) for one in self.curve],
            "losses": self._losses,
        }
        torch.save(state, content)
        write_whole(part, content.getvalue())

    def take_up(self, part: Path) -> None:
        """Goes on from what `keep` wrote. Raises ValueError where that is damaged, or of another training."""
        again = f"Delete {part} to begin anew."
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(part.read_bytes()), weights_only=True)
            about = state["about"]
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"What is kept of the training is damaged. {again}") from error
        if about != self._about():
            raise ValueError(f"What is kept is of a training with other settings or on another text: {about}. {again}")
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self._losses, self._best = (state[key] for key in ("step", "seconds", "losses", "best"))
        self.curve = [Measured(*one) for one in state["curve"]]

    def _about(self) -> str:
        digest = hashlib.sha256()
        for array in (self._ids, self._validation):
            digest.update(array.tobytes())
        shapes = {name: list(tensor.shape) for name, tensor in self.network.state_dict().items()}
        digest.update(json.dumps(shapes).encode())
        return json.dumps(asdict(self.settings) | {"network_and_text": digest.hexdigest()})


def pretrain(
    run: PretrainingRun, part: Path | None = None, seconds_between: float = 60.0, say: Callable[[str], object] = print
) -> CausalNetwork:
    """Trains to the last step, from where ``part`` stands if it is there, and keeps it every so many seconds.

    Gives the network that did best on the validation. ``part`` stays: whoever has stored the network takes it away.
    """
    if part and part.exists():
        run.take_up(part)
        say(f"goes on after step {run.step}")
    kept = time.perf_counter()
    while run.step < run.settings.steps:
        run.advance()
        if run.curve and run.curve[-1].step == run.step:
            say(_progress(run))
        if part and (time.perf_counter() - kept >= seconds_between or run.step == run.settings.steps):
            run.keep(part)
            kept = time.perf_counter()
    return run.result()


def _progress(run: PretrainingRun) -> str:
    now, settings = run.curve[-1], run.settings
    minutes = run.seconds / run.step * (settings.steps - run.step) / 60
    return (
        f"step {now.step} of {settings.steps}: training {now.training:.4f}, validation {now.validation:.4f} nats a token "
        f"(best {run.best.validation:.4f} after {run.best.step}); {run.seconds / run.step:.3f} s a step, "
        f"{minutes:.0f} min to go"
    )


def _drop_out(network: CausalNetwork, share: float) -> None:
    """Dropout on the embeddings and on what each attention and feed-forward layer adds, as GPT-2 has it, while it trains."""
    for name, module in network.named_modules():
        if share and name.endswith(("embed_tokens", "o_proj", "down_proj")):
            module.register_forward_hook(lambda module, _, given: F.dropout(given, share, module.training))
