"""MiniLM-L6 as its package has it, with the lab's ids, classes and updates."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from kdlab.data.word_pieces import model_folder, vocabulary
from kdlab.models.bert import BertClassifier, minilm
from kdlab.models.low_rank import add_updates


def pretrained_minilm(classes: int) -> BertClassifier:
    """MiniLM-L6 to be fine-tuned: the package's weights frozen, with updates, and a fresh classifier.

    Its embeddings stand in the order of the lab's ids. Raises ModelMissing where the package is not installed.
    """
    weights = load_file(model_folder() / "model.safetensors")
    words = "embeddings.word_embeddings.weight"
    weights[words] = weights[words][torch.from_numpy(vocabulary().minilm_ids.copy())]
    module = minilm(classes)
    module.bert.load_state_dict({name: weights[name] for name in module.bert.state_dict()})
    add_updates(module.bert)
    return module
