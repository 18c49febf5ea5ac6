"""The lab's home folder: the store, students' weights, cached signals, the cookie's secret."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import platformdirs


class HomeError(Exception):
    """The home folder cannot be used; the message says why and what to do next."""


def home() -> Path:
    """``KDLAB_HOME``, else the platform's user data folder. Made when missing.

    Raises HomeError when the folder cannot be made, or not written when this process first asks; after that,
    whoever writes says what failed.
    """
    named = os.environ.get("KDLAB_HOME")
    path = Path(named).expanduser() if named else platformdirs.user_data_path("kdlab", appauthor=False)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _try_to_write(path)
    except OSError as error:
        raise HomeError(
            f"The lab cannot write to its home folder {path} ({error.strerror or error}). "
            "Free some space or make the folder writable, or name another one in the "
            "environment variable KDLAB_HOME, then start the lab again."
        ) from error
    return path


@cache
def _try_to_write(folder: Path) -> None:
    """Once a process: `home` is asked for each student of each run. A failure is tried again."""
    with tempfile.TemporaryFile(dir=folder):
        pass
