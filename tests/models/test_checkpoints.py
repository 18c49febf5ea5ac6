"""Weights come back as they were saved, and a bad file is told in plain words and changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from kdlab.models import catalogue
from kdlab.models.checkpoints import CheckpointError, load_checkpoint, load_teacher, save_checkpoint
from kdlab.models.networks import build_student


@pytest.fixture
def saved(tmp_path: Path) -> tuple[nn.Module, Path]:
    module, path = build_student("mlp-16", "digits"), tmp_path / "student.safetensors"
    save_checkpoint(module, path, {"accuracy": 0.5, "note": "größer"})
    return module, path


def test_weights_come_back_to_the_bit_with_their_card(saved: tuple[nn.Module, Path]) -> None:
    module, path = saved
    other = load_checkpoint(build_student("mlp-16", "digits"), path)
    for one, two in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["card"]) == {"accuracy": 0.5, "note": "größer"}
    assert list(path.parent.iterdir()) == [path]


def test_half_precision_halves_the_file_and_rounds_the_weights(saved: tuple[nn.Module, Path]) -> None:
    module, path = saved
    half = path.with_name("half.safetensors")
    save_checkpoint(module, half, {}, torch.float16)
    assert half.stat().st_size < 0.7 * path.stat().st_size
    rounded = load_checkpoint(build_student("mlp-16", "digits"), half).state_dict()
    for name, tensor in module.state_dict().items():
        assert torch.equal(rounded[name], tensor.half().float())


def test_what_is_frozen_is_neither_stored_nor_changed(tmp_path: Path) -> None:
    module, path = build_student("mlp-16", "digits"), tmp_path / "part.safetensors"
    module.layers[0].requires_grad_(False)
    save_checkpoint(module, path, {})
    assert set(load_file(path)) == {"layers.1.weight", "layers.1.bias"}
    other = build_student("mlp-16", "digits")
    other.layers[0].requires_grad_(False)
    first = other.layers[0].weight.clone()
    load_checkpoint(other, path)
    assert torch.equal(other.layers[1].weight, module.layers[1].weight)
    assert torch.equal(other.layers[0].weight, first)
    with pytest.raises(CheckpointError, match=r"it has no layers\.0\.bias"):
        load_checkpoint(build_student("mlp-16", "digits"), path)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def fill_with_text(path: Path) -> None:
    path.write_text("these are not weights", encoding="utf-8")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def put_in_nan(path: Path) -> None:
    module = load_checkpoint(build_student("mlp-16", "digits"), path)
    nn.init.constant_(module.layers[0].bias, float("nan"))
    save_checkpoint(module, path, {})


def save_larger(path: Path) -> None:
    save_checkpoint(build_student("mlp-64", "digits"), path, {})


def save_other(path: Path) -> None:
    save_checkpoint(build_student("linear", "digits"), path, {})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Path.unlink, "is missing"),
        (cut_off, "is damaged"),
        (fill_with_text, "is damaged"),
        (make_empty, "is damaged"),
        (put_in_nan, r"not numbers in layers\.0\.bias"),
        (save_larger, r"another size: layers\.0\.weight is \(64, 64\) there and \(16, 64\) here"),
        (save_other, "another network"),
    ],
)
def test_a_bad_file_is_told_in_plain_words_and_changes_nothing(
    saved: tuple[nn.Module, Path], harm: Callable[[Path], object], words: str
) -> None:
    _, path = saved
    harm(path)
    module = build_student("mlp-16", "digits")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(module, path)
    assert path.name in str(caught.value)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_teacher_with_one_changed_byte_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in catalogue.WEIGHTS.glob("digits.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    load_teacher("digits")
    weights = bytearray((tmp_path / "digits.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "digits.safetensors").write_bytes(weights)
    with pytest.raises(CheckpointError, match="not those that its card describes"):
        load_teacher("digits")


def test_a_teacher_is_ready_to_answer_and_asks_for_no_gradient() -> None:
    teacher = load_teacher("digits")
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
