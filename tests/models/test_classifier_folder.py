"""Whether a folder can teach: everything that speaks against it is told with what to do, before anything is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdlab.models.classifier_folder import inspect_folder, match_labels
from kdlab.models.classifier_sources import check_source, fetch, folders_on_offer, local_folder
from kdlab.models.model_folder import ModelFolderError
from tests.tiny_classifier import tiny_classifier

CLASSES = ("bad", "good")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("made") / "tiny")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny"))


def config_with(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changed), encoding="utf-8")


def test_a_whole_folder_is_known_by_its_header_and_its_labels_by_name(folder: Path):
    found = inspect_folder(folder, CLASSES)
    assert found.places == (1, 0)
    assert found.architecture == "BertForSequenceClassification"
    assert found.parameters == 2514
    assert inspect_folder(folder, CLASSES).sha256 == found.sha256
    config_with(folder, id2label={"0": "bad", "1": "good"})
    assert inspect_folder(folder, CLASSES).sha256 != found.sha256


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def part_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"bert.x": "../../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing there": (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    "config is no JSON": (lambda folder: (folder / "config.json").write_text("{", encoding="utf-8"), "config.json cannot be read"),
    "a pickle": (pickled, "a pickle (pytorch_model.bin), which can run any program"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    "weights cut off": (cut, "damaged"),
    "weights are something else": (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "damaged"),
    "weights in parts that are elsewhere": (part_missing, "A part of its weights is missing"),
    "no tokenizer": (no_tokenizer, "no tokenizer"),
    "a language model": (lambda folder: config_with(folder, architectures=["BertForMaskedLM"]), "no sequence classifier"),
    "nameless": (lambda folder: config_with(folder, architectures=None), "does not say what it is"),
    "code of its own": (lambda folder: config_with(folder, auto_map={"AutoModel": "x.Y"}), "code of its own"),
    "three labels": (
        lambda folder: config_with(folder, id2label={"0": "good", "1": "bad", "2": "so so"}),
        "tells 3 classes apart (“good”, “bad”, “so so”), and the data have 2",
    ),
    "other names": (
        lambda folder: config_with(folder, id2label={"0": "POSITIVE", "1": "NEGATIVE"}),
        "called “POSITIVE”, “NEGATIVE”, and the data's are called “bad”, “good”",
    ),
    "no names": (lambda folder: config_with(folder, id2label=None), "names no classes"),
    "numbers left out": (lambda folder: config_with(folder, id2label={"0": "good", "7": "bad"}), "does not number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_teach_is_refused_with_what_to_do(folder: Path, fault: str):
    spoil, said = FAULTS[fault]
    spoil(folder)
    with pytest.raises(ModelFolderError) as caught:
        inspect_folder(folder, CLASSES)
    assert said in str(caught.value)


def test_too_little_memory_is_told_in_numbers_before_anything_is_loaded(folder: Path):
    with pytest.raises(ModelFolderError, match=r"memory, and 0\.0 GB are free"):
        inspect_folder(folder, CLASSES, free=1000)


@pytest.mark.parametrize(
    ("labels", "classes", "places"),
    [
        (("Good", "BAD"), ("bad", "good"), (1, 0)),
        (("very-good", "not_so good"), ("Not so good", "very good"), (1, 0)),
        (("LABEL_0", "LABEL_1", "LABEL_2"), ("0", "1", "2"), (0, 1, 2)),
    ],
)
def test_labels_of_the_same_name_are_found_wherever_they_stand(labels, classes, places):
    assert match_labels(labels, classes) == places


def test_only_folders_below_the_owners_are_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    root = tmp_path / "home" / "models"
    shutil.copytree(folder, root / "tiny")
    (root / "out").symlink_to(folder)
    assert folders_on_offer() == ["tiny"]
    assert local_folder("tiny") == root / "tiny"
    for asked in ("", ".", "..", "../../tiny", str(folder), "out", "/etc", "tiny\0"):
        assert local_folder(asked) is None, asked
    monkeypatch.setenv("KDLAB_MODELS", str(folder.parent))
    assert local_folder("tiny") == folder
    monkeypatch.setenv("KDLAB_MODELS", "off")
    assert (local_folder("tiny"), folders_on_offer()) == (None, [])


@pytest.mark.parametrize("asked", ["", "../x", "/etc/passwd", "a/b/c", "https://example.org/model", "name with spaces", "x" * 99])
def test_what_is_no_id_is_not_sent_anywhere(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    with pytest.raises(ModelFolderError, match="neither a folder"):
        check_source(asked)


def test_the_owner_may_close_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setenv("KDLAB_HUB", "off")
    with pytest.raises(ModelFolderError, match="lets nothing be fetched"):
        fetch("org/model", None, print)


def test_without_a_network_it_says_so_and_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    with pytest.raises(ModelFolderError, match=r"cannot be reached .*models"):
        fetch("org/model", None, print, endpoint="http://127.0.0.1:9")
