"""What a visitor asks of a model that has to be loaded for it: done in a process of its own, while a file tells every page how far it is.

One of a kind is done at a time; the others wait, before they load anything into memory. A job outlives the page that asked for it,
and the server too.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from filelock import FileLock, Timeout

from kdlab.data.home import HomeError, home
from kdlab.models.added_teachers import visitor_mark
from kdlab.models.kept_files import write_whole
from kdlab.models.model_folder import ModelFolderError

ENDED_WITHOUT_A_WORD = (
    "It ended without a word, perhaps because memory ran out. Try again, with a smaller model or fewer programs open."
)
_A_LOOK = 0.5  # seconds between two looks at whether it was stopped while it waits


@dataclass(frozen=True, kw_only=True)
class Job:
    """How far it is. ``words``: what it does, or why it was refused."""

    state: Literal["waiting", "working", "done", "refused"] = "waiting"
    words: str = ""
    done: int = 0
    total: int = 0

    @property
    def goes_on(self) -> bool:
        return self.state in ("waiting", "working")


J = TypeVar("J", bound=Job)


class Jobs(Generic[J]):
    """All jobs of a kind, one a visitor."""

    def __init__(self, kind: type[J], module: str, folder: str, stopped: str) -> None:
        """module: run with a visitor's mark, it is the process that does the job. folder: below the home folder, with the files.

        stopped: what is told of a job that was stopped.
        """
        self._kind, self._module, self._folder, self.stopped = kind, module, folder, stopped
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, job: J, visitor: str) -> None:
        """Begins the job, unless one of its kind is done for this visitor already."""
        mark, last = visitor_mark(visitor), self.of(visitor)
        if last is not None and last.goes_on:  # a process whose job is done may take its time to end
            return
        self.stopping(mark).unlink(missing_ok=True)
        self.write(mark, job)
        apart: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        self._processes[mark] = subprocess.Popen(
            [sys.executable, "-m", self._module, mark],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            **apart,
        )

    def stop(self, visitor: str) -> None:
        """Has the visitor's job end at its next step."""
        mark = visitor_mark(visitor)
        if self.at_work(mark):
            self.stopping(mark).touch()

    def of(self, visitor: str) -> J | None:
        """What the visitor asked for last; None where that is nothing."""
        mark = visitor_mark(visitor)
        at_work = self.at_work(mark)  # looked at first: what ends in between has written its end
        found = self.read(mark)
        if found is not None and found.goes_on and not at_work:
            return replace(found, state="refused", words=ENDED_WITHOUT_A_WORD)
        return found

    def carry_out(
        self, mark: str, do: Callable[[J], J], refusals: tuple[type[Exception], ...], wrong: str = "Something went wrong"
    ) -> None:
        """Does what the visitor of this mark asked for: ``do`` gives the job as it ends. In the process of its own.

        refusals: errors whose words are for the visitor. wrong: what any other one is told with.
        """
        asked = self.read(mark)
        if asked is None:
            return
        with FileLock(self._path(mark).with_suffix(".lock")):
            try:
                self.write(mark, replace(do(asked), state="done"))
            except (*refusals, ModelFolderError, HomeError) as error:
                self.write(mark, replace(asked, state="refused", words=str(error)))
            except Exception as error:  # noqa: BLE001 - whatever ends it, the visitor must be told
                traceback.print_exception(error)
                words = f"{wrong} ({type(error).__name__}: {error})."
                self.write(mark, replace(asked, state="refused", words=words[:600]))

    @contextmanager
    def turn(self, mark: str) -> Iterator[None]:
        """Once no other job of its kind is done; until then it may be stopped too."""
        lock = FileLock((home() / self._folder).with_suffix(".lock"))
        while not lock.is_locked:
            self._unless_stopped(mark)
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=_A_LOOK)
        try:
            yield
        finally:
            lock.release()

    def say(self, mark: str, now: J) -> None:
        """Tells how far it is. Raises ModelFolderError where it was stopped."""
        self._unless_stopped(mark)
        self.write(mark, now)

    def _unless_stopped(self, mark: str) -> None:
        if self.stopping(mark).exists():
            raise ModelFolderError(self.stopped)

    def at_work(self, mark: str) -> bool:
        """Whether its process lives: this server's own, or one that an earlier server began, which holds its lock."""
        mine = self._processes.get(mark)
        if mine is not None and mine.poll() is None:
            return True
        if not self._path(mark).exists():
            return False
        try:
            with FileLock(self._path(mark).with_suffix(".lock"), timeout=0):
                return False
        except Timeout:
            return True

    def read(self, mark: str) -> J | None:
        """The job of the visitor of this mark, as its file has it; None where there is none, or a damaged one."""
        try:
            return self._kind(**json.loads(self._path(mark).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, mark: str, now: J) -> None:
        """Keeps it as its file."""
        write_whole(self._path(mark), json.dumps(asdict(now)).encode())

    def _path(self, mark: str) -> Path:
        return home() / self._folder / f"{mark}.json"

    def stopping(self, mark: str) -> Path:
        """The file whose being there says that it shall stop."""
        return self._path(mark).with_suffix(".stop")
