"""The store: every run, its points and what visitors ask of it, in SQLite or PostgreSQL.

SQLite (WAL) in the lab's home folder unless ``KDLAB_DATABASE_URL`` names another database.
States: queued, running, paused, done, failed, cancelled, lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from kdlab.runs import artifacts
from kdlab.runs.home import home, keep_to_owner
from kdlab.runs.listing import ALL, NEWEST_FIRST, Which, ids_of_page, number_of
from kdlab.runs.schema import (
    ACTIVE,
    VISIBLE,
    StoreError,
    database_file,
    open_schema,
    points_table,
    runs_table,
    sqlite_pragmas,
)
from kdlab.runs.spec import RunSpec
from kdlab.runs.stored import Run, UnreadableRun, json_or_text, read_run

AT_WORK = ("running", "paused")
LOST_AFTER = 8.0  # seconds without a heartbeat; workers beat every second
UNDO_FOR = 10.0  # seconds that a page offers to undo a deletion
_SWEPT_AFTER = 2 * UNDO_FOR  # so that a click at the last moment still finds the run

_RUN = sa.select(*(column for column in runs_table.columns if column.name not in ("launch", "deleted", "dataset")))


class NotYoursError(Exception):
    """Only a run's owner may stop, steer or delete it."""


class Store:
    """Reads and writes runs. Safe to share between threads; open one a process."""

    def __init__(self, url: str | None = None) -> None:
        url = url or os.environ.get("KDLAB_DATABASE_URL") or f"sqlite:///{home() / 'lab.sqlite'}"
        self._engine = _engine(url)
        with self._plain_errors():
            self._file = database_file(self._engine)
            if self._file is not None:
                keep_to_owner(self._file)
            self.set_aside = open_schema(self._engine)
            self._inode = self._file and self._file.stat().st_ino

    # ------------------------------------------------------------------ runs

    def enqueue(self, spec: RunSpec, owner: str, *, state: str = "queued") -> str:
        """Writes a new run and returns its id.

        A launch is asked for once: while a run of the same spec and owner waits or is at work, its id is returned
        and nothing is written, however many ask at the same moment. One that was told to stop no longer counts.
        """
        now = time.time()
        new = {
            "id": uuid.uuid4().hex[:12],
            "owner": owner,
            "state": state,
            "spec": spec.model_dump(),
            "dataset": spec.dataset,
            "created": now,
            "steps": spec.total_steps,
        }
        if state == "running":
            with self._plain_errors():
                return self._insert(new | {"started": now, "heartbeat": now})
        launch = hashlib.sha256(f"{owner}\n{spec.model_dump_json()}".encode()).hexdigest()
        same = (runs_table.c.launch == launch) & runs_table.c.state.in_(ACTIVE)
        with self._plain_errors():
            # The unique index decides between launches that come together.
            with contextlib.suppress(sa.exc.IntegrityError):
                return self._insert(new | {"launch": launch})
            with self._still_there().connect() as connection:
                found = connection.scalar(sa.select(runs_table.c.id).where(same))
            return found or self._insert(new | {"launch": launch})  # it has ended in between

    def _insert(self, values: dict[str, Any]) -> str:
        with self._still_there().begin() as connection:
            connection.execute(runs_table.insert().values(**values))
        return str(values["id"])

    def claim(self, run_id: str) -> bool:
        """Queued to running, for one worker only. False when another has it or it was cancelled."""
        now = time.time()
        return self._move(run_id, ("queued",), state="running", started=now, heartbeat=now)

    def get(self, run_id: str) -> Run | None:
        """The run; None where there is none, where it was deleted, and where it is unreadable."""
        if not run_id.isalnum():
            return None
        found = self._rows(_RUN.where(runs_table.c.id == run_id))
        return next((run for run in found if isinstance(run, Run)), None)

    def list_runs(self, *, states: Iterable[str] | None = None, limit: int | None = 500) -> list[Run]:
        """Newest first, without those that are deleted or unreadable."""
        query = _RUN.order_by(runs_table.c.created.desc()).limit(limit)
        if states is not None:
            query = query.where(runs_table.c.state.in_(tuple(states)))
        return [run for run in self._rows(query) if isinstance(run, Run)]

    def unreadable(
        self,
        run_id: str | None = None,
        *,
        states: Iterable[str] | None = None,
        limit: int | None = 500,
    ) -> list[UnreadableRun]:
        """The rows that `list_runs` and `get` leave out because this lab cannot read them, newest first."""
        if run_id is not None and not run_id.isalnum():
            return []
        query = _RUN.order_by(runs_table.c.created.desc()).limit(limit)
        if run_id is not None:
            query = query.where(runs_table.c.id == run_id)
        if states is not None:
            query = query.where(runs_table.c.state.in_(tuple(states)))
        return [row for row in self._rows(query) if isinstance(row, UnreadableRun)]

    def page(self, which: Which, number: int = 1) -> list[Run | UnreadableRun]:
        """A page of these runs, the unreadable among them; 1 holds the newest."""
        return self._rows(_RUN.where(runs_table.c.id.in_(ids_of_page(which, number))).order_by(*NEWEST_FIRST))

    def count(self, which: Which = ALL) -> int:
        """How many of these runs there are, on all pages."""
        with self._read() as connection:
            return connection.scalar(number_of(which)) or 0

    def _rows(self, query: sa.Select) -> list[Run | UnreadableRun]:
        with self._read() as connection:
            return [read_run(row) for row in connection.execute(query.where(VISIBLE)).mappings()]

    def queue(self) -> list[str]:
        """Ids of queued runs in the order in which they will be admitted.

        Fair: an owner's second run waits for every other owner's first.
        """
        ahead: dict[str, int] = {}
        turns: list[tuple[int, float, str]] = []
        for run in sorted(self.list_runs(states=ACTIVE, limit=None), key=lambda r: (r.state == "queued", r.created)):
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
        """Rows with a number above ``after``, in order; a payload that is damaged is left out."""
        query = (
            sa.select(points_table.c.number, points_table.c.kind, points_table.c.payload)
            .where(points_table.c.run_id == run_id, points_table.c.number > after)
            .order_by(points_table.c.number)
        )
        with self._read() as connection:
            return [
                (number, kind, payload)
                for number, kind, payload in connection.execute(query)
                if isinstance(payload, dict)
            ]

    # --------------------------------------------------- the worker's own side

    def beat(self, run_id: str) -> None:
        with self._write() as connection:
            connection.execute(
                runs_table.update().where(runs_table.c.id == run_id).values(heartbeat=time.time())
            )

    def control(self, run_id: str) -> tuple[str, dict[str, Any]]:
        """The command that waits for the worker and the arms' steering; "cancel" for a run that is not at work."""
        at_work = (runs_table.c.id == run_id) & runs_table.c.state.in_(AT_WORK)
        with self._read() as connection:
            row = connection.execute(
                sa.select(runs_table.c.command, runs_table.c.steering).where(at_work)
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
        silent = [r.id for r in self.list_runs(states=AT_WORK, limit=None) if (r.heartbeat or 0) < still]
        return [run_id for run_id in silent if self.mark_lost(run_id)]

    # ------------------------------------------------------- the visitor's side

    def command(self, run_id: str, owner: str, command: str) -> None:
        """Asks for pause, step, resume or cancel. A queued run is cancelled at once.

        Raises NotYoursError for another's run.
        """
        self._own(run_id, owner)
        if command == "cancel" and self._move(run_id, ("queued",), state="cancelled", ended=time.time()):
            return
        # A run that was told to stop stands in the way of no new launch.
        free = {"launch": None} if command == "cancel" else {}
        self._move(run_id, AT_WORK, command=command, **free)

    def cancel_queued(self, owner: str) -> int:
        """Cancels all runs of this owner that still wait in the queue; returns how many."""
        waiting = (runs_table.c.owner == owner) & (runs_table.c.state == "queued") & VISIBLE
        with self._write() as connection:
            cancelled = runs_table.update().where(waiting).values(state="cancelled", ended=time.time())
            return connection.execute(cancelled).rowcount

    def steer(self, run_id: str, owner: str, steering: dict[str, float]) -> None:
        """Sets temperature and kd_weight for the rest of a run at work. Raises NotYoursError."""
        self._own(run_id, owner)
        self._move(run_id, AT_WORK, steering=steering)

    def delete(self, run_id: str, owner: str) -> bool:
        """Hides an ended run of one's own, until `undelete` brings it back or `sweep_deleted` takes it for good.

        False when there is no such run, or it has not ended. Raises NotYoursError.
        """
        self._own(run_id, owner)
        ended = (runs_table.c.id == run_id) & runs_table.c.state.not_in(ACTIVE)
        with self._write() as connection:
            hidden = runs_table.update().where(ended & VISIBLE).values(deleted=time.time())
            return connection.execute(hidden).rowcount > 0

    def undelete(self, run_id: str, owner: str) -> bool:
        """Brings back a run that its owner has deleted, whole. False when it is gone for good."""
        theirs = (runs_table.c.id == run_id) & (runs_table.c.owner == owner) & ~VISIBLE
        with self._write() as connection:
            return connection.execute(runs_table.update().where(theirs).values(deleted=None)).rowcount > 0

    def sweep_deleted(self) -> None:
        """Takes runs for good, with their points and files, once the time to undo their deletion is over."""
        over = runs_table.c.deleted < time.time() - _SWEPT_AFTER
        with self._read() as connection:
            due = connection.scalars(sa.select(runs_table.c.id).where(over)).all()
        for run_id in due:
            # The files go before the rows are committed: who is stopped here finds the run again and ends the work.
            with self._write() as connection:
                # Its points go with it, and stay where its deletion was undone a moment ago.
                gone = connection.execute(runs_table.delete().where((runs_table.c.id == run_id) & over))
                if gone.rowcount:
                    artifacts.delete(run_id)

    def _own(self, run_id: str, owner: str) -> None:
        with self._read() as connection:
            owns = connection.scalar(sa.select(runs_table.c.owner).where(runs_table.c.id == run_id))
        if owns is not None and owns != owner:
            raise NotYoursError(
                "This run belongs to another visitor: only they may stop, steer or delete it."
            )

    # ------------------------------------------------------------ connections

    def _move(self, run_id: str, states: tuple[str, ...], **values: Any) -> bool:
        """Changes a run only while it is in one of ``states``: the database decides a race."""
        where = (runs_table.c.id == run_id) & runs_table.c.state.in_(states)
        with self._write() as connection:
            return connection.execute(runs_table.update().where(where).values(**values)).rowcount > 0

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._plain_errors(), self._still_there().connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._plain_errors(), self._still_there().begin() as connection:
            yield connection

    def _still_there(self) -> sa.Engine:
        """The engine. A connection would go on with a deleted file as if nothing had happened."""
        if self._file is not None:
            try:
                inode = self._file.stat().st_ino
            except FileNotFoundError as error:
                raise StoreError(
                    "The lab's store was deleted or moved away while the lab was open. Put it back, or start the "
                    "lab again to begin a new one."
                ) from error
            if inode != self._inode:  # another has been put in its place
                self._engine.dispose()
                open_schema(self._engine)
                self._inode = inode
        return self._engine

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, OSError) as error:
            way_out = (
                "Free some space or make the folder writable, or name another folder in KDLAB_HOME, and try again."
                if self._engine.dialect.name == "sqlite"
                else "See that the database that KDLAB_DATABASE_URL names is up and lets the lab in, and try again."
            )
            cause = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
            raise StoreError(
                f"The lab's store could not be used ({cause}). Nothing that was saved is lost. {way_out}"
            ) from error


def _engine(url: str) -> sa.Engine:
    try:
        made = sa.create_engine(
            url,
            connect_args={"timeout": 15} if url.startswith("sqlite") else {},
            json_deserializer=json_or_text,
        )
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StoreError(
            "KDLAB_DATABASE_URL is no address of a database that the lab knows. Write it like "
            "postgresql+psycopg://user:password@host/database or sqlite:////folder/lab.sqlite."
        ) from error
    except ImportError as error:
        raise StoreError(
            f"The driver {error.name} for the database in KDLAB_DATABASE_URL is not installed. "
            f"Install it with: pip install {error.name}"
        ) from error
    if made.dialect.name == "sqlite":
        sa.event.listen(made, "connect", sqlite_pragmas)
    return made
