"""The glosses' teacher: MiniLM's package and the lab's updates are what answers, and pages do without."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import teacher_card, teacher_logits, weights_path
from kdlab.models.checkpoints import load_teacher
from kdlab.models.networks import build_teacher, start_of_teacher

needs_minilm = pytest.mark.skipif(
    not word_pieces.model_installed(), reason="needs requirements-minilm.txt"
)


def test_what_is_stored_of_the_teacher_is_small_and_none_of_what_the_package_has() -> None:
    path = weights_path("glosses")
    assert path.stat().st_size + path.with_suffix(".logits.npz").stat().st_size <= 12_000_000
    stored = load_file(path)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert {name.rpartition(".")[2] for name in stored if name.startswith("bert.")} == {"a", "b"}


def test_without_the_package_answers_and_card_are_read_and_the_weights_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    assert len(teacher_logits.__wrapped__("glosses").test) == teacher_card("glosses")["test_size"]
    with pytest.raises(word_pieces.ModelMissing, match=r"MiniLM-L6 \(84 MB\).*requirements-minilm\.txt"):
        load_teacher("glosses")


def test_the_teachers_shape_is_known_without_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    shape = build_teacher("glosses")
    assert sum(p.numel() for p in shape.parameters()) == teacher_card("glosses")["parameters"]


@needs_minilm
def test_before_fine_tuning_the_encoder_is_the_packages_own() -> None:
    x = torch.tensor(get_dataset("glosses").load().x_test[:6])
    theirs = AutoModel.from_pretrained(word_pieces.model_folder(), attn_implementation="eager").eval()
    minilm_ids = torch.from_numpy(word_pieces.vocabulary().minilm_ids.copy())[x]
    with torch.inference_mode():
        expected = theirs(input_ids=minilm_ids, attention_mask=(x > 0).long()).last_hidden_state
        found = start_of_teacher("glosses").eval().encode(x).last_hidden_state
    torch.testing.assert_close(found[x > 0], expected[x > 0], atol=1e-4, rtol=1e-4)


@needs_minilm
def test_the_loaded_teacher_is_a_plain_bert_whose_embeddings_students_can_copy() -> None:
    teacher, shape = load_teacher("glosses"), build_teacher("glosses")
    assert teacher.state_dict().keys() == shape.state_dict().keys()
    weights = load_file(word_pieces.model_folder() / "model.safetensors")
    words = weights["embeddings.word_embeddings.weight"]
    known = int(get_dataset("glosses").load().x_train.max()) + 1
    ids = word_pieces.vocabulary().minilm_ids[:known].copy()
    np.testing.assert_array_equal(teacher.bert.embeddings.word_embeddings.weight[:known], words[ids])
