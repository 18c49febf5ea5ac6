"""Where runs are carried out: an interface, and local processes as the default."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_WARM_PAUSE = 8.0  # seconds that a run has the cores to itself before the next worker warms up beside it


def slots() -> int:
    """How many runs train at once: ``KDLAB_SLOTS``, one where it says nothing or no such number."""
    told = os.environ.get("KDLAB_SLOTS", "1")
    if told.isascii() and told.isdigit() and 0 < int(told) < 1000:
        return int(told)
    logging.getLogger("kdlab").warning(
        "KDLAB_SLOTS is %r, which is no whole number from 1 to 999: one run trains at a time.", told[:40]
    )
    return 1


@dataclass(frozen=True)
class Ended:
    """A run's process is gone; ``error`` is the last thing that it said on its error output.

    ``claim`` is the token that it was given: the server speaks for the run only while the run is under this one.
    """

    run_id: str
    claim: str
    error: str


class Backend(Protocol):
    def submit(self, run_id: str) -> str:
        """Has a worker claim and train an admitted run; returns the token with which it will claim it."""

    def cancel(self, run_id: str) -> None:
        """Ends a run's worker by force; for one that does not obey the store's command."""

    def poll(self) -> Iterator[Ended]:
        """The runs whose workers have ended since the last call, however they ended."""

    def close(self) -> None:
        """Lets go what waits for work; runs at work go on."""


class LocalBackend:
    """Processes on this machine, each in a session of its own: they outlive the server."""

    def __init__(self) -> None:
        self._busy: dict[str, _Worker] = {}  # by the token of its claim
        self._warm: _Worker | None = None
        self._submitted = 0.0
        self._failures = 0

    def submit(self, run_id: str) -> str:
        worker = self._warm if self._warm is not None and self._warm.alive else _Worker()
        self._warm = None
        token = uuid.uuid4().hex
        self._busy[token] = worker
        self._submitted = time.monotonic()
        worker.take(run_id, token)
        return token

    def cancel(self, run_id: str) -> None:
        for worker in self._busy.values():
            if worker.run_id == run_id:
                worker.process.kill()

    def poll(self) -> Iterator[Ended]:
        for token, worker in list(self._busy.items()):
            if not worker.alive:
                del self._busy[token]
                yield Ended(worker.run_id, token, worker.last_error_line())
        self._keep_warm()

    def _keep_warm(self) -> None:
        if self._warm is not None and not self._warm.alive:
            # Something is wrong with this machine's PyTorch or home folder: a launch will tell; do not spin.
            self._failures += 1
            self._warm = None
        rested = not self._busy or time.monotonic() - self._submitted >= _WARM_PAUSE
        if self._warm is None and self._failures < 3 and rested:
            self._warm = _Worker()

    def close(self) -> None:
        if self._warm is not None:
            self._warm.dismiss()


class _Worker:
    """One worker process, its input held open until a run is given to it."""

    def __init__(self) -> None:
        self.run_id = ""  # none yet
        apart: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kdlab.runs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            **apart,
        )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def take(self, run_id: str, token: str) -> None:
        assert self.process.stdin is not None
        self.run_id = run_id
        # One that died at this moment is reported as ended, like any other.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{run_id} {token}\n")
            self.process.stdin.close()

    def dismiss(self) -> None:
        """Closes its input: one that still warms up ends when it is warm."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def last_error_line(self) -> str:
        """The last line of its error output."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
