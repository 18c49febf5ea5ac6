"""The dispatcher: admits queued runs in fair order and notices those whose worker is gone. One a server."""

from __future__ import annotations

import threading
import time

from kdlab.runs.backends import Backend, Ended, LocalBackend, slots
from kdlab.runs.home import HomeError
from kdlab.runs.schema import ACTIVE, StoreError
from kdlab.runs.spell import Spell
from kdlab.runs.store import Store

_TICK = 0.1  # seconds
_SWEEP_EVERY = 1.0
_PATIENCE = 5.0  # seconds that a worker has to obey a cancel before it is ended by force
_IDLE_PROCESSES = 4  # paused runs that may wait beside those at work; each holds a process's memory


class Dispatcher:
    """A thread beside the server. ``KDLAB_SLOTS`` runs train at once (1 unless told).

    It opens the lab's store itself and tries again for as long as there is none.
    """

    def __init__(self, store: Store | None = None, backend: Backend | None = None) -> None:
        self._opened = store
        self._backend = backend or LocalBackend()
        self._slots = slots()
        self._ended: list[Ended] = []  # not accounted for yet
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
        # Whatever fails now (disk full, store locked, no file descriptor left) may be there again at the next tick:
        # a dispatcher that gave up would leave every later run waiting for ever.
        fault = Spell("The queue of runs", Exception, plain=(StoreError, HomeError))
        while not self._over.wait(_TICK):
            with fault:
                self.tick()

    @property
    def _store(self) -> Store:
        if self._opened is None:
            self._opened = Store()
        return self._opened

    def tick(self) -> None:
        """One look: what ended, what is lost, what must be stopped, who is next."""
        for ended in self._backend.poll():
            self._ended.append(ended)
        while self._ended:
            self._account_for(self._ended[0])
            del self._ended[0]
        now = time.monotonic()
        if now - self._swept >= _SWEEP_EVERY:
            self._store.sweep_lost()
            self._store.sweep_deleted()
            self._fail_unreadable()
            self._swept = now
        active = self._store.list_runs(states=ACTIVE, limit=None)
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

    def _fail_unreadable(self) -> None:
        for row in self._store.unreadable(states=ACTIVE, limit=None):
            self._store.finish(row.id, "failed", message=f"This run cannot be trained. {row.fault}")

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
