"""Files that the lab keeps for itself: written whole, and as good as none where they are damaged."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def measured_once(folder: Path, about: Mapping[str, str | int], kind: type[T], measure: Callable[[], T]) -> T:
    """The measurement that ``folder`` keeps of what ``about`` describes; else measured now, and kept.

    A file that cannot be read as the kind is as good as none: it is measured and written again. Where nothing
    can be written, the measurement still comes back.
    """
    names = json.dumps(about, sort_keys=True)
    path = folder / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.json"
    form = TypeAdapter(kind)
    with contextlib.suppress(OSError, ValidationError, ValueError, KeyError, TypeError, RecursionError):
        return form.validate_python(json.loads(path.read_text(encoding="utf-8"))["measured"])
    value = measure()
    kept = {"about": dict(about), "measured": form.dump_python(value, mode="json")}
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps(kept).encode())
    return value


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that whoever reads it at this moment finds the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}{threading.get_ident()}")  # threads write one path too
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes an ``.npz`` file, whole, for `read_arrays`."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_whole(path, packed.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an ``.npz`` file; None where there is none, or a damaged one."""
    try:
        with np.load(path) as kept:
            return dict(kept)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
