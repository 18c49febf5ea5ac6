"""Which files of the home folder are the owner's alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def keep_to_owner(database: Path) -> None:
    """Makes a SQLite file, and those that SQLite lays beside it, its owner's alone; makes it empty where there is none.

    SQLite gives its write-ahead log the rights of the file itself. Windows has no such rights and changes nothing.
    """
    # One that is there is never opened: to close it would drop every lock that SQLite holds on it in this process.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for beside in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.chmod(f"{database}{beside}", 0o600)
