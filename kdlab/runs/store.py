"""The store: every run, its points and what visitors ask of it, in SQLite or PostgreSQL.

SQLite (WAL) in the lab's home folder unless ``KDLAB_DATABASE_URL`` names another database.
States: queued, running, paused, done, failed, cancelled, lost.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from kdlab.runs.home import home
from kdlab.runs.schema import StoreError, open_schema, points_table, runs_table, sqlite_pragmas
from kdlab.runs.spec import RunSpec

ACTIVE = ("queued", "running", "paused")
AT_WORK = ("running", "paused")
LOST_AFTER = 8.0  # seconds without a heartbeat; workers beat every second


class NotYoursError(Exception):
    """Only a run's owner may stop, steer or delete it."""


@dataclass(frozen=True)
class Run:
    """A run as the store knows it. Times are seconds since the epoch."""

    id: str
    owner: str
    state: str
    spec: RunSpec
    created: float
    started: float | None
    ended: float | None
    heartbeat: float | None
    step: int
    steps: int
    message: str
    command: str
    steering: dict[str, Any]
    result: dict[str, Any] | None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


class Store:
    """Reads and writes runs. Safe to share between threads; open one a process."""

    def __init__(self, url: str | None = None) -> None:
        url = url or os.environ.get("KDLAB_DATABASE_URL") or f"sqlite:///{home() / 'lab.sqlite'}"
        self._engine = sa.create_engine(url, connect_args={"timeout": 15} if url.startswith("sqlite") else {})
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", sqlite_pragmas)
        with self._plain_errors():
            self.set_aside = open_schema(self._engine)

    # ------------------------------------------------------------------ runs

    def enqueue(self, spec: RunSpec, owner: str, *, state: str = "queued") -> str:
        """Writes a new run and returns its id."""
        run_id = uuid.uuid4().hex[:12]
        now = time.time()
        at_work = {"started": now, "heartbeat": now} if state == "running" else {}
        with self._write() as connection:
            connection.execute(
                runs_table.insert().values(
                    id=run_id,
                    owner=owner,
                    state=state,
                    spec=spec.model_dump(),
                    created=now,
                    steps=spec.total_steps,
                    **at_work,
                )
            )
        return run_id

    def claim(self, run_id: str) -> bool:
        """Queued to running, for one worker only. False when another has it or it was cancelled."""
        now = time.time()
        return self._move(run_id, ("queued",), state="running", started=now, heartbeat=now)

    def get(self, run_id: str) -> Run | None:
        with self._read() as connection:
            row = connection.execute(runs_table.select().where(runs_table.c.id == run_id)).mappings().first()
        return _run(row) if row else None

    def list_runs(self, *, states: Iterable[str] | None = None, limit: int = 500) -> list[Run]:
        """Newest first."""
        query = runs_table.select().order_by(runs_table.c.created.desc()).limit(limit)
        if states is not None:
            query = query.where(runs_table.c.state.in_(tuple(states)))
        with self._read() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def queue(self) -> list[str]:
        """Ids of queued runs in the order in which they will be admitted.

        Fair: an owner's second run waits for every other owner's first.
        """
        ahead: dict[str, int] = {}
        turns: list[tuple[int, float, str]] = []
        for run in sorted(self.list_runs(states=ACTIVE), key=lambda r: (r.state == "queued", r.created)):
            if run.state == "queued":
                turns.append((ahead.get(run.owner, 0), run.created, run.id))
            ahead[run.owner] = ahead.get(run.owner, 0) + 1
        return [run_id for _, _, run_id in sorted(turns)]

    # ---------------------------------------------------------------- points

    def add_points(self, run_id: str, points: Iterable[tuple[int, str, dict[str, Any]]], step: int) -> None:
        """Appends (number, kind, payload) rows and sets the run's progress."""
        rows = [
            {"run_id": run_id, "number": n, "kind": kind, "payload": payload} for n, kind, payload in points
        ]
        with self._write() as connection:
            if rows:
                connection.execute(points_table.insert(), rows)
            connection.execute(
                runs_table.update().where(runs_table.c.id == run_id).values(step=step, heartbeat=time.time())
            )

    def points(self, run_id: str, after: int = -1) -> list[tuple[int, str, dict[str, Any]]]:
        """Rows with a number above ``after``, in order."""
        query = (
            sa.select(points_table.c.number, points_table.c.kind, points_table.c.payload)
            .where(points_table.c.run_id == run_id, points_table.c.number > after)
            .order_by(points_table.c.number)
        )
        with self._read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    # --------------------------------------------------- the worker's own side

    def beat(self, run_id: str) -> None:
        with self._write() as connection:
            connection.execute(
                runs_table.update().where(runs_table.c.id == run_id).values(heartbeat=time.time())
            )

    def control(self, run_id: str) -> tuple[str, dict[str, Any]]:
        """The command that waits for the worker and the arms' steering."""
        with self._read() as connection:
            row = connection.execute(
                sa.select(runs_table.c.command, runs_table.c.steering).where(runs_table.c.id == run_id)
            ).first()
        return (row[0], row[1] or {}) if row else ("cancel", {})

    def acknowledge(self, run_id: str, command: str, state: str) -> None:
        """The worker has done ``command``; a newer one stays."""
        self._move(run_id, AT_WORK, state=state)
        with self._write() as connection:
            same = (runs_table.c.id == run_id) & (runs_table.c.command == command)
            connection.execute(runs_table.update().where(same).values(command=""))

    def finish(
        self, run_id: str, state: str, *, message: str = "", result: dict[str, Any] | None = None
    ) -> bool:
        """Ends an active run. False when it had ended already."""
        return self._move(
            run_id, ACTIVE, state=state, message=message, result=result, ended=time.time(), command=""
        )

    def mark_lost(self, run_id: str) -> bool:
        return self.finish(
            run_id,
            "lost",
            message="The process that trained this run ended without a word (it was killed, ran out of memory, or "
            "the machine went down). Its points are kept; run it again to have it whole.",
        )

    def sweep_lost(self) -> list[str]:
        """Marks runs at work whose heart has stopped as lost; returns their ids."""
        still = time.time() - LOST_AFTER
        silent = [r.id for r in self.list_runs(states=AT_WORK) if (r.heartbeat or 0) < still]
        return [run_id for run_id in silent if self.mark_lost(run_id)]

    # ------------------------------------------------------- the visitor's side

    def command(self, run_id: str, owner: str, command: str) -> None:
        """Asks for pause, step, resume or cancel. A queued run is cancelled at once.

        Raises NotYoursError for another's run.
        """
        self._own(run_id, owner)
        if command == "cancel" and self._move(run_id, ("queued",), state="cancelled", ended=time.time()):
            return
        with self._write() as connection:
            at_work = (runs_table.c.id == run_id) & runs_table.c.state.in_(AT_WORK)
            connection.execute(runs_table.update().where(at_work).values(command=command))

    def steer(self, run_id: str, owner: str, steering: dict[str, float]) -> None:
        """Sets temperature and kd_weight for the rest of a run at work. Raises NotYoursError."""
        self._own(run_id, owner)
        with self._write() as connection:
            connection.execute(runs_table.update().where(runs_table.c.id == run_id).values(steering=steering))

    def delete(self, run_id: str, owner: str) -> None:
        """Deletes an ended run of one's own, points included. Raises NotYoursError."""
        run = self._own(run_id, owner)
        if run is None or run.active:
            return
        with self._write() as connection:
            connection.execute(points_table.delete().where(points_table.c.run_id == run_id))
            connection.execute(runs_table.delete().where(runs_table.c.id == run_id))

    def _own(self, run_id: str, owner: str) -> Run | None:
        run = self.get(run_id)
        if run is not None and run.owner != owner:
            raise NotYoursError(
                "This run belongs to another visitor: only they may stop, steer or delete it."
            )
        return run

    # ------------------------------------------------------------ connections

    def _move(self, run_id: str, states: tuple[str, ...], **values: Any) -> bool:
        """Changes a run only while it is in one of ``states``: the database decides a race."""
        where = (runs_table.c.id == run_id) & runs_table.c.state.in_(states)
        with self._write() as connection:
            return connection.execute(runs_table.update().where(where).values(**values)).rowcount > 0

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._plain_errors(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._plain_errors(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DatabaseError as error:
            raise StoreError(
                f"The lab's store could not be used ({error.orig}). Nothing that was saved is lost. Free some space "
                "or make the folder writable, or name another folder in KDLAB_HOME, and try again."
            ) from error


def _run(row: Any) -> Run:
    try:
        spec = RunSpec.model_validate(row["spec"])
    except ValidationError:
        # An older lab's spec may hold a value that is out of range today: the run is still shown as it was.
        spec = RunSpec.model_construct(**row["spec"])
    return Run(**{**row, "spec": spec})
