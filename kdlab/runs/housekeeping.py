"""What the lab's home folder holds, and what of it may go."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kdlab.core.counted import counted
from kdlab.data.home import home
from kdlab.runs.store import Store

_STALE_AFTER = 3600.0  # seconds; a file is written whole within moments


@dataclass(frozen=True)
class Holding:
    """Files and folders of one kind. What ``may_go`` is made again when it is missed, or belongs to nothing."""

    words: str
    paths: list[Path]
    megabytes: float
    may_go: bool


def holdings(store: Store) -> list[Holding]:
    """All that lies in the home folder, each file once. ``store`` is the one that the lab uses now."""
    folder = home()
    everything = set(folder.iterdir())
    # The folders are listed before the rows are read: one that comes in between belongs to a run that is known.
    kept = {path for path in (folder / "runs").glob("*") if path.is_dir()}
    known = store.known() | _known_to(folder / "lab.sqlite")
    lost = {path for path in kept if path.name not in known}
    caches, converted = ([path for path in (folder / name,) if path.exists()] for name in ("cache", "models-converted"))
    aside = {path for path in everything if re.fullmatch(r"lab-version-\d+-\d{8}-\d{6}\.sqlite(-wal|-shm)?", path.name)}
    at_work = {folder / "runs" / line.id for line in store.lines(active=True)}
    untouched = {*lost, *caches, *converted, *at_work}
    stale = {path for path in folder.rglob("*") if _is_stale(path) and untouched.isdisjoint(path.parents)}
    stores = {path for path in everything if path.name in ("lab.sqlite", "lab.sqlite-wal", "lab.sqlite-shm")}
    rest = everything - {folder / "runs", *caches, *converted} - aside - stores - stale
    return [
        _holding("the store", stores, may_go=False),
        _holding(f"students and answers of {counted(len(kept - lost), 'runs')}", kept - lost, may_go=False),
        _holding("language models, converted once", converted, may_go=False),
        _holding("the cookie's secret and what else the lab keeps", rest, may_go=False),
        _holding("caches" + (", kept while a run is at work" if at_work else ""), caches, may_go=not at_work),
        _holding(f"what is left of {counted(len(lost), 'runs')} that no store here knows", lost, may_go=True),
        _holding(f"stores of an older KD Lab, {counted(len(aside), 'files')}", aside, may_go=True),
        _holding(f"unfinished writes, {counted(len(stale), 'files')}", stale, may_go=True),
    ]


def take_away(holding: Holding) -> list[Path]:
    """Removes what is held; returns what could not be."""
    if not holding.may_go:
        raise ValueError(f"{holding.words} may not go")
    for path in holding.paths:
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    return [path for path in holding.paths if path.exists() or path.is_symlink()]


def _is_stale(path: Path) -> bool:
    """Whether this is a write that was cut off: see `kept_files.write_whole`."""
    with contextlib.suppress(OSError):
        cut_off = re.search(r"\.\d+$", path.name) and path.is_file() and not path.is_symlink()
        return bool(cut_off) and time.time() - path.stat().st_mtime > _STALE_AFTER
    return False


def _known_to(database: Path) -> set[str]:
    """The runs of the SQLite store here, which is another's than the lab's where KDLAB_DATABASE_URL names one."""
    if not database.exists():
        return set()
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return {row[0] for row in connection.execute("SELECT id FROM runs")}
    except sqlite3.Error:
        return {path.name for path in (database.parent / "runs").glob("*")}  # who knows what it held


def _holding(words: str, paths: Iterable[Path], *, may_go: bool) -> Holding:
    found = sorted(paths)
    return Holding(words, found, sum(map(_size, found)) / 1e6, may_go)


def _size(path: Path) -> int:
    """Bytes of a file, or of all in a folder; 0 for what went in the meantime."""
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
        return sum(map(_size, path.iterdir()))
    return 0
