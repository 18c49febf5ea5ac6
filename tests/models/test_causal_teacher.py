"""A teacher's hidden states and head give the logits of its own model, and a model of which that is not so is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from kdlab.models import causal_teacher, pocket, smollm2
from kdlab.models.causal import causal_config
from kdlab.models.causal_shapes import POCKET
from kdlab.models.causal_teacher import CausalTeacher
from kdlab.models.language_teachers import tokenizer_of
from kdlab.models.model_folder import ModelFolderError
from tests.tiny_causal import TEXT, tiny_causal

VOCABULARY = 40


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's folder of models, empty."""
    monkeypatch.setenv("KDLAB_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def _own(*, end: int = 0, last: int = 290) -> Any:
    """Own tokens as `kdlab.models.own_tokens` has them: end-of-text first, then some of the teacher's ids, in order."""
    some = np.sort(np.random.default_rng(2).choice(np.arange(5, last), VOCABULARY - 2, replace=False))
    return SimpleNamespace(teacher_ids=np.concatenate([[end], some, [last]]))


def _windows(rows: int = 3, length: int = 64, vocabulary: int = VOCABULARY) -> Tensor:
    x = torch.from_numpy(np.random.default_rng(4).integers(1, vocabulary, (rows, length)))
    x[:, 0] = 0
    return x


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("llama", {"tie_word_embeddings": True}),
        ("llama", {"tie_word_embeddings": False}),
        ("gpt2", {}),
        ("qwen2", {"num_key_value_heads": 1}),
        ("gemma", {"head_dim": 16, "num_key_value_heads": 1}),
    ],
)
def test_hidden_times_head_are_the_models_own_logits(models: Path, kind: str, other: dict[str, Any]) -> None:
    folder, own, x = tiny_causal(models / "tiny", kind, **other), _own(), _windows()
    teacher = CausalTeacher("folder:tiny", own)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(own.teacher_ids)[x]).logits[..., own.teacher_ids]
    hidden = teacher.hidden(x)
    assert hidden.shape == (3, 64, 32)
    assert hidden.dtype == teacher.head.dtype == torch.float32
    assert expected.std() > 0.1  # there is something to compare
    torch.testing.assert_close(hidden @ teacher.head.T, expected, atol=1e-4, rtol=1e-4)


def test_windows_are_read_in_parts_with_the_same_answer(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_causal(models / "tiny")
    teacher, x = CausalTeacher("folder:tiny", _own()), _windows(rows=5)
    whole = teacher.hidden(x)
    monkeypatch.setattr(causal_teacher, "_TOKENS_AT_ONCE", {"cpu": 130})
    torch.testing.assert_close(teacher.hidden(x), whole, atol=1e-5, rtol=1e-5)


def test_a_loss_can_be_taken_on_its_answers(models: Path) -> None:
    tiny_causal(models / "tiny")
    teacher = CausalTeacher("folder:tiny", _own())
    student = torch.zeros(3, 64, 32, requires_grad=True)
    (student * teacher.hidden(_windows())).sum().backward()
    assert student.grad is not None
    assert not teacher.head.requires_grad


def test_a_model_that_begins_a_text_with_a_mark_reads_it_first(models: Path) -> None:
    folder, own, x = tiny_causal(models / "tiny", start="<s>"), _own(), _windows()
    ids = torch.from_numpy(own.teacher_ids)[x]
    ids[:, 0] = tokenizer_of("folder:tiny").token_to_id("<s>")
    with torch.inference_mode():
        expected = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).model(ids).last_hidden_state
    teacher = CausalTeacher("folder:tiny", own)
    torch.testing.assert_close(teacher.hidden(x), expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(teacher.head[0], AutoModelForCausalLM.from_pretrained(folder).lm_head.weight[0].float())  # as an answer 0 is the end


@pytest.mark.parametrize(
    ("kind", "other", "words"),
    [
        ("gemma2", {"head_dim": 16, "num_key_value_heads": 1}, "scales, caps or shifts"),
        ("granite", {"logits_scaling": 8.0}, "scales, caps or shifts"),
        ("cohere", {}, "scales, caps or shifts"),
        ("phi", {}, r"to each token's logit \(a bias\)"),
        ("llama", {"max_position_embeddings": 32}, "reads 32 tokens at the most, and the lab's windows have 64"),
        ("llama", {"vocab_size": 200}, "a token 290, and the model answers for 200 tokens alone"),
    ],
)
def test_an_architecture_whose_logits_are_made_otherwise_is_refused(
    models: Path, kind: str, other: dict[str, Any], words: str
) -> None:
    tiny_causal(models / "tiny", kind, **other)
    with pytest.raises(ModelFolderError, match=words):
        CausalTeacher("folder:tiny", _own())


class _Looking(nn.Module):
    """A model that says of each token what stands in the whole text."""

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        hidden = nn.functional.one_hot(input_ids, 50).float().cumsum(1)
        return SimpleNamespace(last_hidden_state=hidden.flip(1), logits=hidden.flip(1))


def test_a_model_that_sees_what_follows_is_refused() -> None:
    with pytest.raises(ModelFolderError, match="looks at the tokens that follow"):
        causal_teacher._try(_Looking(), _Looking(), torch.eye(50), torch.arange(12))


def test_a_folder_without_all_its_weights_is_refused(models: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = tiny_causal(models / "tiny") / "model.safetensors"
    weights = load_file(file)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelFolderError, match=r"Its weights lack model\.layers\.1\.mlp\.up_proj\.weight"):
        CausalTeacher("folder:tiny", _own())


def test_a_folder_that_transformers_does_not_know_is_refused(models: Path) -> None:
    config = tiny_causal(models / "tiny") / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"llama"', '"unheard-of"'), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="cannot load it as a causal language model"):
        CausalTeacher("folder:tiny", _own())


def test_too_little_memory_is_told_before_anything_is_loaded(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causal_teacher, "usable", lambda: 100_000_000)
    monkeypatch.setattr(smollm2, "converted", lambda say: pytest.fail("it was converted"))
    with pytest.raises(ModelFolderError, match=r"needs about 0\.7 GB of memory"):
        CausalTeacher("smollm2", _own())


def test_the_pocket_teacher_is_a_llama_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LlamaForCausalLM(causal_config(POCKET, pocket.VOCABULARY, positions=pocket.CONTEXT)).eval()
    names = {name: weights for name, weights in model.state_dict().items() if name != "lm_head.weight"}
    weights = {name: 3 * tensor.numpy() for name, tensor in names.items()}  # so that it does not answer all alike
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=False)
    monkeypatch.setattr(pocket, "pocket_weights", lambda: weights)
    own = SimpleNamespace(teacher_ids=np.arange(pocket.VOCABULARY))
    teacher, x = CausalTeacher("pocket", own), _windows(vocabulary=pocket.VOCABULARY)
    with torch.inference_mode():
        expected = model(x).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(teacher.hidden(x) @ teacher.head.T, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.skipif(not smollm2.installed(), reason="needs requirements-smollm2.txt")
def test_smollm2_knows_how_the_sentence_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    encoded = tokenizer_of("smollm2").encode(TEXT[:116], add_special_tokens=False)
    ids = np.unique([0, *encoded.ids])
    said: list[str] = []
    teacher = CausalTeacher("smollm2", SimpleNamespace(teacher_ids=ids), say=said.append)
    x = torch.tensor([[0, *np.searchsorted(ids, encoded.ids)]])
    log_p = torch.log_softmax(teacher.hidden(x[:, :-1]) @ teacher.head.T, -1)[0]
    nats = -log_p.gather(1, x[0, 1:, None]).mean()
    assert nats < 1.2  # the most famous sentence of the novel; a guess among its tokens costs log 27 = 3.3 nats
    assert said[-1] == "Loading the teacher"


@pytest.mark.gpu
def test_on_a_card_the_answers_are_the_processors_within_rounding(models: Path) -> None:
    tiny_causal(models / "tiny")
    own, x = _own(), _windows()
    here, there = CausalTeacher("folder:tiny", own), CausalTeacher("folder:tiny", own, "cuda")
    assert there.head.dtype == there.hidden(x).dtype == torch.float32
    p, q = (torch.softmax(teacher.hidden(x).cpu() @ teacher.head.cpu().T, -1) for teacher in (here, there))
    assert float((p - q).abs().sum(-1).max()) < 0.1
