"""What this machine can hold: its memory, and the card that the lab's worker found."""

from __future__ import annotations

import json
from typing import NamedTuple

from kdlab.data.home import HomeError, home
from kdlab.models.machine import Memory, memory
from kdlab.ui.look.numbers import size


class Card(NamedTuple):
    """A graphics card and its memory in bytes."""

    name: str
    bytes: float


def card() -> Card | None:
    """The card that the worker trains on; None where it found none, or has not looked yet."""
    try:
        found = json.loads((home() / "device.json").read_text(encoding="utf-8"))
        return Card(str(found["name"]), float(found["memory_gib"]) * 2**30)
    except (HomeError, OSError, ValueError, KeyError, TypeError):
        return None


def machine() -> tuple[Memory, Card | None]:
    return memory(), card()


def fits(needed: float | None, there: Memory, gpu: Card | None) -> str:
    """Whether so many bytes of weights fit this machine, in a sentence. needed: None where no size was published."""
    if needed is None:
        return "Whether it would fit cannot be told: its size is not published."
    if gpu is not None and needed <= gpu.bytes:
        return f"Fits the card here ({gpu.name}, {size(8 * gpu.bytes)})."
    if there.total is None:
        return "Whether it fits cannot be told: this system does not say how much memory it has."
    if there.free is not None and needed <= there.free:
        return f"Fits: {size(8 * there.free)} of this machine's memory are free."
    if needed <= there.total:
        return f"Fits this machine's {size(8 * there.total)}, but not what is free of it now."
    return f"Does not fit: it needs {needed / there.total:,.1f} times this machine's memory, {size(8 * there.total)}."
