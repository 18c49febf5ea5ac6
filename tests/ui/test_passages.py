"""The passages that the page begins with, as SmolLM2 has read them and as a teacher that answers at once reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from kdlab.data.corpora import get_corpus
from kdlab.models import pocket, prompted
from kdlab.models.causal_shapes import POCKET, WINDOW
from kdlab.models.own_tokens import own_tokens
from kdlab.models.pocket import PocketMissing
from kdlab.models.prompted import LONGEST, kept_logits, prepared
from kdlab.runs import artifacts, recorded
from kdlab.runs.store import Run
from kdlab.runs.text_recipes import Race
from kdlab.runs.text_students import student_logits, students_of
from kdlab.ui.language import passages
from kdlab.ui.language.colours import READ_FIRST
from kdlab.ui.language.passages import passages_of
from kdlab.ui.language.soft_tokens import LIKELIEST

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(4)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two lines of the test text with made-up hidden states, 8 wide."""
    tokens = own_tokens("smollm2", "pride")
    lines = [tokens.encode(text)[0][:20] for text in get_corpus("pride").load().test.split("\n\n")[3:5]]
    found = SimpleNamespace(
        teacher_ids=tokens.teacher_ids,
        head=RNG.normal(size=(len(tokens), 8)).astype(np.float32),
        passages=tuple(
            SimpleNamespace(chapter=9, ids=np.concatenate([[0], ids]), hidden=RNG.normal(size=(len(ids), 8)).astype(np.float32))
            for ids in lines
        ),
    )
    monkeypatch.setattr(passages, "shipped_for", lambda teacher, corpus: found if corpus == "pride" else None)
    return found


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A pocket teacher that has learned nothing."""
    made = llama(POCKET.layers, POCKET.width, POCKET.inner, pocket.VOCABULARY)
    monkeypatch.setattr(pocket, "pocket_weights", lambda: made)
    prompted._pocket_logits.cache_clear()
    return made


def llama(layers: int, width: int, inner: int, vocabulary: int) -> dict[str, np.ndarray]:
    def some(*shape: int) -> np.ndarray:
        return RNG.normal(scale=0.1, size=shape).astype(np.float32)

    made = {"model.embed_tokens.weight": some(vocabulary, width), "model.norm.weight": np.ones(width, np.float32)}
    for n in range(layers):
        name = f"model.layers.{n}"
        made |= {f"{name}.self_attn.{part}_proj.weight": some(width, width) for part in "qkvo"}
        made |= {f"{name}.mlp.{part}_proj.weight": some(inner, width) for part in ("gate", "up")}
        made[f"{name}.mlp.down_proj.weight"] = some(width, inner)
        made |= {f"{name}.{norm}_layernorm.weight": np.ones(width, np.float32) for norm in ("input", "post_attention")}
    return made


def test_smollm2s_passages_are_read_up_to_their_last_token_which_comes_next(shipped: SimpleNamespace):
    found = passages_of("smollm2", "pride", own_tokens("smollm2", "pride"))
    assert list(found) == ["1", "2"]
    one, kept = found["1"], shipped.passages[0]
    assert one.ids.tolist() == kept.ids[:-1].tolist()
    assert one.after == kept.ids[-1]
    np.testing.assert_array_equal(one.logits(), kept.hidden @ shipped.head.T)
    assert one.title.startswith("Chapter 9: ")


def test_the_pocket_teacher_reads_the_same_words_at_once(shipped: SimpleNamespace, weights: dict[str, np.ndarray]):
    tokens = own_tokens("pocket", "pride")
    found = passages_of("pocket", "pride", tokens)
    words = own_tokens("smollm2", "pride").decode(shipped.passages[0].ids)
    assert tokens.decode([*found["1"].ids, found["1"].after]) == words
    assert found["1"].logits().shape == (len(found["1"].ids), pocket.VOCABULARY)


def test_a_teacher_or_a_text_without_passages_has_none(shipped: SimpleNamespace):
    assert passages_of("folder:mine", "pride", own_tokens("smollm2", "pride")) == {}
    assert passages_of("smollm2", "own-0123456789ab", own_tokens("smollm2", "pride")) == {}


def test_hidden_states_of_another_vocabulary_are_refused(shipped: SimpleNamespace):
    shipped.teacher_ids = shipped.teacher_ids[:-1]
    with pytest.raises(ValueError, match="other tokens"):
        passages_of("smollm2", "pride", own_tokens("smollm2", "pride"))


def test_a_pocket_teacher_that_is_not_here_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(pocket, "FOLDER", tmp_path)
    pocket._weights.cache_clear()
    prompted._pocket_logits.cache_clear()
    with pytest.raises(PocketMissing, match="train"):
        kept_logits("pocket", own_tokens("smollm2", "pride"), np.array([0, 1]))


def test_a_prompt_begins_with_end_of_text_is_cut_at_a_window_and_tells_what_it_lost():
    tokens = own_tokens("smollm2", "pride")
    read = prepared(tokens, "It is a truth" + " very" * LONGEST + " \U0001f642 blockchain")
    assert read.ids[0] == 0
    assert len(read.ids) == WINDOW
    assert tokens.decode(read.ids).startswith("It is a truth very")
    assert read.cut == 4
    assert read.unknown == (" \U0001f642", " blockchain")
    assert len(prepared(tokens, "").ids) == 1


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A race that is over, whose students are made of chance."""
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    fields = {"started": 0.0, "ended": 1.0, "heartbeat": None, "message": "", "command": "", "steering": {}, "result": None}
    over = Run(id="a1", spec=Race().spec(), owner="ann", state="done", created=0.0, step=1, steps=1, **fields)
    for arm in over.spec.arms:
        for seed in range(over.spec.seeds):
            path = artifacts.student_path(over.id, arm.key, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(llama(2, 64, 192, over.spec.vocabulary), path)
    return over


def test_the_students_of_a_run_answer_as_their_weights_have_it(run: Run):
    found = students_of(run)
    assert [one.arm for one in found] == [arm.key for arm in run.spec.arms]
    assert {one.seed for one in found} == {0}
    ids = np.array([0, 5, 17])
    logits = [student_logits(one, ids) for one in found]
    assert all(one.shape == (3, run.spec.vocabulary) for one in logits)
    assert not np.allclose(logits[0], logits[1])
    np.testing.assert_allclose(student_logits(found[0], ids[:2]), logits[0][:2], atol=1e-5)  # it reads from left to right


def test_where_the_first_seeds_weights_are_gone_another_seed_stands_in(run: Run):
    artifacts.student_path(run.id, "text_only", 0).unlink()
    assert next(one for one in students_of(run) if one.arm == "text_only").seed == 1
    artifacts.student_path(run.id, "text_only", 1).unlink()
    assert "text_only" not in {one.arm for one in students_of(run)}


@pytest.mark.parametrize("damage", ["cut", "nan", "other"])
def test_damaged_weights_are_told_in_words(run: Run, damage: str):
    student = students_of(run)[0]
    if damage == "cut":
        student.path.write_bytes(student.path.read_bytes()[:1000])
    else:
        weights = llama(2, 64, 192, run.spec.vocabulary) if damage == "nan" else llama(1, 64, 192, 10)
        weights["model.norm.weight"][0] = np.nan
        save_file(weights, student.path)
    with pytest.raises(ValueError, match={"cut": "damaged", "nan": "not numbers", "other": "another network"}[damage]):
        student_logits(student, np.array([0, 5]))


def test_a_recorded_race_keeps_its_students(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recorded, "_FOLDER", tmp_path)
    before = {one.arm: student_logits(one, np.array([0, 5])) for one in students_of(run)}
    recorded._keep_students(run, recorded.name_of(run))
    kept = students_of(replace(run, owner=recorded.OWNER))
    assert [one.arm for one in kept] == list(before)
    assert all(one.path.parent == tmp_path for one in kept)
    for one in kept:
        np.testing.assert_allclose(student_logits(one, np.array([0, 5])), before[one.arm], atol=0.02)


SECTION = """
import json, sys
from streamlit.testing.v1 import AppTest
section = "from kdlab.ui.language.token_text import show_token_text; show_token_text()"
app = AppTest.from_string(section, default_timeout=120).run()
assert not app.exception
sent = {one.proto.component_name: json.loads(one.proto.json) for one in app.get("bidi_component")}
sizes = {one.proto.component_name: len(one.proto.json) for one in app.get("bidi_component")}
text, bars = (sent[f"kdlab.token_{part}"] for part in ("text", "bars"))
words = [token["text"] for token in text["tokens"]]
loaded = sorted({"torch", "transformers"} & set(sys.modules))
print(json.dumps({"words": words, "chosen": text["chosen"], "rows": [row["name"] for row in bars["rows"]], "sizes": sizes, "loaded": loaded}))
"""


def test_the_section_opens_with_what_smollm2_says_of_the_novel_and_loads_no_model(tmp_path: Path):
    environment = {**os.environ, "KDLAB_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", SECTION], capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["loaded"] == []
    assert found["words"][:9] == ["start", '"', "I", "have", "been", "used", "to", "consider", "poetry"]
    assert found["chosen"] >= READ_FIRST
    assert len(found["rows"]) in (LIKELIEST + 1, LIKELIEST + 2)
    # What a choice sends again.
    assert found["sizes"]["kdlab.token_text"] + found["sizes"]["kdlab.token_bars"] < 20_000
