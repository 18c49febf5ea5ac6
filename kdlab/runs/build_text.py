"""A trainer of a run of language models: names become texts, signals and students here."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from kdlab.data.corpora import get_corpus
from kdlab.data.home import home
from kdlab.distill.budget import Budget
from kdlab.distill.chunked_terms import chunked_terms
from kdlab.distill.cohort import Cohort, Group
from kdlab.distill.device import resolve_device
from kdlab.distill.grouping import Work, grouping
from kdlab.distill.tasks.next_token import PROMPT, NextToken, Reading, head_of
from kdlab.distill.text_signals import Progress, TextSignals, kept_hidden
from kdlab.distill.trainer import Trainer
from kdlab.models.causal import build_causal
from kdlab.models.causal_generation import write_on
from kdlab.models.causal_teacher import CausalTeacher
from kdlab.models.language_teachers import identity
from kdlab.models.own_tokens import OwnTokens, own_tokens, windows
from kdlab.models.shipped_smollm2 import shipped_for
from kdlab.runs.text_spec import TextSpec

TEST_WINDOWS = 64
"""Of the test text at most, evenly spaced: what students are scored on at every point."""
_WRITTEN_AT_ONCE = 32


def make_text_trainer(spec: TextSpec, progress: Progress) -> Trainer:
    """The trainer of a spec, and the process has the threads that suit it. ``progress`` hears how far the teacher is asked.

    Raises DeviceError, and ValueError in words where the teacher or the text is gone.
    """
    device, folder = resolve_device(spec.device), home() / "cache"
    tokens = own_tokens(spec.teacher, spec.dataset)
    texts = get_corpus(spec.dataset).load()
    ids = tokens.encode(texts.train)[0]
    whole, test, shipped = windows(ids), windows(tokens.encode(texts.test)[0]), shipped_for(spec.teacher, spec.dataset)
    test = spaced(test, TEST_WINDOWS) if shipped is None else test[shipped.test_rows]
    wanted = min(len(whole), spec.total_steps * spec.batch_size)
    signals = _signals(spec, tokens, whole, test, wanted, device, progress)
    reading = Reading(
        train=whole[:wanted],
        test=test,
        byte_lengths=tokens.byte_lengths,
        occurrences=np.bincount(ids, minlength=len(tokens)),
        prompt=tokens.encode(spec.prompt)[0],
        decode=tokens.decode,
    )
    shared = {"batch_size": spec.batch_size, "steps": spec.total_steps, "seeds": spec.seeds, "device": device}
    task = NextToken(reading, signals, spec.arms, **shared)
    build = partial(build_causal, spec.student, len(tokens))
    count = len(spec.arms) * spec.seeds
    grouped = grouping(_reading(spec, len(tokens), device), count, device, folder)
    torch.set_num_threads(grouped.threads)
    cohort = Cohort(
        build, arms=len(spec.arms), seeds=spec.seeds, group_size=grouped.size, learning_rate=spec.learning_rate, device=device
    )
    budget = Budget(
        steps=spec.total_steps,
        epochs=spec.total_steps * spec.batch_size / wanted,
        learning_rate=spec.learning_rate,
        schedule=spec.schedule,
        warm_up=spec.warm_up,
        clip_norm=spec.clip_norm,
    )
    return Trainer(task, spec.arms, cohort, {arm.access: () for arm in spec.arms}, budget)


def spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]


def _signals(
    spec: TextSpec, tokens: OwnTokens, train: np.ndarray, test: np.ndarray, wanted: int, device: torch.device, progress: Progress
) -> TextSignals:
    @cache
    def teacher() -> CausalTeacher:
        return CausalTeacher(spec.teacher, tokens, device)

    def kept(rows: np.ndarray, split: str, count: int) -> Tensor:
        named = f"{get_corpus(spec.dataset).fingerprint()} {split}"
        found = kept_hidden(home() / "cache" / "signals", identity(spec.teacher), named, rows, count, teacher, progress)
        return torch.from_numpy(found).to(device)

    @torch.no_grad()
    def written() -> tuple[Tensor, Tensor]:
        """What the teacher writes on from the training windows' beginnings, and what it says of that."""
        found, hidden = [], []
        rng = np.random.default_rng(17)
        for start in range(0, wanted, _WRITTEN_AT_ONCE):
            progress(start, wanted)
            rows = torch.from_numpy(train[start : min(start + _WRITTEN_AT_ONCE, wanted)]).to(device)
            prompts, length = rows[None, :, : PROMPT + 1], rows.shape[1] - 1 - PROMPT
            uniforms = torch.from_numpy(rng.random((1, len(rows), length))).to(device)
            own = write_on(lambda x: teacher().hidden(x[0])[None], teacher().head[None], prompts, length, uniforms)
            text = torch.cat([prompts, own], dim=-1)[0]
            found.append(text)
            hidden.append(teacher().hidden(text[:, :-1]).half())
        return torch.cat(found), torch.cat(hidden)

    shipped = shipped_for(spec.teacher, spec.dataset)
    if shipped is None:
        head, test_hidden, draws = teacher().head, kept(test, "test", len(test)), {}
    else:
        # Copied: what ships is not to be written to.
        head, test_hidden = (torch.tensor(part, device=device) for part in (shipped.head, shipped.test_hidden))
        draws = {1.0: torch.tensor(shipped.draws[:wanted], device=device)} if len(shipped.draws) >= wanted else {}
    return TextSignals(
        head=head,
        test_hidden=test_hidden,
        asked=lambda: kept(train, "train", wanted),
        ask=lambda x: teacher().hidden(x),
        written=written,
        draws=draws,
    )


def _reading(spec: TextSpec, vocabulary: int, device: torch.device) -> Work:
    """A student's step over its windows, with the text's own term."""
    generator = torch.Generator().manual_seed(0)

    @cache
    def batches(size: int) -> Tensor:
        return torch.randint(vocabulary, (size, spec.batch_size, 65), generator=generator).to(device)

    def loss(group: Group) -> Tensor:
        rows = batches(group.size)
        ones = torch.ones(group.size, device=device)
        counts = torch.ones(rows[..., 1:].flatten(1).shape, dtype=torch.bool, device=device)
        hidden = group.outputs(rows[..., :-1]).flatten(1, 2)
        return chunked_terms(hidden, head_of(group), rows[..., 1:].flatten(1), counts, [None] * group.size, (ones, None)).weighted.sum()

    about = {"student": spec.student, "vocabulary": vocabulary, "windows": spec.batch_size}
    return Work(about, partial(build_causal, spec.student, vocabulary), loss, stacks=True)
