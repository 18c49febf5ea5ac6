"""Patience: what the store or the disk refuses now is tried again, for longer and longer, until it is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from safetensors import SafetensorError

from kdlab.data.home import HomeError
from kdlab.runs.schema import StoreError
from kdlab.runs.spell import Spell

T = TypeVar("T")
MAY_PASS = (StoreError, HomeError, OSError, SafetensorError)  # locked, full, down, not writable
_AT_MOST = 1800.0  # seconds; then the error comes out
_FIRST, _LONGEST = 0.25, 15.0  # seconds between two tries


def patiently(
    do: Callable[[], T], doing: str, *, refused: Callable[[], None] | None = None, at_most: float = _AT_MOST
) -> T:
    """What ``do`` returns, tried until it is done. doing: what the log calls it. refused: done after each refusal."""
    fault = Spell(doing, MAY_PASS)
    until, pause = time.monotonic() + at_most, _FIRST
    while time.monotonic() < until:
        with fault:
            return do()
        if refused is not None:
            with fault:
                refused()
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)
    return do()
