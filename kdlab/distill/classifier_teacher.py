"""A sequence classifier becomes a teacher: loaded, asked once for all texts of a data set, and its answers kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from kdlab.core.calibration import expected_calibration_error
from kdlab.core.probability import entropy, softmax
from kdlab.data.home import home
from kdlab.data.registry import Dataset, get_dataset
from kdlab.distill.access import Access
from kdlab.distill.asking import Asking
from kdlab.distill.teacher_signal import TeacherSignal
from kdlab.models.added_teachers import find_added, folder_of, give_to, keep, name_of
from kdlab.models.classifier_folder import Classifier, inspect_folder
from kdlab.models.folder_tokenizer import SAFE, tokenizer_of, tokens_read
from kdlab.models.kept_files import read_arrays
from kdlab.models.machine import memory
from kdlab.models.model_folder import SAVE_AGAIN, ModelFolderError
from kdlab.models.profile import profile

LONGEST = 256  # tokens that a teacher reads of a text
_AT_ONCE = 32
_SHARD_ROWS = 512
_EVERY = 0.3  # seconds between two words on how far it is


def make_teacher(asked: Asking, folder: Path, origin: str, mark: str, say: Callable[[Asking], None]) -> str:
    """The name of the teacher that the model in this folder becomes, for the visitor of this mark.

    origin: what to call where it comes from. Raises ModelFolderError, TextsGoneError.
    """
    logging.disable_progress_bar()
    dataset = get_dataset(asked.dataset)
    arrays, fingerprint = dataset.load(), dataset.fingerprint()
    texts = {"train": arrays.text_train, "validation": arrays.text_validation, "test": arrays.text_test}
    now = replace(asked, state="working", total=sum(len(part or ()) for part in texts.values()))
    say(replace(now, words="Looking at the model"))
    found = inspect_folder(folder, dataset.classes, memory().free)
    name = name_of(found.sha256, fingerprint)
    if find_added(name) is None or read_arrays(folder_of(name) / f"{name}.logits.npz") is None:  # new, or damaged
        say(replace(now, words="Loading the model"))
        network = TextClassifier(found)
        progress = _Progress(now, say)

        def ask(part: Sequence[str]) -> np.ndarray:
            return network.logits(part, progress.more)

        logits = {
            split: TeacherSignal(
                home() / "cache" / "signals",
                teacher=f"{found.sha256} {LONGEST}",
                rows=f"{fingerprint} texts {split}",
                access=Access("logits"),
                count=len(part or ()),
                ask=lambda rows, part=part: (ask(part[rows]),),
                shard_rows=_SHARD_ROWS,
            ).whole()[0]
            for split, part in texts.items()
        }
        if not (logits["test"].argmax(1) == arrays.y_test).any():
            raise ModelFolderError(
                f"It is right on none of the {dataset.test_size:,} test texts. Are its labels in the order in which it was "
                "trained on them, and the file's texts of its kind?"
            )
        keep(name, _card(asked, origin, dataset, found, network, logits), logits, fingerprint, found.sha256)
    give_to(name, mark)
    return name


class TextClassifier(nn.Module):
    """The classifier with its own tokenizer, in float32 on the CPU. Raises ModelFolderError where it cannot be loaded."""

    def __init__(self, found: Classifier) -> None:
        super().__init__()
        self.places = torch.tensor(found.places)
        self.tokenizer = tokenizer_of(found.folder)
        try:
            self.model, told = AutoModelForSequenceClassification.from_pretrained(
                found.folder, **SAFE, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        except Exception as error:
            raise ModelFolderError(
                f"transformers cannot load it ({type(error).__name__}). Save it again with {SAVE_AGAIN}."
            ) from error
        if missing := sorted(told["missing_keys"]):
            raise ModelFolderError(
                f"Its weights lack {missing[0]}, so that part was never trained. Save the fine-tuned model again with {SAVE_AGAIN}."
            )
        if told["mismatched_keys"]:
            raise ModelFolderError(f"Its weights are of another size than its config.json says. Save it again with {SAVE_AGAIN}.")
        self.eval().requires_grad_(False)
        self.longest = tokens_read(self.tokenizer, getattr(self.model.config, "max_position_embeddings", None), LONGEST)
        self.model.config.pad_token_id = self.tokenizer.pad_token_id

    def forward(self, x: Tensor) -> Tensor:
        """x: ids (B, L), none of them padding."""
        return self.model(input_ids=x, attention_mask=torch.ones_like(x)).logits

    def encode(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What the model takes of the texts, cut at the longest that it reads."""
        return dict(
            self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        )

    @torch.inference_mode()
    def logits(self, texts: Sequence[str], more: Callable[[int], None]) -> np.ndarray:
        """(N, K) float32, a column for each of the data's classes. more: hears how many texts were answered."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # alike in length: little padding
        found = torch.empty(len(texts), len(self.places))
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            found[rows] = self.model(**self.encode([texts[row] for row in rows])).logits[:, self.places]
            more(len(rows))
        if not torch.isfinite(found).all():
            raise ModelFolderError("Some of its answers are not numbers: its weights are damaged, or overflow. Take another model.")
        return found.numpy()


class _Progress:
    """Tells how many texts are answered, a few times a second."""

    def __init__(self, now: Asking, say: Callable[[Asking], None]) -> None:
        self._now, self._say, self._done, self._told = now, say, 0, 0.0

    def more(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._told > _EVERY:
            self._told = time.monotonic()
            self._say(replace(self._now, words="The teacher answers", done=self._done))


def _card(
    asked: Asking,
    origin: str,
    dataset: Dataset,
    found: Classifier,
    network: TextClassifier,
    logits: dict[str, np.ndarray],
) -> dict[str, Any]:
    arrays = dataset.load()
    right = {split: float((logits[split].argmax(1) == y).mean()) for split, (_, y) in arrays.splits().items()}
    assert arrays.text_test is not None
    usual = sorted(arrays.text_test, key=len)[len(arrays.text_test) // 2]
    return {
        "title": asked.source.rsplit("/", 1)[-1],
        "dataset": dataset.name,
        "how": f"{found.architecture} from {origin}; it reads the first {network.longest} tokens of a text, with its own tokenizer.",
        "data": f"what, the lab does not know; it came from {origin}.",
        "parameters": found.parameters,
        **{f"{split}_accuracy": round(share, 4) for split, share in right.items()},
        "test_size": dataset.test_size,
        "calibration_error": round(expected_calibration_error(softmax(logits["test"]), arrays.y_test), 4),
        "soft_target_entropy": round(float(entropy(softmax(logits["train"])).mean()), 4),
        "profile": vars(profile(network, network.encode([usual])["input_ids"])),
    }
