"""Train the pocket teacher again: `python -m kdlab.models.train_teachers pocket`.

First its tokenizer (a byte-level BPE), then its weights, then its card, which is computed from the weights as they are stored.
It reads what students train on and the other novels of the same author; by validation chapters it is chosen, and test chapters
it never sees. `--trials` compares learning rates on the validation; interrupted and started again, the training goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from kdlab.core.calibration import expected_calibration_error
from kdlab.core.probability import entropy, log_softmax
from kdlab.core.text_scores import bits_per_byte, perplexity
from kdlab.data.corpora import Corpus, Texts, get_corpus
from kdlab.models import pocket
from kdlab.models.causal import CausalNetwork, causal_config
from kdlab.models.causal_pretraining import Pretraining, PretrainingRun, logits_of, pretrain
from kdlab.models.causal_shapes import POCKET, WINDOW
from kdlab.models.checkpoints import load_checkpoint, save_checkpoint
from kdlab.models.kept_files import write_whole
from kdlab.models.own_tokens import windows

CORPUS = "pride"
SETTINGS = Pretraining(steps=4500, batch=32, learning_rate=2e-3, dropout=0.1, context=pocket.CONTEXT)
TRIALS = (1e-3, 2e-3, 4e-3)
"""Learning rates that `--trials` compares."""
TRIAL_STEPS = 300
DATA = (
    "The 51 training chapters of Pride and Prejudice, which the students learn from too, and Jane Austen's five other novels, "
    "the transfer text. The five validation and the five test chapters it never saw, and neither did its tokenizer."
)
CHOICE = (
    "By the validation chapters. The learning rate is the best of .001, .002 and .004 (4.44, 4.31 and 4.50 nats a token after 250 of "
    "300 steps). Dropout: a LLaMA of 2 × 64 on as little text for its size (92,000 tokens, read 18 times) came to 4.43 nats without "
    "and 4.37 with it on a quarter of the validation windows. The weights kept are those that did best on the way."
)


def train_tokenizer(texts: Sequence[str], vocabulary: int = pocket.VOCABULARY) -> Tokenizer:
    """A byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; on bytes Radford et al. 2019) of so many tokens: end-of-text,
    all 256 bytes, so that every text can be written, and the merges that the texts ask for most."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[pocket.END_OF_TEXT_MARK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def read_texts(texts: Texts) -> tuple[str, str]:
    """What tokenizer and teacher read of a corpus: never its validation, never its test."""
    return texts.train, texts.transfer


def training_ids(tokenizer: Tokenizer, texts: Texts) -> np.ndarray:
    """The texts that are read, each with end-of-text behind it: (N,) int64."""
    parts = [np.append(pocket.encode_with(tokenizer, text), pocket.END_OF_TEXT) for text in read_texts(texts)]
    return np.concatenate(parts)


def build_pocket() -> CausalNetwork:
    """The teacher's shape with fresh weights."""
    return CausalNetwork(causal_config(POCKET, pocket.VOCABULARY, positions=pocket.CONTEXT))


def measured(network: CausalNetwork, shown: np.ndarray, byte_lengths: np.ndarray) -> dict[str, float]:
    """How good a network is on windows (W, 65), as the lab shows a text. byte_lengths: (V,), of each token."""
    log_p = log_softmax(logits_of(network, shown).reshape(-1, len(byte_lengths)))
    truth = shown[:, 1:].ravel()
    nats, written = -log_p[np.arange(len(truth)), truth].sum(), byte_lengths[truth].sum()
    p = np.exp(log_p)
    return {
        "tokens": len(truth),
        "bytes": int(written),
        "cross_entropy": round(float(nats / len(truth)), 4),
        "perplexity": round(float(perplexity(nats, len(truth))), 3),
        "bits_per_byte": round(float(bits_per_byte(nats, written)), 4),
        "agreement": round(float((p.argmax(1) == truth).mean()), 4),
        "calibration_error": round(expected_calibration_error(p, truth), 4),
        "entropy": round(float(entropy(p).mean()), 4),
    }


def make_card(network: CausalNetwork, tokenizer: Tokenizer, corpus: Corpus, trained: dict[str, Any]) -> dict[str, Any]:
    """Everything a reader of the teacher should know, measured on its stored weights. trained: how long, on what, how chosen."""
    texts = corpus.load()
    byte_lengths = np.array([len(piece) for piece in pocket.pieces_of(tokenizer)])
    found = {
        split: measured(network, windows(pocket.encode_with(tokenizer, text)), byte_lengths)
        for split, text in (("validation", texts.validation), ("test", texts.test))
    }
    return {
        "name": pocket.NAME,
        "title": POCKET.title,
        "dataset": corpus.name,
        "dataset_fingerprint": corpus.fingerprint(),
        "data": DATA,
        "choice": CHOICE,
        **trained,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "vocabulary": len(byte_lengths),
        "weights_dtype": "float16",
        "weights_bytes": pocket.weights_path().stat().st_size,
        "weights_sha256": pocket.weights_sha256(),
        "tokenizer_sha256": pocket.tokenizer_sha256(),
        "window": WINDOW,
        **{f"{split}_{key}": value for split in found for key, value in found[split].items()},
        "measures_are": f"Over windows of {WINDOW} tokens behind end-of-text, each read alone, as the lab shows them. Cross-entropy in "
        "nats a token; perplexity is its exponential; agreement: how often the likeliest token is the text's own; calibration "
        "error: expected calibration error, 15 equal bins of confidence (Guo et al. 2017, arXiv 1706.04599); entropy: its mean at "
        "T = 1, in bits.",
    }


def how(settings: Pretraining) -> str:
    """How it is trained, in words."""
    dropout = f"dropout {settings.dropout:g}" if settings.dropout else "no dropout"
    return (
        f"AdamW, the learning rate in a warm-up of {settings.warm_up} steps and a cosine to 0, gradients no larger than {settings.clip:g}, "
        f"weight decay on matrices only, {dropout}, bfloat16 arithmetic. Each step {settings.batch} windows of {settings.context} "
        f"tokens from anywhere in the text, {settings.from_start:.0%} of them behind end-of-text in place of their first token."
    )


def try_learning_rates(settings: Pretraining, ids: np.ndarray, validation: np.ndarray) -> None:
    """A short training at each of `TRIALS`, and a table of what the validation says."""
    rows = []
    for rate in TRIALS:
        short = replace(settings, learning_rate=rate, steps=TRIAL_STEPS)
        run = PretrainingRun(build_pocket, short, ids, validation)
        pretrain(run, say=_say)
        rows.append(f"{rate:13g}  {run.best.validation:23.4f}  {run.seconds / run.step:14.3f}")
    _say("\n".join(["learning rate  validation, nats a token  seconds a step", *rows]))


def part_path() -> Path:
    """Where a training is kept until its card is written."""
    return pocket.FOLDER / f"{pocket.NAME}.part"


def train(settings: Pretraining, ids: np.ndarray, validation: np.ndarray) -> dict[str, Any]:
    """Trains the teacher, or goes on with it, and stores its weights; how that went."""
    run = PretrainingRun(build_pocket, settings, ids, validation)
    best = pretrain(run, part_path(), say=_say)
    numbers = asdict(settings)
    save_checkpoint(best, pocket.weights_path(), {"teacher": pocket.NAME, "how": how(settings)}, torch.float16)
    return {
        "how": how(settings),
        **numbers,
        "training_tokens": len(ids),
        "training_seen_tokens": settings.steps * settings.batch * settings.context,
        "training_kept_step": run.best.step,
        "training_curve": [asdict(one) for one in run.curve],
        "training_curve_is": "Nats a token: the mean over the steps since the line before, dropout included, and on the validation.",
        "training_seconds": round(run.seconds, 1),
        "training_seconds_are": "wall-clock, other work on the processor included",
        "training_device": f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }


def write_card(corpus: Corpus, tokenizer: Tokenizer, trained: dict[str, Any]) -> None:
    """Measures the stored weights and writes the card."""
    stored = load_checkpoint(build_pocket(), pocket.weights_path())
    card = json.dumps(make_card(stored, tokenizer, corpus, trained), indent=2, ensure_ascii=False)
    write_whole(pocket.card_path(), f"{card}\n".encode())
    _say(card)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="train_teachers pocket", description="Train the pocket teacher again, or a part of it.")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--tokenizer-only", action="store_true", help="train and store the tokenizer, nothing else")
    part.add_argument("--trials", action="store_true", help="compare learning rates on the validation; store nothing")
    part.add_argument("--card-only", action="store_true", help="keep tokenizer and weights; measure them again")
    for name in ("steps", "learning_rate", "dropout"):
        usual = getattr(SETTINGS, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(usual), default=usual, help=f"{usual:g} if left out")
    asked = parser.parse_args(arguments)
    settings = replace(SETTINGS, steps=asked.steps, learning_rate=asked.learning_rate, dropout=asked.dropout)
    corpus = get_corpus(CORPUS)
    texts = corpus.load()
    if asked.card_only:
        write_card(corpus, pocket.pocket_tokenizer(), pocket.pocket_card())
        return
    tokenizer = train_tokenizer(read_texts(texts))
    if not asked.trials:
        write_whole(pocket.tokenizer_path(), (tokenizer.to_str() + "\n").encode())
    if asked.tokenizer_only:
        return
    ids, validation = training_ids(tokenizer, texts), windows(pocket.encode_with(tokenizer, texts.validation))
    if asked.trials:
        try_learning_rates(settings, ids, validation)
        return
    write_card(corpus, tokenizer, train(settings, ids, validation))
    part_path().unlink()


def _say(words: str) -> None:
    print(words, flush=True)
