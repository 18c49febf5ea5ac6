"""A distilled BERT student leaves the lab as a folder that transformers loads, in a process that knows no lab."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import fresh_student
from kdlab.runs import artifacts
from kdlab.runs.comparison import over_seeds
from kdlab.runs.ladder import ladder
from kdlab.runs.model_card import model_card
from kdlab.runs.pretrained_folder import is_transformers_student, pretrained_zip
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run

ARM = "soft_targets"
ODD = ("A LARGE wild cat", "naïve café 猫 [MASK] can't", "supercalifragilistic " * 40, "“quoted” — dash…", "\u200b\t x")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The recorded run's numbers, as if they were of BERT students; the weights are a fresh student's."""
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = three_arms(dataset="glosses", teacher="glosses", student="bert-1x64", labels=300, transfer=500)
    found = replace(recorded_run()[0], id="abc123", spec=spec)
    path = artifacts.student_path(found.id, ARM, 0)
    path.parent.mkdir(parents=True)
    save_file({name: t.contiguous() for name, t in fresh_student("bert-1x64", "glosses", 3).state_dict().items()}, path)
    return found


def unpacked(run: Run, where: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(pretrained_zip(run, ARM, 0))) as packed:
        packed.extractall(where)
    return where


def test_a_fresh_process_loads_the_folder_reads_texts_alike_and_gives_the_same_logits(run: Run, tmp_path: Path) -> None:
    folder, data = unpacked(run, tmp_path / "student"), get_dataset("glosses").load()
    assert data.text_test is not None
    lines = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert lines is not None
    texts = [*data.text_test[:300], *ODD]
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    program = lines.group(1) + (
        "\nimport json, pathlib, sys\n"
        "texts = json.loads(pathlib.Path('../texts.json').read_text(encoding='utf-8'))\n"
        "ids = tokenizer(texts, padding='max_length', truncation=True)['input_ids']\n"
        "assert not any(name.split('.')[0] == 'kdlab' for name in sys.modules)\n"
        "pathlib.Path('../out.json').write_text(json.dumps({'ids': ids, 'logits': logits.tolist()}))\n"
    )
    program = program.replace('["a large wild cat of the plains"]', "__import__('json').load(open('../texts.json'))[:20]")
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False, env=_no_lab()
    )
    assert ended.returncode == 0, ended.stderr
    assert "newly initialized" not in ended.stderr
    out = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert np.array_equal(out["ids"][:300], data.x_test[:300])
    if word_pieces.model_installed():
        assert np.array_equal(out["ids"][300:], word_pieces.encode(ODD))
    student = fresh_student("bert-1x64", "glosses", 3).eval()
    with torch.inference_mode():
        expected = student(torch.from_numpy(data.x_test[:20].copy()))
    torch.testing.assert_close(torch.tensor(out["logits"]), expected, atol=1e-5, rtol=1e-5)
    said = re.findall(r"'([\w ]+)'", ended.stdout)
    assert said == [get_dataset("glosses").classes[k] for k in expected.argmax(-1)]


def _no_lab() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}


def test_the_folder_names_the_classes_and_holds_safetensors_alone(run: Run, tmp_path: Path) -> None:
    folder = unpacked(run, tmp_path / "student")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert list(config["id2label"].values()) == list(get_dataset("glosses").classes)
    assert (config["num_hidden_layers"], config["hidden_size"], config["num_attention_heads"]) == (1, 64, 2)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors", ".txt", ".md"}
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert tuple(pieces) == word_pieces.vocabulary().pieces


def test_the_card_says_what_the_student_learned_from_and_how_good_it_is(run: Run) -> None:
    card = model_card(run, ARM, 1, parameters=1234)
    own = next(arm for arm in run.result["arms"] if arm["key"] == ARM) if run.result else {}
    accuracy = over_seeds(own["accuracy"])
    for said in (
        "300 training examples with their true label; 500 more without",
        "Teacher: MiniLM-L6",
        "WordNet 3.0, © 2006 Princeton University",
        "at T = 2 with weight 0.9",
        "Seed 1, of 5 counted from 0",
        "1,234 trained parameters",
        f"| accuracy | {own['accuracy'][1]:.1%} | {accuracy.mean:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}), 5 seeds |",
        f"| agreement with the teacher | {own['agreement'][1]:.1%} |",
    ):
        assert said in card
    assert "Moved while it trained" not in card
    assert "kd_weight to 0.5" in model_card(replace(run, steering={"kd_weight": 0.5}), ARM, 0, 1)
    assert "the teacher taught this student nothing" in model_card(run, "labels_only", 0, 1)


def test_the_card_of_a_white_box_student_says_what_it_was_shown(run: Run) -> None:
    spec = ladder(dataset="glosses", teacher="glosses", student="bert-2x384", papers=True, placebos=True)
    arms = [{**(run.result or {})["arms"][0], "key": arm.key} for arm in spec.arms]
    climbed = replace(run, spec=spec, result={**(run.result or {}), "arms": arms})
    assert "it began with layers copied from the teacher" in model_card(climbed, "distilbert", 0, 1)
    tiny = model_card(climbed, "tinybert", 0, 1)
    assert "inside the teacher: Hint, Attention scores, alone for the first 50% of the steps" in tiny
    for placebo, shown in (
        ("hidden_untrained", "as a placebo, inside the teacher's network before it was trained: Hint"),
        ("hidden_shuffled", "as a placebo, inside the teacher while it saw other examples: Hint"),
    ):
        card = model_card(climbed, placebo, 0, 1)
        assert shown in card
        assert "inside the teacher: " not in card


def test_only_bert_students_are_exported() -> None:
    assert is_transformers_student(three_arms(dataset="glosses", teacher="glosses", student="bert-2x64"))
    assert not is_transformers_student(three_arms(dataset="glosses", teacher="glosses", student="embedding-bag"))
    assert not is_transformers_student(three_arms())
