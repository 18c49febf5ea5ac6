"""A model folder as a student: it starts from its own weights, reads with its own tokenizer, and leaves as a folder again."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
)

from kdlab.data import visitor_sets
from kdlab.data.labelled_csv import LabelledTexts
from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import fresh_student
from kdlab.models.added_teachers import keep, name_of
from kdlab.models.catalogue import find_student, own_students, students_for
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.student_folder import folder_students
from kdlab.models.student_inputs import inputs_for
from kdlab.runs import artifacts, build
from kdlab.runs.execute import execute
from kdlab.runs.ladder import Ladder, ladder
from kdlab.runs.pretrained_folder import pretrained_zip
from kdlab.runs.recipes import read_spec, three_arms
from kdlab.runs.spec import RunSpec, explain
from kdlab.runs.store import Store
from tests.tiny_classifier import WORDS, tiny_classifier

CLASSES = ("good", "bad", "neither")
TEXTS = {f"a {WORDS[number % 8]} number {number} of {CLASSES[number % 3]}": CLASSES[number % 3] for number in range(60)}
STUDENT = "folder:tiny"


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    tiny_classifier(tmp_path / "models" / "tiny")
    return tmp_path / "models"


def own_set() -> str:
    """Texts of three classes, and a teacher that is right on all of them."""
    name = visitor_sets.keep(LabelledTexts(tuple(TEXTS), tuple(TEXTS.values())), "mine.csv", "ann")
    data = get_dataset(name)
    splits = data.load().splits()
    logits = {split: 4 * np.eye(3, dtype=np.float32)[y] for split, (_, y) in splits.items()}
    card = {"title": "tiny", "dataset": name, "how": "", "data": "nothing.", "test_accuracy": 1.0}
    keep(name_of("sha", data.fingerprint()), card, logits, data.fingerprint(), "sha")
    return name


def spec(**settings: Any) -> RunSpec:
    short = {"dataset": own_set(), "student": STUDENT, "labels": 9, "transfer": 20, "epochs": 3, "seeds": 2, "batch_size": 8}
    return three_arms(**short | settings)


def test_it_reads_a_text_as_its_own_tokenizer_does(models: Path):
    data = get_dataset(own_set())
    tokenizer = AutoTokenizer.from_pretrained(models / "tiny")
    arrays = inputs_for(STUDENT, data.name)
    for ids, text in zip(arrays.x_test, arrays.text_test or (), strict=True):
        assert (ids[ids > 0] - 1).tolist() == tokenizer(text)["input_ids"]
    assert inputs_for("embedding-bag", data.name) is data.load()


def test_its_logits_are_those_of_transformers_and_chance_is_nowhere(models: Path):
    data = get_dataset(own_set())
    student = fresh_student(STUDENT, data.name, 0).train()
    x = torch.from_numpy(inputs_for(STUDENT, data.name).x_test.copy())
    torch.testing.assert_close(student(x), student(x))
    texts = list(data.load().text_test or ())
    given = AutoTokenizer.from_pretrained(models / "tiny")(texts, padding=True, return_tensors="pt")
    given = {"input_ids": given["input_ids"], "attention_mask": given["attention_mask"]}
    torch.testing.assert_close(student(x), student.model(**given).logits, rtol=1e-4, atol=1e-5)  # type: ignore[operator, union-attr]
    whole = AutoModelForSequenceClassification.from_pretrained(models / "tiny")
    kept, own = whole.bert.state_dict(), student.model.bert.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(kept[name], own[name]) for name in kept)


@pytest.mark.parametrize(
    "base",
    [
        BertModel(BertConfig(vocab_size=12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)),
        GPT2Model(GPT2Config(vocab_size=12, n_embd=16, n_layer=1, n_head=2, n_positions=64)),
    ],
    ids=["BERT without a head", "GPT-2"],
)
def test_a_model_without_a_head_gets_one_that_hangs_on_the_seed(models: Path, base: Any):
    base.save_pretrained(models / "base")
    shutil.copy(models / "tiny" / "tokenizer.json", models / "base")
    shutil.copy(models / "tiny" / "tokenizer_config.json", models / "base")
    data = own_set()
    x = torch.from_numpy(inputs_for("folder:base", data).x_test[:4].copy())
    with torch.no_grad():
        first, again, other = (fresh_student("folder:base", data, seed)(x) for seed in (0, 0, 1))
    assert first.shape == (4, 3)
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, other)


def test_its_head_is_fresh_even_where_the_folders_would_fit(models: Path):
    tiny_classifier(models / "three", labels=CLASSES)
    data = own_set()
    first, other = (fresh_student("folder:three", data, seed).model.classifier.weight for seed in (0, 1))  # type: ignore[union-attr]
    assert not torch.allclose(first, other)


def test_a_folder_whose_weights_lack_a_part_is_refused_and_not_begun_at_random(models: Path):
    weights = load_file(models / "tiny" / "model.safetensors")
    lost = next(name for name in weights if "attention.self.query.weight" in name)
    save_file({name: t for name, t in weights.items() if name != lost}, models / "tiny" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelFolderError, match=r"lack bert\.encoder"):
        fresh_student(STUDENT, own_set(), 0)


def test_a_model_that_had_no_token_to_pad_with_leaves_with_one(models: Path, tmp_path: Path):
    config = GPT2Config(vocab_size=12, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=1)
    GPT2Model(config).save_pretrained(models / "causal")
    tokenizer = AutoTokenizer.from_pretrained(models / "tiny")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, eos_token="[UNK]").save_pretrained(models / "causal")
    store = Store()
    claim = store.begin(spec(student="folder:causal", seeds=1, epochs=1), "ann")
    assert execute(claim, store), store.get(claim.run_id)
    run = store.get(claim.run_id)
    assert run is not None
    with zipfile.ZipFile(io.BytesIO(pretrained_zip(run, "soft_targets", 0))) as folder:
        folder.extractall(tmp_path / "taken")
    given = AutoTokenizer.from_pretrained(tmp_path / "taken")(["a fine", "a fine word number"], padding=True, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "taken").eval()
    assert model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits.shape == (2, 3)
    (models / "causal" / "config.json").write_text(config.to_json_string().replace('"n_head": 2', '"n_head": 4'), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="changed since the run"):
        pretrained_zip(run, "soft_targets", 0)


def test_a_run_trains_it_and_it_leaves_as_a_folder_that_answers_as_it_did(tmp_path: Path):
    store = Store()
    claim = store.begin(spec(), "ann")
    assert execute(claim, store), store.get(claim.run_id)
    run = store.get(claim.run_id)
    assert run is not None
    assert run.result is not None
    assert run.result["group_size"] == 1
    parameters = run.result["profiles"]["student"]["parameters"]
    assert parameters > 1000
    out = tmp_path / "taken"
    with zipfile.ZipFile(io.BytesIO(pretrained_zip(run, "soft_targets", 1))) as folder:
        folder.extractall(out)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "# tiny (folder), distilled on Own texts" in card
    assert f"A model of {parameters:,} trained parameters" in card
    data = get_dataset(run.spec.dataset)
    texts = list(data.load().text_test or ())
    given = AutoTokenizer.from_pretrained(out)(texts, padding=True, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(out).eval()
    with torch.no_grad():
        logits = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
    answers = artifacts.load_answers(run.id)
    assert answers is not None
    assert model.config.id2label == dict(enumerate(data.classes))
    np.testing.assert_array_equal(logits.argmax(-1), answers[2, 1])


def test_it_is_offered_for_texts_and_not_for_pictures():
    assert [own.name for own in own_students()] == [STUDENT]
    assert "folder" not in " ".join(shape.name for shape in students_for("glosses"))
    assert three_arms(dataset="languages", student=STUDENT).student == STUDENT
    with pytest.raises(ValidationError) as refused:
        three_arms(student=STUDENT)
    assert "does not read images" in explain(refused.value)[0]


def test_a_folder_that_cannot_be_one_says_why(models: Path):
    (models / "pickled").mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(models / "tiny" / name, models / "pickled")
    (models / "pickled" / "pytorch_model.bin").write_bytes(b"\x80")
    shutil.copytree(models / "tiny", models / "mute")
    for path in (models / "mute").glob("tokenizer*"):
        path.unlink()
    found, refused = folder_students()
    assert [student.name for student in found] == [STUDENT]
    assert "pickle" in refused["pickled"]
    assert "no tokenizer" in refused["mute"]
    assert find_student("folder:mute") is None
    assert find_student("folder:../../etc") is None


def test_a_run_of_a_folder_that_is_gone_can_be_read_and_not_launched(models: Path):
    asked = spec()
    shutil.rmtree(models / "tiny")
    assert read_spec(asked.model_dump(mode="json")) == asked
    with pytest.raises(ValidationError) as refused:
        three_arms(dataset=asked.dataset, student=STUDENT, labels=9, transfer=20)
    assert "there is no student called 'folder:tiny'" in explain(refused.value)[0].lower()
    with pytest.raises(ModelFolderError, match="Put it back"):
        build.make_trainer(asked)


def test_too_little_memory_is_told_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch):
    asked = spec()
    monkeypatch.setattr(build, "free_memory", lambda _: 10_000)
    with pytest.raises(ModelFolderError, match="Take a smaller model"):
        build.make_trainer(asked)


def test_a_ladder_has_no_rung_inside_for_a_student_that_the_lab_does_not_look_into():
    spec = ladder(dataset="glosses", student=STUDENT)
    assert [arm.key for arm in spec.arms if arm.insides or arm.copy_layers] == []
    reasons = Ladder(dataset="glosses", student=STUDENT).closed().values()
    assert len(reasons) == 5
    assert all("a student from a folder" in reason for reason in reasons)
