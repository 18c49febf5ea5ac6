"""Next token: a text is read from left to right, and at each position a student gives V logits for the token that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdlab.distill.arms import Arm
from kdlab.distill.batches import shuffled_batches
from kdlab.distill.chunked_terms import CHUNK, Parts, Question, chunked_terms
from kdlab.distill.cohort import Group
from kdlab.distill.evaluation_text import score_own_text, score_text
from kdlab.distill.signals import Signal
from kdlab.distill.tasks.task import Asked, Batch, Terms
from kdlab.distill.text_signals import TextSignals
from kdlab.models.causal_generation import stacked_hidden, until_end, write_on_kept
from kdlab.models.inner_layers import Inner

PROMPT = 16
"""Tokens of a window's beginning that are given to whoever writes on from it."""
FREQUENCIES = ((0, 9), (10, 99), (100, 999), (1000, 10**9))
"""How often the training text has a token: the bands by which students are asked whether they know rare words."""
_TEST_WINDOWS = 16  # at once
_OWN_WINDOWS = 8  # that every student writes on from, to be judged
_EXACT = 2**28  # bytes of the teacher's log-probabilities on the test text that are kept as float32


@dataclass(frozen=True)
class Reading:
    """What is read, in own tokens: windows (W, L + 1) int64 whose first column begins them, to train on and of the test.

    ``byte_lengths`` (V,): the UTF-8 bytes of each token; ``occurrences`` (V,): how often the training text has it. ``prompt`` (P,): what every student writes on from while it learns,
    and ``decode`` what makes a text of tokens.
    """

    train: np.ndarray
    test: np.ndarray
    byte_lengths: np.ndarray
    occurrences: np.ndarray
    prompt: np.ndarray
    decode: Callable[[np.ndarray], str]


@dataclass(frozen=True)
class HiddenOutput:
    """What n students give of their windows: last hidden states (n, B, L, H), and their heads (n, V, H)."""

    hidden: Tensor
    head: Tensor
    inside: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class TextBatch(Batch):
    """One step's windows, a student's own each: x (n, B, L); ``labels`` (n, B, L) are the tokens that follow.

    ``of_text`` and ``of_teacher`` (n, B, L): where the supervised term counts, and the teacher. ``written``: which students'
    windows are no rows of the table, and ``hidden`` what the teacher says of those, (B, L, H_t) by student.
    """

    x: Tensor = field(kw_only=True)
    of_text: Tensor = field(kw_only=True)
    of_teacher: Tensor = field(kw_only=True)
    seeds: tuple[int, ...] = field(kw_only=True)
    hidden: dict[int, Tensor] = field(kw_only=True, default_factory=dict)


class NextToken:
    """A text and its teacher's signals on one device, with every seed's batches drawn.

    A step shows each seed's students the same windows; arms whose students read what they or the teacher wrote begin with
    the same windows' first tokens. Randomness of writing is a seed's and a step's own, so that a run repeats.
    """

    name = "next_token"

    def __init__(
        self,
        reading: Reading,
        signals: TextSignals,
        arms: tuple[Arm, ...],
        *,
        batch_size: int,
        steps: int,
        seeds: int,
        device: torch.device,
    ) -> None:
        """batch_size: windows in a step."""
        self.device, self.reading, self.signals, self.arms = device, reading, signals, arms
        self.steps, self.seeds = steps, seeds
        self.train, self.test = (torch.from_numpy(np.array(part)).to(device) for part in (reading.train, reading.test))
        self.length = self.train.shape[1] - 1
        batches = [shuffled_batches(np.arange(len(self.train)), batch_size, steps, seed) for seed in range(seeds)]
        self.batches = torch.from_numpy(np.stack(batches, axis=1)).to(device)  # (steps, seeds, B)
        self.teacher_log_p = self._teacher_on_the_test()
        self._test_bytes = int(reading.byte_lengths[reading.test[:, 1:]].sum())

    def _teacher_on_the_test(self) -> Tensor:
        """(N, V) log-probabilities of the teacher on the test's tokens."""
        hidden = self.signals.test_hidden.flatten(0, 1)
        numbers = len(hidden) * len(self.signals.head)
        kept = torch.float32 if 4 * numbers <= _EXACT else torch.float16
        chunks = [torch.log_softmax(part.float() @ self.signals.head.T, -1).to(kept) for part in hidden.split(CHUNK)]
        return torch.cat(chunks)

    # ------------------------------------------------------------------ batches

    def batch(self, step: int, group: Group) -> TextBatch:
        rows = self.batches[step].index_select(0, group.seed_of)  # (n, B)
        places = range(group.where.start, group.where.start + group.size)
        arms = [self.arms[place % len(self.arms)] for place in places]
        warm = [step < arm.warm * self.steps for arm in arms]
        texts = tuple("corpus" if still else arm.text for arm, still in zip(arms, warm, strict=True))
        windows = self.train[rows]  # (n, B, L + 1)
        counts = torch.ones(windows[..., 1:].shape, dtype=torch.bool, device=self.device)
        of_text, of_teacher = counts, counts.clone()
        hidden: dict[int, Tensor] = {}
        written_by = [s for s, text in enumerate(texts) if text == "student"]
        own = self._own_text(step, group, windows[written_by], written_by) if written_by else None
        for s, text in enumerate(texts):
            if warm[s]:
                of_teacher[s] = False
            elif text == "teacher":
                windows[s] = self.signals.teacher_texts[rows[s]]
                of_teacher[s] = after_prompt(windows[s])
                hidden[s] = self.signals.texts_hidden[rows[s]]
            elif text == "student" and own is not None:
                count = max(1, round(arms[s].own_share * rows.shape[1]))
                windows[s, :count] = own[written_by.index(s), :count]
                of_teacher[s, :count] = after_prompt(windows[s, :count])
                said = self.signals.ask(windows[s, :count, :-1])
                hidden[s] = torch.cat([said, self.signals.train_hidden[rows[s, count:]].to(said)])
        return TextBatch(
            rows, rows.shape[1], windows[..., 1:], x=windows[..., :-1], of_text=of_text, of_teacher=of_teacher,
            seeds=tuple(group.seed_of.tolist()), hidden=hidden,
        )  # fmt: skip

    @torch.no_grad()
    def _own_text(self, step: int, group: Group, windows: Tensor, its: list[int]) -> Tensor:
        """Windows (m, B, L + 1) that some of the students write on from the beginnings of these."""
        group.train(False)
        prompts, wanted = windows[..., : PROMPT + 1], self.length - PROMPT
        seeds = group.seed_of[its].tolist()
        uniforms = np.stack([np.random.default_rng([7, seed, step]).random((windows.shape[1], wanted)) for seed in seeds])
        own = written_by(group, its, prompts, torch.from_numpy(uniforms).to(self.device))
        group.train(True)
        return torch.cat([prompts, own], dim=-1)

    # ------------------------------------------------------------------ the loss

    def output(self, group: Group, batch: TextBatch, inside: bool = False) -> HiddenOutput:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            hidden = group.outputs(batch.x)
        return HiddenOutput(hidden, head_of(group))

    def terms(
        self,
        student: HiddenOutput,
        batch: TextBatch,
        asked: list[Asked],
        temperature: Tensor,
        weights: tuple[Tensor | None, Tensor | None],
    ) -> Terms:
        n = len(batch.rows)
        questions: list[Question | None] = [None] * n
        for one in asked:
            for s in torch.arange(n)[one.its].tolist():
                questions[s] = self._question(one, s, student, batch, temperature[s])
        if weights[0] is not None:  # who still learns from the text alone has the whole of it
            warm = ~batch.of_teacher.flatten(1).any(1)
            weights = torch.where(warm, 1.0, weights[0]), weights[1]
        return chunked_terms(
            student.hidden.flatten(1, 2), student.head, batch.labels.flatten(1), batch.of_text.flatten(1), questions, weights
        )

    def _question(self, asked: Asked, s: int, student: HiddenOutput, batch: TextBatch, temperature: Tensor) -> Question:
        objective, rows, labels = asked.objective, batch.rows[s], batch.labels[s].flatten()
        counts = batch.of_teacher[s].flatten()
        signals, hidden, access = self.signals, batch.hidden.get(s), objective.access
        # Students of a seed read the same windows, unless somebody wrote theirs.
        key: tuple[object, ...] = ("student", s) if hidden is not None else ("seed", batch.seeds[s])
        if access.rung == "sampled":  # tokens are drawn at a temperature
            key = (*key, temperature.item())

        @cache
        def said() -> Tensor:
            return (signals.train_hidden[rows] if hidden is None else hidden).flatten(0, 1)

        def teacher_logits(here: slice) -> Tensor:
            return said()[here].float() @ signals.head.T

        def shown(here: slice) -> Parts:
            match access.rung:
                case "logits":
                    return (teacher_logits(here),)
                case "top_k":
                    return tuple(torch.softmax(teacher_logits(here), -1).topk(access.k))
                case "sampled":
                    return (signals.drawn(temperature)[rows].flatten(0, 1)[here, : access.k].long(),)
                case "token":
                    log_p = torch.log_softmax(teacher_logits(here), -1).gather(-1, labels[here, None]).squeeze(-1)
                    return log_p, labels[here], baseline[here]
            return (labels[here],)

        baseline = torch.zeros(0)
        if access.rung == "token":
            baseline = torch.zeros(labels.shape, device=self.device)
            if objective.baseline:
                baseline = self._others_mean(student, s, labels, teacher_logits, batch.of_teacher[s])
        return Question(objective, temperature, key, shown, counts)

    @torch.no_grad()
    def _others_mean(
        self, student: HiddenOutput, s: int, labels: Tensor, teacher_logits: Callable[[slice], Tensor], counts: Tensor
    ) -> Tensor:
        """For each token (N,) the mean of log q − log p over the counted tokens of the other windows, which it does not decide."""
        ratios = []
        for start in range(0, len(labels), CHUNK):
            here = slice(start, start + CHUNK)
            y = labels[here, None]
            log_q = torch.log_softmax(student.hidden[s].flatten(0, 1)[here].float() @ student.head[s].float().T, -1)
            ratios.append((log_q.gather(-1, y) - torch.log_softmax(teacher_logits(here), -1).gather(-1, y)).squeeze(-1))
        ratio, count = torch.cat(ratios).view(counts.shape) * counts, counts.float()
        others, number = ratio.sum() - ratio.sum(1), count.sum() - count.sum(1)
        return (others / number.clamp(min=1))[:, None].expand(counts.shape).flatten()

    def reveal(self, signal: Signal, batch: Batch) -> Signal:
        return signal

    def positions(self, batch: Batch) -> Tensor | None:
        return None

    def derivative(self, group: Group, its: slice | Tensor, batch: Batch, direction: Tensor) -> Tensor:
        raise NotImplementedError("tokens have no direction to move in")

    # ------------------------------------------------------------------ scores

    def scores(self, group: Group) -> dict[str, Tensor]:
        with torch.inference_mode():
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                pieces = [group.shared_outputs(x).float() for x in self.test[:, :-1].split(_TEST_WINDOWS)]
            hidden = torch.cat(pieces, dim=1).flatten(1, 2)
            tokens = self.test[:, 1:].flatten()
            scores = score_text(hidden, head_of(group), tokens, self._test_bytes, self.teacher_log_p)
            return scores | self._on_own_text(group) if any(arm.text == "student" for arm in self.arms) else scores

    def _on_own_text(self, group: Group) -> dict[str, Tensor]:
        """Each student's scores (n,) on what it writes on from the test's windows, all with the same random numbers."""
        prompts, wanted = self.test[:_OWN_WINDOWS, : PROMPT + 1], self.length - PROMPT
        uniforms = torch.from_numpy(np.random.default_rng(13).random((len(prompts), wanted))).to(self.device)
        n = group.size
        own = written_by(group, list(range(n)), prompts.expand(n, *prompts.shape), uniforms.expand(n, *uniforms.shape))
        windows = torch.cat([prompts.expand(n, *prompts.shape), own], dim=-1)
        hidden, head = group.outputs(windows[..., :-1]), head_of(group)
        found = [
            score_own_text(hidden[s], head[s], windows[s], after_prompt(windows[s]), self.signals.ask(windows[s, :, :-1]), self.signals.head)
            for s in range(n)
        ]
        return {name: torch.stack([one[name] for one in found]) for name in found[0]}

    @torch.no_grad()
    def samples(self, group: Group) -> list[str]:
        """What each of the group's students writes on from the prompt, all with the same random numbers."""
        prompt = torch.from_numpy(np.append(0, self.reading.prompt)).to(self.device)[: self.length]
        wanted = self.length + 1 - len(prompt)
        uniforms = torch.from_numpy(np.random.default_rng(11).random((1, 1, wanted))).to(self.device)
        its = list(range(group.size))
        own = written_by(group, its, prompt.expand(group.size, 1, -1), uniforms.expand(group.size, 1, -1))
        return [self.reading.decode(up_to_end(text[0]).cpu().numpy()) for text in own]

    def outcome(self, scores: dict[str, Tensor]) -> dict[str, Any]:
        teacher, tokens = self.teacher_log_p.float(), self.test[:, 1:].flatten()
        nats = -teacher.gather(-1, tokens[:, None])
        right = torch.stack([answers == tokens for answers in (*scores["answers"], teacher.argmax(-1))])  # (n + 1, N)
        how_often = torch.from_numpy(self.reading.occurrences).to(self.device)[tokens]
        inside = [(how_often >= low) & (how_often <= high) for low, high in FREQUENCIES]
        by_frequency = torch.stack([right[:, bin].float().mean(-1) for bin in inside], dim=-1)  # NaN where there is none
        return {
            "by_frequency": by_frequency[:-1],
            "frequency_bins": [[low, high] for low, high in FREQUENCIES],
            "test_tokens": len(tokens),
            "test_bytes": self._test_bytes,
            "teacher": {
                "bits_per_byte": nats.sum().item() / (np.log(2) * self._test_bytes),
                "perplexity": nats.mean().exp().item(),
                "entropy": -(teacher.exp() * teacher).sum(-1).mean().item(),
                "by_frequency": by_frequency[-1].tolist(),
            },
        }

    def labelled_alone(self) -> NextToken:
        return self

    @property
    def labelled(self) -> int:
        return self.batches.shape[-1]

    @property
    def examples_a_step(self) -> int:
        """Tokens, as `examples_a_point`."""
        return self.batches.shape[-1] * self.length

    @property
    def examples_a_point(self) -> int:
        return self.test[:, 1:].numel()


def head_of(group: Group) -> Tensor:
    """The students' output matrices (n, V, H), which learn with them."""
    head = group.parameters[group.module.head_name]
    return head.unsqueeze(0) if group.size == 1 else head


def written_by(group: Group, its: list[int], prompts: Tensor, uniforms: Tensor) -> Tensor:
    """What m of the group's students write after prompts (m, B, P): ids as many as uniforms (m, B, length)."""
    stacked = {name: p.detach().unsqueeze(0) if group.size == 1 else p.detach() for name, p in group.parameters.items()}
    weights, network = {name: p[its] for name, p in stacked.items()}, group.module
    hidden_of, head = stacked_hidden(network, weights), weights[network.head_name]
    return write_on_kept(hidden_of, head, prompts, uniforms.shape[-1], uniforms, network.room)


def after_prompt(windows: Tensor) -> Tensor:
    """(B, L): which of the tokens that follow a position somebody wrote, up to the end of the text and with it.

    windows (B, L + 1). By position, never by what a token is: the mark that ends a text begins every window too.
    """
    counts = torch.zeros(windows[:, 1:].shape, dtype=torch.bool, device=windows.device)
    counts[:, PROMPT:] = until_end(windows[:, 1 + PROMPT :])
    return counts


def up_to_end(tokens: Tensor) -> Tensor:
    """Tokens (M,) before the mark that ends a text."""
    ends = (tokens == 0).nonzero()
    return tokens[: int(ends[0])] if len(ends) else tokens
