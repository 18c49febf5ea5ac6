"""Where training runs: CUDA, then MPS, then the CPU, or the one that is named."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kdlab.core.counted import counted
from kdlab.models.machine import usable

AVAILABLE_THREADS = torch.get_num_threads()
"""What PyTorch starts with; a run may choose fewer."""


class DeviceError(Exception):
    """The named device is not there; the message says what to choose instead."""


def resolve_device(name: str = "auto") -> torch.device:
    """The device to train on. A named one that is missing is an error, never a silent fall-back.

    Raises DeviceError.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(
                "This machine has no CUDA GPU that PyTorch can use. Choose auto or cpu, or start the lab where a "
                "card and a CUDA build of PyTorch are installed."
            )
        if int(index or 0) >= torch.cuda.device_count():
            raise DeviceError(
                f"This machine has {torch.cuda.device_count()} CUDA GPU(s), numbered from 0; there is no {name}."
            )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("This machine has no Apple GPU (MPS) that PyTorch can use. Choose auto or cpu.")
    return torch.device(name)


def describe_device(device: torch.device) -> dict[str, str | float | int | None]:
    """What the pages say of a device: its name, and its memory in GiB where it has its own."""
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return {"device": str(device), "name": card.name, "memory_gib": round(card.total_memory / 2**30, 1)}
    name = (
        "Apple GPU"
        if device.type == "mps"
        else f"{platform.machine()} CPU, {counted(AVAILABLE_THREADS, 'threads')}"
    )
    return {"device": str(device), "name": name, "memory_gib": None}


def peak_memory_mib(device: torch.device) -> float | None:
    """Most memory used so far, in MiB: the card's on CUDA, else this whole process's. None where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def free_memory(device: torch.device) -> int | None:
    """Bytes that may still be taken on the device: the card's on CUDA, else the machine's. None where unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return usable()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch works with so many threads, and then with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def speed_depends_on(device: torch.device) -> dict[str, str | int]:
    """What a time that was measured on the device holds for: its name, its threads, PyTorch's version."""
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device), "torch": torch.__version__}
    return {"device": str(device), "threads": AVAILABLE_THREADS, "torch": torch.__version__}
