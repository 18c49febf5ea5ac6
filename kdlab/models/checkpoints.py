"""Weights on disk: safetensors files that say in plain words what is wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from kdlab.models.catalogue import teacher_card, weights_path, weights_sha256
from kdlab.models.low_rank import merge_updates
from kdlab.models.networks import start_of_teacher


class CheckpointError(Exception):
    """A weights file that is missing, damaged or made for another network; the message is for a learner."""


def save_checkpoint(
    module: nn.Module, path: Path, card: Mapping[str, Any], dtype: torch.dtype | None = None
) -> None:
    """Write a module's weights to one safetensors file, whole or not at all, with the card (JSON) in its header.

    `dtype` is what floating-point weights are stored as; None keeps their own. What is frozen (it asks for no gradient)
    came from elsewhere and is left out.
    """
    tensors = {
        name: (tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in _own(module).items()
    }
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(save(tensors, metadata={"card": json.dumps(dict(card))}))
    os.replace(draft, path)


def load_checkpoint(module: nn.Module, path: Path) -> nn.Module:
    """Load a safetensors file into a module in place, and return the module. What is frozen stays as it is.

    Raises CheckpointError where the file is missing, damaged, or does not fit the module; the module is then as
    it was.
    """
    try:
        tensors = load(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"The weights file {path.name} is missing.") from error
    except OSError as error:
        raise CheckpointError(f"The weights file {path.name} cannot be read: {error.strerror}.") from error
    except SafetensorError as error:
        raise CheckpointError(
            f"The weights file {path.name} is damaged: it is cut off or not in safetensors form."
        ) from error
    wanted = _own(module)
    if missing := sorted(wanted.keys() - tensors.keys()):
        raise CheckpointError(f"The weights file {path.name} is for another network: it has no {missing[0]}.")
    if extra := sorted(tensors.keys() - wanted.keys()):
        raise CheckpointError(
            f"The weights file {path.name} is for another network: nothing takes its {extra[0]}."
        )
    for name in wanted:
        tensor = tensors[name]
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(
                f"The weights file {path.name} is for a network of another size: "
                f"{name} is {tuple(tensor.shape)} there and {tuple(wanted[name].shape)} here."
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"The weights file {path.name} holds values that are not numbers in {name}."
            )
    module.load_state_dict(tensors, strict=False)
    return module


def _own(module: nn.Module) -> dict[str, Tensor]:
    """A module's weights and buffers without what is frozen in it, by name."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in module.state_dict().items() if name not in frozen}


def read_teacher(name: str) -> nn.Module:
    """A bundled teacher as its weights file has it, whether or not its card describes that file.

    Raises ValueError for an unknown name, ModelMissing where it needs a package, CheckpointError.
    """
    return merge_updates(load_checkpoint(start_of_teacher(name), weights_path(name)))


def load_teacher(name: str) -> nn.Module:
    """A bundled teacher, ready to answer: evaluation mode, no gradients, float32, on the CPU.

    Raises ValueError for an unknown name, ModelMissing where it needs a package that is not installed, CheckpointError
    where its weights are missing or not those of its card.
    """
    module = read_teacher(name)
    if weights_sha256(name) != teacher_card(name)["weights_sha256"]:
        raise CheckpointError(
            f"The weights of the teacher {name!r} are damaged: they are not those that its card describes."
        )
    return module.eval().requires_grad_(False)
