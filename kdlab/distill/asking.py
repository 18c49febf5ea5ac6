"""A visitor's classifier answers for a data set in a process of its own: how that is asked for, and how far it is.

``python -m kdlab.distill.asking MARK`` is that process. One answers at a time; the others wait, before they load anything into memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from kdlab.data.home import HomeError, home
from kdlab.data.registry import get_dataset
from kdlab.data.visitor_sets import TextsGoneError
from kdlab.models.added_teachers import visitor_mark
from kdlab.models.classifier_sources import check_source, fetch
from kdlab.models.kept_files import write_whole
from kdlab.models.machine import memory
from kdlab.models.model_folder import ModelFolderError

ENDED_WITHOUT_A_WORD = (
    "It ended without a word, perhaps because memory ran out. Try again, with a smaller model or fewer programs open."
)
STOPPED = "Stopped. Whole parts of 512 answers are kept: asked again, it goes on after them."
_A_LOOK = 0.5  # seconds between two looks at whether it was stopped while it waits
_PROCESSES: dict[str, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Asking:
    """What a visitor asked for, and how far it is. ``words``: what it does, or why it was refused."""

    source: str
    dataset: str
    state: Literal["waiting", "working", "done", "refused"] = "waiting"
    words: str = ""
    done: int = 0
    total: int = 0
    teacher: str = ""

    @property
    def goes_on(self) -> bool:
        return self.state in ("waiting", "working")


def start(source: str, dataset: str, visitor: str) -> None:
    """Has the classifier answer for the data set, unless one answers for this visitor already. Raises ModelFolderError."""
    check_source(source)
    mark = visitor_mark(visitor)
    if _at_work(mark):
        return
    _stopping(mark).unlink(missing_ok=True)
    _write(mark, Asking(source, dataset))
    apart: dict[str, Any] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    _PROCESSES[mark] = subprocess.Popen(
        [sys.executable, "-m", "kdlab.distill.asking", mark],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        **apart,
    )


def stop(visitor: str) -> None:
    """Has the visitor's classifier end, soon. What it answered in whole parts is kept, and another asking goes on from there."""
    mark = visitor_mark(visitor)
    if _at_work(mark):
        _stopping(mark).touch()


def asking_of(visitor: str) -> Asking | None:
    """What the visitor asked for last; None where that is nothing."""
    mark = visitor_mark(visitor)
    at_work = _at_work(mark)  # looked at first: what ends in between has written its end
    found = _read(mark)
    if found is not None and found.goes_on and not at_work:
        return replace(found, state="refused", words=ENDED_WITHOUT_A_WORD)
    return found


def main(mark: str) -> None:
    """Answers what the visitor of this mark asked for."""
    asked = _read(mark)
    if asked is None:
        return
    with FileLock(_path(mark).with_suffix(".lock")):
        try:
            if (data := get_dataset(asked.dataset)).kind == "image":
                raise ModelFolderError(f"{data.title} are pictures, which no text classifier reads. Choose texts.")
            fetching = replace(asked, state="working")
            # Before its turn: a slow line holds up nobody else.
            folder, origin = fetch(asked.source, memory().free, lambda words: _say(mark, replace(fetching, words=words)))
            _say(mark, asked)
            with _turn(mark):
                from kdlab.distill.classifier_teacher import make_teacher

                name = make_teacher(asked, folder, origin, mark, lambda now: _say(mark, now))
            _write(mark, replace(asked, state="done", teacher=name))
        except (ModelFolderError, TextsGoneError, HomeError) as error:
            _write(mark, replace(asked, state="refused", words=str(error)))
        except Exception as error:  # noqa: BLE001 - whatever ends it, the visitor must be told
            traceback.print_exception(error)
            words = f"Something went wrong while it was loaded or asked ({type(error).__name__}: {error})."
            _write(mark, replace(asked, state="refused", words=words[:600]))


@contextmanager
def _turn(mark: str) -> Iterator[None]:
    """Once no other classifier answers; until then it may be stopped too."""
    lock = FileLock(home() / "teachers" / "asking.lock")
    while not lock.is_locked:
        _unless_stopped(mark)
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=_A_LOOK)
    try:
        yield
    finally:
        lock.release()


def _say(mark: str, now: Asking) -> None:
    _unless_stopped(mark)
    _write(mark, now)


def _unless_stopped(mark: str) -> None:
    if _stopping(mark).exists():
        raise ModelFolderError(STOPPED)


def _at_work(mark: str) -> bool:
    """Whether its process lives: this server's own, or one that an earlier server began, which holds its lock."""
    mine = _PROCESSES.get(mark)
    if mine is not None and mine.poll() is None:
        return True
    if not _path(mark).exists():
        return False
    try:
        with FileLock(_path(mark).with_suffix(".lock"), timeout=0):
            return False
    except Timeout:
        return True


def _read(mark: str) -> Asking | None:
    try:
        return Asking(**json.loads(_path(mark).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(mark: str, now: Asking) -> None:
    write_whole(_path(mark), json.dumps(asdict(now)).encode())


def _path(mark: str) -> Path:
    return home() / "teachers" / "asking" / f"{mark}.json"


def _stopping(mark: str) -> Path:
    return _path(mark).with_suffix(".stop")


if __name__ == "__main__":
    main(sys.argv[1])
