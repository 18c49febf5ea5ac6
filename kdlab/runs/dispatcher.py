"""The dispatcher: admits queued runs in fair order and notices those whose worker is gone. One a server."""

from __future__ import annotations

import threading
import time

from kdlab.data.home import HomeError
from kdlab.runs import endings
from kdlab.runs.backends import Backend, Ended, LocalBackend, slots
from kdlab.runs.hearts import Watch
from kdlab.runs.schema import ACTIVE, StoreError
from kdlab.runs.spell import Spell
from kdlab.runs.store import Run, Store

_TICK = 0.1  # seconds
_SWEEP_EVERY = 1.0
_PATIENCE = 5.0  # seconds that a worker has to obey a cancel before it is ended by force
_IDLE_PROCESSES = 4  # paused runs that keep their process; each holds its memory
_AT_ONCE = 1.0  # seconds


class Dispatcher:
    """A thread beside the server. ``KDLAB_SLOTS`` runs train at once (1 unless told).

    It opens the lab's store itself and tries again for as long as there is none. lost_after: seconds that a heart
    must stand still, under this dispatcher's eyes; workers beat every second.
    """

    def __init__(
        self, store: Store | None = None, backend: Backend | None = None, *, lost_after: float = 8.0
    ) -> None:
        self._opened = store
        self._backend = backend or LocalBackend()
        self._slots = slots()
        self._ended: list[Ended] = []  # not accounted for yet
        self._submitted: dict[str, str] = {}  # not claimed yet: the token with which each will be
        self._cancel_seen: dict[str, float] = {}
        self._resting: dict[str, float] = {}
        self._watch = Watch(lost_after)
        self._first_look = True
        self._swept = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops admitting. Runs at work go on, the waiting worker goes."""
        self._over.set()
        self._thread.join()
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
        active = self._store.list_runs(states=ACTIVE, limit=None)
        if now - self._swept >= _SWEEP_EVERY:
            self._look_after_hearts(active, now)
            self._store.sweep_deleted()
            self._fail_unreadable()
            self._swept = now
        self._stop_the_disobedient(active, now)
        self._let_paused_go(active, now)
        self._admit(active)

    # ---------------------------------------------------------- who has gone

    def _look_after_hearts(self, active: list[Run], now: float) -> None:
        if self._first_look:
            for run in self._store.list_runs(states=("lost",), limit=None):
                endings.take_up(self._store.claim_of(run))
            self._first_look = False
        under_way = [run for run in active if run.claim is not None or run.state == "running"]
        silent = self._watch.silent(under_way, now)
        if not silent:
            return
        # Whoever cannot write at once cannot judge who did not.
        self._watch.begin_anew()
        self._store.touch()
        if time.monotonic() - now < _AT_ONCE:
            for run in silent:
                self._has_gone(run, run.heartbeat)

    def _account_for(self, ended: Ended) -> None:
        run = self._store.get(ended.run_id)
        if run is None:
            return
        if run.claim == ended.claim:
            self._has_gone(run)
        elif run.state == "queued" and run.claim is None and self._submitted.get(run.id) == ended.claim:
            self._store.finish(
                run.id,
                "failed",
                message=f"The process that trains could not start ({ended.error or 'it said nothing'}). "
                "Run `python -m kdlab doctor` on the server to see what is missing.",
                of=("queued",),
            )

    def _has_gone(self, run: Run, heartbeat: float | None = None) -> None:
        """The worker that holds this run is no more: what it left beside the students is taken up."""
        if run.state not in (*ACTIVE, "lost"):
            return
        claim = self._store.claim_of(run)
        if not endings.take_up(claim):
            claim.give_up(heartbeat)

    def _fail_unreadable(self) -> None:
        for row in self._store.unreadable(states=ACTIVE, limit=None):
            self._store.finish(row.id, "failed", message=f"This run cannot be trained. {row.fault}")

    # ------------------------------------------------------- who makes room, who is next

    def _stop_the_disobedient(self, active: list[Run], now: float) -> None:
        told = {run.id for run in active if run.command == "cancel"}
        self._cancel_seen = {run_id: self._cancel_seen.get(run_id, now) for run_id in told}
        for run_id, since in self._cancel_seen.items():
            if now - since > _PATIENCE:
                self._backend.cancel(run_id)
                self._store.finish(run_id, "cancelled")

    def _let_paused_go(self, active: list[Run], now: float) -> None:
        """Beyond a few, those that rest longest leave their processes; their checkpoints stay."""
        resting = [run for run in active if run.state == "paused" and run.claim is not None]
        self._resting = {run.id: self._resting.get(run.id, now) for run in resting}
        longest_first = sorted(resting, key=lambda run: self._resting[run.id])
        for run in longest_first[: max(0, len(resting) - _IDLE_PROCESSES)]:
            if not run.command:
                self._store.claim_of(run).dismiss()

    def _admit(self, active: list[Run]) -> None:
        """Gives free slots to the next in the queue. A paused run has none; one that resumes waits for one."""
        queued = {run.id: run for run in active if run.state == "queued"}
        # A claimed run counts as running from now on.
        self._submitted = {
            run_id: token
            for run_id, token in self._submitted.items()
            if run_id in queued and queued[run_id].claim is None
        }
        free = self._slots - sum(run.state == "running" for run in active) - len(self._submitted)
        if free <= 0 or not queued.keys() - self._submitted.keys():
            return
        waiting = [run_id for run_id in self._store.queue() if run_id in queued.keys() - self._submitted.keys()]
        for run_id in waiting[:free]:
            run = queued[run_id]
            if run.claim is not None:
                self._store.claim_of(run).admit()
            else:
                self._submitted[run_id] = self._backend.submit(run_id)
