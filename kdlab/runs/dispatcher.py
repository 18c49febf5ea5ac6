"""The dispatcher: admits queued runs in fair order and notices those whose worker is gone. One a server."""

from __future__ import annotations

import contextlib
import os
import threading
import time

from kdlab.runs.backends import Backend, Ended, LocalBackend
from kdlab.runs.store import Store, StoreError

_TICK = 0.1  # seconds
_SWEEP_EVERY = 1.0
_PATIENCE = 5.0  # seconds that a worker has to obey a cancel before it is ended by force
_IDLE_PROCESSES = 4  # paused runs that may wait beside those at work; each holds a process's memory


class Dispatcher:
    """A thread beside the server. ``KDLAB_SLOTS`` runs train at once (1 unless told)."""

    def __init__(self, store: Store | None = None, backend: Backend | None = None) -> None:
        self._store = store or Store()
        self._backend = backend or LocalBackend()
        self._slots = max(1, int(os.environ.get("KDLAB_SLOTS", "1")))
        self._submitted: set[str] = set()
        self._cancel_seen: dict[str, float] = {}
        self._swept = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops admitting. Runs at work go on, the waiting worker goes."""
        self._over.set()
        self._thread.join()
        if isinstance(self._backend, LocalBackend):
            self._backend.close()

    def _loop(self) -> None:
        while not self._over.wait(_TICK):
            # A store that fails now (disk full, locked) may be there again at the next tick.
            with contextlib.suppress(StoreError):
                self.tick()

    def tick(self) -> None:
        """One look: what ended, what is lost, what must be stopped, who is next."""
        for ended in self._backend.poll():
            self._account_for(ended)
        now = time.monotonic()
        if now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            self._store.sweep_lost()
            self._store.sweep_deleted()
        active = self._store.list_runs(states=("queued", "running", "paused"))
        for run in active:
            if run.command == "cancel" and now - self._cancel_seen.setdefault(run.id, now) > _PATIENCE:
                self._backend.cancel(run.id)
                self._store.finish(run.id, "cancelled")
        running = {run.id for run in active if run.state == "running"}
        paused = sum(run.state == "paused" for run in active)
        queued = {run.id for run in active if run.state == "queued"}
        self._submitted &= queued  # a claimed run counts as running from now on
        busy = len(running) + len(self._submitted) + max(0, paused - _IDLE_PROCESSES)
        if busy < self._slots and queued - self._submitted:
            waiting = [run_id for run_id in self._store.queue() if run_id not in self._submitted]
            for run_id in waiting[: self._slots - busy]:
                self._backend.submit(run_id)
                self._submitted.add(run_id)

    def _account_for(self, ended: Ended) -> None:
        run = self._store.get(ended.run_id)
        if run is None or not run.active:
            return
        if run.state == "queued":
            self._store.finish(
                ended.run_id,
                "failed",
                message=f"The process that trains could not start ({ended.error or 'it said nothing'}). "
                "Run `python -m kdlab doctor` on the server to see what is missing.",
            )
        else:
            self._store.mark_lost(ended.run_id)
