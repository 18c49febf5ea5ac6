"""A student of a run of language models leaves the lab as a folder that transformers loads, with its card."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load
from tokenizers import Tokenizer, models

from kdlab.data.own_corpora import add_own, take_away
from kdlab.distill.metrics import metrics_of
from kdlab.models.causal_shapes import END, LANGUAGE_STUDENTS, parameters
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.own_tokens import own_tokens
from kdlab.runs import artifacts, recorded
from kdlab.runs.comparison import over_seeds
from kdlab.runs.execute import execute
from kdlab.runs.pretrained_folder import pretrained_zip, why_no_folder
from kdlab.runs.store import Run, Store
from kdlab.runs.text_card import text_card
from kdlab.runs.text_recipes import Race
from kdlab.runs.text_students import student_logits, students_of
from tests.tiny_causal import tiny_causal

ARM = "soft_targets"
PROGRAM = """
import json, pathlib, sys, torch
with torch.no_grad():
    logits = model(**given).logits[0]
written = model.generate(**given, max_new_tokens=12)[0].tolist()
assert not {"kdlab"} & {name.split(".")[0] for name in sys.modules}
said = {"ids": given["input_ids"][0].tolist(), "logits": logits.tolist(), "written": written}
pathlib.Path("../said.json").write_text(json.dumps(said), encoding="utf-8")
"""


def trained(store: Store, **settings: object) -> Run:
    claim = store.begin(Race(tokens=4096, student="llama-2x64", device="cpu", **settings).spec(), "ann")
    assert execute(claim, store), store.get(claim.run_id)
    run = store.get(claim.run_id)
    assert run is not None
    return run


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for the runs that the tests share; it stays as it is."""
    home = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDLAB_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def race(labs: Path) -> Run:
    """Students of SmolLM2 on the novel, two seeds, eight steps."""
    return trained(Store())


@pytest.fixture(scope="module")
def tiny_race(labs: Path) -> Run:
    """Students of a teacher from a folder."""
    tiny_causal(labs / "models" / "tiny")
    return trained(Store(), teacher="folder:tiny", seeds=1)


def unpacked(run: Run, where: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(pretrained_zip(run, ARM, 0))) as packed:
        packed.extractall(where)
    return where


def lines_of(folder: Path) -> str:
    found = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("of", ["race", "tiny_race"])
def test_a_fresh_process_loads_the_folder_by_its_cards_lines_and_writes(
    of: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Run = request.getfixturevalue(of)
    folder = unpacked(run, tmp_path / "student")
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors", ".md"}
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", lines_of(folder) + PROGRAM],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=kept | {"HF_HUB_OFFLINE": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    assert "newly initialized" not in ended.stderr
    assert ended.stdout.startswith("It is a truth universally acknowledged, that")
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    own = own_tokens(run.spec.teacher, "pride")
    assert said["ids"] == [END, *own.encode("It is a truth universally acknowledged, that").ids.tolist()]
    student = next(one for one in students_of(run) if one.arm == ARM)
    expected = student_logits(student, np.array(said["ids"]))
    np.testing.assert_allclose(np.array(said["logits"])[:, : len(own)], expected, atol=1e-4)
    assert len(said["written"]) > len(said["ids"])
    assert max(said["written"]) < len(own)


def test_the_card_tells_what_the_run_measured(race: Run) -> None:
    assert race.result is not None
    count = parameters("llama-2x64", race.spec.vocabulary)
    card, result = text_card(race, ARM, 1, count), race.result
    own = next(arm for arm in result["arms"] if arm["key"] == ARM)
    bits, shape = metrics_of("next_token")["bits_per_byte"], LANGUAGE_STUDENTS["llama-2x64"]
    over = over_seeds(own["bits_per_byte"], bits)
    for said in (
        f"# {shape.title}, distilled on Pride and Prejudice",
        f"{shape.what} It has {count:,} trained parameters, writes with {race.spec.vocabulary:,} tokens",
        "- Text: Pride and Prejudice. Jane Austen's novel of 1813",
        "Licence: Public domain",
        f"- Teacher: SmolLM2-135M, {result['teacher']['bits_per_byte']:.3f} bits a byte on the same test text.",
        "at T = 1 with weight 0.5, beside the text's cross-entropy with weight 0.5.",
        "4,096 tokens in batches of\n  8 windows, 8 steps",
        "Seed 1, of 2 counted from 0",
        f"Run {race.id}, ended ",
        f"On {result['test_tokens']:,} tokens of the test text",
        f"| bits per byte | {own['bits_per_byte'][1]:.3f} bits | {over.mean:.3f} bits ({over.low:.3f} to {over.high:.3f}), 2 seeds |",
        f"| agreement with the teacher | {own['agreement'][1]:.1%} |",
        f"| perplexity | {own['perplexity'][1]:.1f} |",
        "| KL from the teacher | ",
    ):
        assert said in card
    assert "Moved while it trained" not in card
    assert "kd_weight to 0.5" in text_card(replace(race, steering={"kd_weight": 0.5}), ARM, 0, 1)
    assert "the teacher taught this student nothing" in text_card(race, "text_only", 0, 1)
    lost = copy.deepcopy(race)
    next(arm for arm in (lost.result or {})["arms"] if arm["key"] == ARM)["bits_per_byte"] = [None, None]
    assert "| bits per byte | not known | not known |" in text_card(lost, ARM, 0, 1)


def test_the_card_in_the_folder_counts_the_parameters_that_were_trained(race: Run, tmp_path: Path) -> None:
    card = (unpacked(race, tmp_path) / "README.md").read_text(encoding="utf-8")
    assert f"It has {parameters('llama-2x64', race.spec.vocabulary):,} trained parameters" in card


def test_a_run_without_an_end_has_no_card(race: Run) -> None:
    with pytest.raises(ValueError, match="no language model to describe"):
        text_card(replace(race, result=None), ARM, 0, 1)


def test_the_recorded_race_leaves_as_a_folder_too(race: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_FOLDER", tmp_path / "recorded")
    (tmp_path / "recorded").mkdir()
    recorded.recorded_run.cache_clear()
    recorded.record(race.id, Store())
    try:
        run = recorded.recorded_run(Race.recipe)[0]
    finally:
        recorded.recorded_run.cache_clear()
    assert recorded.student_file(run, ARM, 1) is None  # the first seed's alone is kept
    assert recorded.student_file(run, ARM, 0) == recorded.student_path("race", ARM)
    folders = [unpacked(one, tmp_path / one.owner) for one in (race, run)]
    whole, halved = (load((folder / "model.safetensors").read_bytes()) for folder in folders)
    assert whole.keys() == halved.keys()
    for name, weights in whole.items():
        assert halved[name].dtype == weights.dtype == np.float32
        np.testing.assert_allclose(halved[name], weights, rtol=1e-3, atol=1e-6)
    older = replace(run, result={key: value for key, value in (run.result or {}).items() if key != "own_tokens"})
    assert pretrained_zip(older, ARM, 0)
    recorded.student_path("race", ARM).unlink()
    with pytest.raises(ModelFolderError, match="not here any more"):
        pretrained_zip(run, ARM, 0)


@pytest.fixture
def own_home(labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the home, from which something may be lost."""
    shutil.copytree(labs, tmp_path / "home")
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_run_that_was_deleted_or_damaged_says_so(race: Run, own_home: Path) -> None:
    path = artifacts.student_path(race.id, ARM, 0)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelFolderError, match="damaged"):
        pretrained_zip(race, ARM, 0)
    artifacts.delete(race.id)
    with pytest.raises(ModelFolderError, match="not here any more"):
        pretrained_zip(race, ARM, 0)


def refusal(run: Run) -> str:
    """Why the run's student cannot leave, which its button knows before."""
    why = why_no_folder(run.spec)
    assert why is not None
    with pytest.raises(ModelFolderError, match=re.escape(why)):
        pretrained_zip(run, ARM, 0)
    return why


def test_a_teachers_folder_that_is_gone_or_another_now_is_told(tiny_race: Run, own_home: Path) -> None:
    assert why_no_folder(tiny_race.spec) is None
    tokenizer = own_home / "models" / "tiny" / "tokenizer.json"
    words = tokenizer.read_text(encoding="utf-8")
    told = json.loads(words)
    end = told["model"]["vocab"]["e"], told["model"]["vocab"]["a"]
    told["model"]["vocab"] |= {"a": end[0], "e": end[1]}  # as many tokens, numbered otherwise
    tokenizer.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="do not belong together"):
        pretrained_zip(tiny_race, ARM, 0)
    Tokenizer(models.WordLevel({"<|endoftext|>": 0, "a": 1}, unk_token="a")).save(str(tokenizer))
    assert "not byte-level BPE" in refusal(tiny_race)
    tokenizer.write_text("{", encoding="utf-8")
    assert "damaged" in refusal(tiny_race)
    tokenizer.unlink()
    assert "It has no tokenizer" in refusal(tiny_race)
    shutil.rmtree(own_home / "models" / "tiny")
    assert "not among the lab's models any more" in refusal(tiny_race)


def test_a_text_that_was_taken_away_is_told(race: Run, own_home: Path) -> None:
    name = add_own(("A line of a text of one's own.\n\n" * 1000).encode(), "mine.txt", "ann")
    on_own = replace(race, spec=race.spec.model_copy(update={"dataset": name}))
    assert why_no_folder(on_own.spec) is None
    with pytest.raises(ModelFolderError, match="do not belong together"):  # the weights are of the novel's tokens
        pretrained_zip(on_own, ARM, 0)
    take_away(name, "ann")
    assert "not in the lab any more" in refusal(on_own)
