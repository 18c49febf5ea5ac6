"""How much memory this machine has; needs no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TOLD = Path("/proc/meminfo")


class Memory(NamedTuple):
    """In bytes: all that there is, and what may still be taken. None where the system does not say."""

    total: int | None
    free: int | None


def memory() -> Memory:
    """The machine's main memory now. Where nothing says what is free, that is None."""
    if _TOLD.exists():
        lines = dict(line.split(":", 1) for line in _TOLD.read_text(encoding="utf-8").splitlines())
        if {"MemTotal", "MemAvailable"} <= lines.keys():
            return Memory(*(int(lines[name].split()[0]) * 2**10 for name in ("MemTotal", "MemAvailable")))
    if hasattr(os, "sysconf"):
        return Memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None)
    return Memory(None, None)


def usable() -> int | None:
    """Bytes of main memory that may still be taken: half of what there is where nothing says what is free."""
    total, free = memory()
    return total // 2 if free is None and total is not None else free
