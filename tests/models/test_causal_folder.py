"""A causal student leaves the lab as a folder that transformers loads and runs, in a process that knows no lab."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from kdlab.data.corpora import get_corpus
from kdlab.models.causal import build_causal, causal_config
from kdlab.models.causal_folder import LINES, causal_folder
from kdlab.models.causal_numpy import Weights, head, hidden
from kdlab.models.causal_shapes import END, LANGUAGE_STUDENTS, WINDOW, LanguageStudent, get_shape, head_name
from kdlab.models.folder_files import zipped
from kdlab.models.model_folder import read_model_folder
from kdlab.models.own_tokens import own_tokens, tokenizer_json
from tests.models.test_causal import lively

MARK, VOCABULARY, OWN = "<|endoftext|>", 300, 270
ONE_OF_EACH = ["llama-2x64", "gpt2-2x128"]
TEXTS = ["It is a truth universally acknowledged, that", "“Naïve café,” said 猫  —\n\n\tquickly 1813!", "a"]
PAST = WINDOW + 20
PROGRAM = """
import json, pathlib, sys
texts = json.loads(pathlib.Path("../texts.json").read_text(encoding="utf-8"))
limits = {"max_new_tokens": PAST} if model.config.model_type == "llama" else {}
said = {"ids": [tokenizer(text)["input_ids"] for text in texts], "back": [], "greedy": [], "sampled": []}
for text in texts:
    given = tokenizer(text, return_tensors="pt")
    said["back"].append(tokenizer.decode(given["input_ids"][0], skip_special_tokens=True))
    said["greedy"].append(model.generate(**given, **limits, do_sample=False)[0].tolist())
    said["sampled"].append(model.generate(**given)[0].tolist())
both = tokenizer(texts[:1] + texts[2:], return_tensors="pt", padding=True)
said["together"] = model.generate(**both, do_sample=False).tolist()
assert not {"kdlab"} & {name.split(".")[0] for name in sys.modules}
pathlib.Path("../out.json").write_text(json.dumps(said), encoding="utf-8")
""".replace("PAST", str(PAST))


@pytest.fixture(scope="module")
def tokenizer() -> dict[str, Any]:
    """Byte-level, own token 0 its end-of-text, as those of the lab's corpora are."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[MARK], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator([Path(__file__).read_text(encoding="utf-8"), LINES], trainer)
    found = json.loads(made.to_str())
    assert len(found["model"]["vocab"]) == VOCABULARY
    return found


def student(name: str, vocabulary: int = VOCABULARY) -> tuple[Weights, LanguageStudent]:
    return {key: tensor.numpy() for key, tensor in lively(name, 1, vocabulary=vocabulary).state_dict().items()}, get_shape(name)


def greedy(weights: Weights, shape: LanguageStudent, ids: list[int], length: int) -> list[int]:
    """What the lab's own arithmetic finds likeliest of the student's tokens, up to so many in all; other tokens are read as 0."""
    own = head(weights, shape)
    reads = {**weights, head_name(shape): np.concatenate([own, np.zeros((VOCABULARY - len(own), shape.width), np.float32)])}
    while len(ids) < length:
        ids = [*ids, int((own @ hidden(reads, shape, np.array(ids))[-1]).argmax())]
        if ids[-1] == END:
            break
    return ids


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_fresh_process_loads_the_folder_and_writes_as_the_lab_does(name: str, tokenizer: dict[str, Any], tmp_path: Path) -> None:
    weights, shape = student(name, vocabulary=OWN if name == "llama-2x64" else VOCABULARY)
    if shape.family == "gpt2":
        tokenizer = tokenizer | {"post_processor": None}  # as the lab's teachers' have none
    folder = tmp_path / "student"
    with zipfile.ZipFile(io.BytesIO(zipped(causal_folder(weights, shape, tokenizer)))) as packed:
        packed.extractall(folder)
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", LINES + PROGRAM],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=kept | {"HF_HUB_OFFLINE": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    for complaint in ("newly initialized", "not used", "UNEXPECTED", "MISSING", "Both `max_new_tokens`", "attention mask"):
        assert complaint not in ended.stderr
    assert ended.stdout.startswith(TEXTS[0])
    said = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    own = Tokenizer.from_str(json.dumps(tokenizer))
    assert said["ids"] == [[END, *own.encode(text).ids] for text in TEXTS]
    assert said["back"] == TEXTS
    assert max(map(max, said["ids"])) >= OWN  # the LLaMA is given tokens that it does not know
    for ids, written, sampled in zip(said["ids"], said["greedy"], said["sampled"], strict=True):
        longest = len(ids) + PAST if shape.family == "llama" else WINDOW
        assert written == greedy(weights, shape, ids, longest)
        assert sampled[: len(ids)] == ids
        assert max(sampled[len(ids) :]) < len(head(weights, shape))
        if sampled[-1] != END:
            assert len(sampled) == (len(ids) + WINDOW if shape.family == "llama" else WINDOW)
    assert max(map(len, said["greedy"])) > WINDOW or shape.family == "gpt2"
    begun = len(said["ids"][0])
    for k, row in ((0, said["together"][0]), (2, said["together"][1])):
        alone, written = said["greedy"][k][len(said["ids"][k]) :], row[begun:]
        end = written.index(END) + 1 if END in written else len(written)
        assert written[:end] == alone[:end]
        assert end > 3


@pytest.mark.parametrize("name", LANGUAGE_STUDENTS)
def test_the_configuration_is_the_one_that_the_student_was_built_with(
    name: str, tokenizer: dict[str, Any], tmp_path: Path
) -> None:
    for file, content in causal_folder(*student(name), tokenizer).items():
        (tmp_path / file).write_bytes(content)
    told = AutoConfig.from_pretrained(tmp_path).to_dict()
    built = causal_config(name, VOCABULARY).to_dict()
    beside = {"architectures", "dtype", "_name_or_path", "rope_theta"}
    assert {key: value for key, value in told.items() if key not in beside} == {
        key: value for key, value in built.items() if key not in beside
    }
    found = read_model_folder(tmp_path)  # the lab itself would take it from its folder of models
    assert found.architecture == ("GPT2LMHeadModel" if name.startswith("gpt2") else "LlamaForCausalLM")
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("teacher", ["smollm2", "pocket"])
def test_the_own_tokens_of_a_corpus_are_those_of_the_folder(teacher: str, tmp_path: Path) -> None:
    own, texts = own_tokens(teacher, "pride"), get_corpus("pride").load()
    shape = get_shape("gpt2-2x128")
    weights = {key: tensor.numpy() for key, tensor in build_causal(shape.name, len(own)).state_dict().items()}
    for file, content in causal_folder(weights, shape, tokenizer_json(own)).items():
        (tmp_path / file).write_bytes(content)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    ids = own.encode(texts.validation[:20_000]).ids.tolist()
    assert theirs(texts.validation[:20_000])["input_ids"] == [END, *ids]
    assert theirs.decode(ids) == own.decode(ids)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    foreign = theirs("A spaceship’s kangaroo", return_tensors="pt")
    assert (foreign["input_ids"].max() >= len(own)) == (teacher == "smollm2")
    written = model.generate(**foreign)[0, foreign["input_ids"].shape[1] :]
    assert len(written) > 9
    assert written.max() < len(own)
    assert len(theirs) == model.config.vocab_size


def test_a_tokenizer_that_lacks_tokens_is_refused(tokenizer: dict[str, Any]) -> None:
    weights, shape = student("llama-2x64", vocabulary=VOCABULARY + 1)
    with pytest.raises(ValueError, match=r"tokens 0 to 300, and its tokenizer has 300 up to 299"):
        causal_folder(weights, shape, tokenizer)
