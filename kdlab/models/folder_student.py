"""A student from a folder as a network: any sequence classifier that transformers has, over ids that its own tokenizer made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from kdlab.data.registry import Arrays, get_dataset
from kdlab.data.word_pieces import PADDING, WINDOW
from kdlab.models.folder_tokenizer import SAFE, tokenizer_of, tokens_read
from kdlab.models.model_folder import SAVE_AGAIN, ModelFolderError
from kdlab.models.quiet import quiet
from kdlab.models.student_folder import model_folder

_KEPT = 2  # data sets in a student's own ids


class FolderNetwork(nn.Module):
    """The folder's model with an output for each class, without dropout, so that students that start alike stay comparable.

    Its head is a fresh one, whatever head the folder has: its classes are others. x (B, L): the tokenizer's ids plus
    one, 0 for padding. Raises ModelFolderError.
    """

    def __init__(self, student: str, classes: int) -> None:
        super().__init__()
        found = model_folder(student)
        try:
            with quiet():  # that a head is fresh is what is wanted
                self.model, told = AutoModelForSequenceClassification.from_pretrained(
                    found.folder,
                    **SAFE,
                    num_labels=classes,
                    ignore_mismatched_sizes=True,
                    use_safetensors=True,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
        except Exception as error:
            raise ModelFolderError(
                f"transformers cannot make a student of it ({type(error).__name__}). Save it again with {SAVE_AGAIN}, or take another."
            ) from error
        body = f"{self.model.base_model_prefix}."
        lacking = [*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])]
        if lost := sorted(name for name in lacking if name.startswith(body) and "pooler" not in name):
            raise ModelFolderError(
                f"Its weights lack {lost[0]}, or have it in another size than its config.json says. Save it again with {SAVE_AGAIN}."
            )
        for name, head in self.model.named_children():
            if name != self.model.base_model_prefix:
                for module in head.modules():
                    if isinstance(module, nn.Linear | nn.LayerNorm):
                        module.reset_parameters()
        self.padding = tokenizer_of(found.folder).pad_token_id
        self.model.config.pad_token_id = self.padding
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            for name, value in vars(module).items():
                if "dropout" in name and isinstance(value, float):
                    setattr(module, name, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K)."""
        real = x != PADDING
        return self.model(input_ids=torch.where(real, x - 1, self.padding), attention_mask=real.long()).logits


@lru_cache(_KEPT)
def own_inputs(student: str, dataset: str, _: str) -> Arrays:
    """A data set of texts as the student reads it: its first tokens, as many as the lab's own students see.

    The third argument is what the folder holds (`identity_of`): another is read anew. Raises ModelFolderError.
    """
    arrays, found = get_dataset(dataset).load(), model_folder(student)
    tokenizer = tokenizer_of(found.folder)
    positions = found.config.get("max_position_embeddings") or found.config.get("n_positions")
    most = tokens_read(tokenizer, positions, WINDOW)

    def encode(texts: Sequence[str] | None) -> np.ndarray:
        given = tokenizer(
            list(texts or ()), padding="max_length", truncation=True, max_length=most, return_tensors="np"
        )
        return np.where(given["attention_mask"] > 0, given["input_ids"] + 1, PADDING).astype(np.int64)

    return replace(
        arrays,
        x_train=encode(arrays.text_train),
        x_validation=encode(arrays.text_validation),
        x_test=encode(arrays.text_test),
    )
