"""Real logits of a language model, as an API gives them: what the section on leaks reads a layer's width from.

`kdlab.models.record_logit_rows` computed them with SmolLM2-135M-Instruct. A row is a query: the logits of the token
that follows, for 1,000 of 49,152 tokens drawn at random. They are kept in steps of 1/4096, and the drop after the
576th singular value survives that: 3.20 to .0029, a factor of 1,089 (unrounded 15,682; as float16 only 36).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdlab.data import FILES

LOGIT_ROWS = FILES / "smollm2_logit_rows.npz"
STEP = 1 / 4096
"""Of the stored logits."""


@dataclass(frozen=True)
class LogitRows:
    """Answers of a model to N queries, for C of its V tokens.

    logits: (N, C). log_normaliser: (N,), log Σ exp of each row over all V. columns: (C,) token ids. tokens: (N,), the text
    that was read, in windows of `window`: query n is the window up to token n.
    """

    logits: np.ndarray
    log_normaliser: np.ndarray
    columns: np.ndarray
    tokens: np.ndarray
    window: int

    def log_probabilities(self) -> np.ndarray:
        """log softmax over the whole vocabulary, for the columns: (N, C)."""
        return self.logits - self.log_normaliser[:, None]


@dataclass(frozen=True)
class LogitSpectra:
    """Singular values for growing numbers of queries, stored because a hand that drags does not wait until they are computed.

    queries: the numbers. logits, log_probabilities: for each of them `logit_singular_values`. uncentred: of all
    log-probabilities with no mean taken off. whole: of all queries' logits for all V tokens, as the model gave them.
    width: the last layer's units, from the model's configuration. vocabulary: V. columns: how many of them a query shows.
    """

    queries: tuple[int, ...]
    logits: tuple[np.ndarray, ...]
    log_probabilities: tuple[np.ndarray, ...]
    uncentred: np.ndarray
    whole: np.ndarray
    width: int
    vocabulary: int
    columns: int


def read_logit_rows(path: Path = LOGIT_ROWS) -> LogitRows:
    """The stored logits."""
    with np.load(path, allow_pickle=False) as stored:
        planes = np.ascontiguousarray(np.moveaxis(stored["logit_bytes"], 0, -1))  # (N, C, 4)
        return LogitRows(
            logits=planes.view("<i4")[..., 0] * STEP,
            log_normaliser=stored["log_normaliser"],
            columns=stored["columns"],
            tokens=stored["tokens"],
            window=int(stored["window"]),
        )


def read_logit_spectra(path: Path = LOGIT_ROWS) -> LogitSpectra:
    """The stored singular values, without the logits: a hundredth of a second."""
    with np.load(path, allow_pickle=False) as stored:
        queries, columns = tuple(stored["queries"].tolist()), len(stored["columns"])
        cut = [row.astype(np.float64) for row in stored["logit_spectra"]]
        centred = [row.astype(np.float64) for row in stored["log_probability_spectra"]]
        return LogitSpectra(
            queries=queries,
            logits=tuple(row[: min(q, columns)] for q, row in zip(queries, cut, strict=True)),
            log_probabilities=tuple(row[: min(q, columns - 1)] for q, row in zip(queries, centred, strict=True)),
            uncentred=stored["uncentred_spectrum"].astype(np.float64),
            whole=stored["whole_spectrum"].astype(np.float64),
            width=int(stored["width"]),
            vocabulary=int(stored["vocabulary"]),
            columns=columns,
        )
