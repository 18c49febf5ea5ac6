"""The lab's home folder: the store, students' weights, cached signals, the cookie's secret."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs


class HomeError(Exception):
    """The home folder cannot be used; the message says why and what to do next."""


def home() -> Path:
    """``KDLAB_HOME``, else the platform's user data folder. Made when missing.

    Raises HomeError when the folder cannot be made or written.
    """
    named = os.environ.get("KDLAB_HOME")
    path = Path(named).expanduser() if named else platformdirs.user_data_path("kdlab", appauthor=False)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise HomeError(
            f"The lab cannot write to its home folder {path} ({error.strerror or error}). "
            "Free some space or make the folder writable, or name another one in the "
            "environment variable KDLAB_HOME, then start the lab again."
        ) from error
    return path
