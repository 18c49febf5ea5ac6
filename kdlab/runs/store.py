"""The store: every run, its points and what visitors ask of it, in SQLite or PostgreSQL.

States: queued, running, paused, done, failed, cancelled, lost. What a worker writes goes through its claim.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from kdlab.runs import artifacts
from kdlab.runs.claims import Claim
from kdlab.runs.database import Database
from kdlab.runs.listing import ALL, NEWEST_FIRST, Line, Which, ids_of_page, lines, number_of
from kdlab.runs.points import Row
from kdlab.runs.recipes import Recipe, ThreeArms
from kdlab.runs.schema import ACTIVE, AT_WORK, VISIBLE, StoreError, points_table, runs_table
from kdlab.runs.spec import Spec, explain
from kdlab.runs.stored import Run, UnreadableRun, read_run
from kdlab.runs.text_recipes import TextRecipe

__all__ = ["UNDO_FOR", "NotYoursError", "Run", "Store", "StoreError", "TooManyRunsError", "UnreadableRun"]

ACTIVE_AT_MOST = 5  # runs of one visitor
UNDO_FOR = 10.0  # seconds that a page offers to undo a deletion
_SWEPT_AFTER = 2 * UNDO_FOR  # so that a click at the last moment still finds the run

_RUN = sa.select(*(column for column in runs_table.columns if column.name not in ("launch", "deleted", "dataset")))


class NotYoursError(Exception):
    """Only a run's owner may stop, steer or delete it."""


class TooManyRunsError(Exception):
    """A visitor's runs that wait, train or are paused are as many as they may be; the message says what to do."""


def _steering_of(recipe: type[Recipe]) -> type[BaseModel]:
    """What a run of such a recipe may be steered to: what it can be launched with."""
    return create_model(  # type: ignore[no-any-return,call-overload]
        f"SteeringOf{recipe.__name__}",
        __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
        **{name: (float, recipe.model_fields[name]) for name in ("temperature", "kd_weight")},
    )


_STEERING = {recipe.makes.model_fields["task"].default: _steering_of(recipe) for recipe in (ThreeArms, TextRecipe)}


class Store:
    """Reads and writes runs. Safe to share between threads; open one a process."""

    def __init__(self, url: str | None = None) -> None:
        self._database = Database(url)
        self._read, self._write = self._database.read, self._database.write
        self.set_aside = self._database.set_aside

    # ------------------------------------------------------------------ runs

    def enqueue(self, spec: Spec, owner: str) -> str:
        """Writes a new run and returns its id. Raises TooManyRunsError.

        A launch is asked for once: while a run of the same spec and owner waits or is at work, its id is returned
        and nothing is written, however many ask at the same moment. One that was told to stop no longer counts.
        """
        launch = hashlib.sha256(f"{owner}\n{spec.model_dump_json()}".encode()).hexdigest()
        new = _new(spec, owner) | {"state": "queued", "launch": launch}
        same = (runs_table.c.launch == launch) & runs_table.c.state.in_(ACTIVE)
        for last in (False, True):
            try:
                if self._insert_below_limit(new):
                    return str(new["id"])
            except StoreError as error:
                # The unique index decides between launches that come together.
                if last or not isinstance(error.__cause__, sa.exc.IntegrityError):
                    raise
            with self._read() as connection:
                found = connection.scalar(sa.select(runs_table.c.id).where(same))
            if found:
                return str(found)  # else it has ended in between
        raise TooManyRunsError(
            f"You have {ACTIVE_AT_MOST} runs that wait, train or are paused, as many as one visitor may have. "
            "Wait for one to end, or stop one on the Runs page; then launch again."
        )

    def _insert_below_limit(self, new: dict[str, Any]) -> bool:
        """One statement, so that launches at the same moment count each other."""
        theirs = (runs_table.c.owner == new["owner"]) & runs_table.c.state.in_(ACTIVE)
        active = sa.select(sa.func.count()).select_from(runs_table).where(theirs).scalar_subquery()
        values = [sa.literal(value, runs_table.c[name].type) for name, value in new.items()]
        row = sa.select(*values).where(active < ACTIVE_AT_MOST)
        with self._write() as connection:
            if connection.dialect.name == "postgresql":  # there, statements under way do not see each other's rows
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(new["owner"]))))
            return connection.execute(runs_table.insert().from_select(list(new), row)).rowcount > 0

    def begin(self, spec: Spec, owner: str) -> Claim:
        """A new run that this process trains itself, at once and beside the queue."""
        new, token, now = _new(spec, owner), uuid.uuid4().hex, time.time()
        with self._write() as connection:
            values = new | {"state": "running", "started": now, "heartbeat": now, "claim": token}
            connection.execute(runs_table.insert().values(**values, steered={}))
        return Claim(self._database, str(new["id"]), token)

    def claim(self, run_id: str, token: str | None = None) -> Claim | None:
        """Queued to running, for one worker only. None when another has it or it was cancelled."""
        token, now = token or uuid.uuid4().hex, time.time()
        first = {"started": sa.func.coalesce(runs_table.c.started, now), "steered": {}}
        free = runs_table.c.claim.is_(None)
        claimed = self._move(run_id, ("queued",), free, state="running", heartbeat=now, claim=token, **first)
        return Claim(self._database, run_id, token) if claimed else None

    def claim_of(self, run: Run) -> Claim:
        """The claim that this run was under when it was read."""
        return Claim(self._database, run.id, run.claim)

    def touch(self) -> None:
        """Writes, and changes nothing. Raises StoreError where the store cannot be written at this moment."""
        self._database.touch()

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

    def lines(self, prefix: str = "", *, active: bool | None = None, limit: int | None = None) -> list[Line]:
        """The runs whose id begins so, newest first, the unreadable among them; all states where active is None."""
        with self._read() as connection:
            return [Line(*row) for row in connection.execute(lines(prefix, active=active, limit=limit))]

    def known(self) -> set[str]:
        """The ids of all runs, with those whose deletion can still be undone."""
        with self._read() as connection:
            return set(connection.scalars(sa.select(runs_table.c.id)))

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

    def points(self, run_id: str, after: int = -1, kinds: Iterable[str] = ()) -> list[Row]:
        """Rows with a number above ``after``, in order; a payload that is damaged is left out.

        kinds: only these, where any are named; `kdlab.runs.points` says what there is.
        """
        query = (
            sa.select(points_table.c.number, points_table.c.kind, points_table.c.payload)
            .where(points_table.c.run_id == run_id, points_table.c.number > after)
            .order_by(points_table.c.number)
        )
        if wanted := tuple(kinds):
            query = query.where(points_table.c.kind.in_(wanted))
        with self._read() as connection:
            return [
                (number, kind, payload)
                for number, kind, payload in connection.execute(query)
                if isinstance(payload, dict)
            ]

    def finish(self, run_id: str, state: str, *, message: str = "", of: Iterable[str] = ACTIVE) -> bool:
        """Ends a run in one of the states ``of``, whoever holds it: its worker is told to stop. False for no other."""
        if not self._move(run_id, tuple(of), state=state, message=message, ended=time.time(), command=""):
            return False
        artifacts.drop_checkpoint(run_id)
        return True

    # ------------------------------------------------------- the visitor's side

    def command(self, run_id: str, owner: str, command: str) -> None:
        """Asks for pause, step, resume or cancel. A run that does not train is cancelled at once.

        A paused run that resumes waits for a slot like every other, and keeps its process if it still has one.
        Raises NotYoursError for another's run.
        """
        self._own(run_id, owner)
        asks, resting = runs_table.c.command, ("paused",)
        match command:
            case "cancel":
                if self.finish(run_id, "cancelled", of=("queued", "paused")):
                    return
                # A run that was told to stop stands in the way of no new launch.
                self._move(run_id, ("running",), command=command, launch=None)
            case "resume":
                if not self._move(run_id, resting, state="queued", command=""):
                    self._move(run_id, ("running",), asks.in_(("pause", "step")), command="")
            case "step":
                left = runs_table.c.claim.is_(None)  # without a process: another goes on with it
                if not self._move(run_id, resting, left, state="queued", command=command):
                    self._move(run_id, AT_WORK, command=command)
            case "pause":
                self._move(run_id, ("running",), command=command)

    def cancel_queued(self, owner: str) -> int:
        """Cancels all runs of this owner that still wait in the queue; returns how many."""
        waiting = (runs_table.c.owner == owner) & (runs_table.c.state == "queued") & VISIBLE
        with self._read() as connection:
            ids = connection.scalars(sa.select(runs_table.c.id).where(waiting)).all()
        return sum(self.finish(run_id, "cancelled", of=("queued",)) for run_id in ids)

    def steer(self, run_id: str, owner: str, steering: dict[str, float]) -> bool:
        """Sets temperature and kd_weight for the rest of a run under way (`Run.under_way`); False for any other.

        Raises NotYoursError; ValueError, in a sentence, where a run could not have been launched with them.
        """
        self._own(run_id, owner)
        run = self.get(run_id)
        if run is None:
            return False
        try:
            _STEERING[run.spec.task].model_validate(steering)
        except ValidationError as error:
            raise ValueError(" ".join(explain(error))) from error
        started = runs_table.c.started.is_not(None)
        return self._move(run_id, AT_WORK, steering=steering) or self._move(run_id, ("queued",), started, steering=steering)

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

    def _move(self, run_id: str, states: tuple[str, ...], *more: sa.ColumnElement[bool], **values: Any) -> bool:
        """Changes a run only while it is in one of ``states``: the database decides a race."""
        where = sa.and_(runs_table.c.id == run_id, runs_table.c.state.in_(states), *more)
        with self._write() as connection:
            return connection.execute(runs_table.update().where(where).values(**values)).rowcount > 0


def _new(spec: Spec, owner: str) -> dict[str, Any]:
    """The columns that every new run begins with; a default stands here where `INSERT … SELECT` needs it."""
    return {
        "id": uuid.uuid4().hex[:12],
        "owner": owner,
        "spec": spec.model_dump(),
        "dataset": spec.dataset,
        "created": time.time(),
        "step": 0,
        "steps": spec.total_steps,
        "message": "",
        "command": "",
        "steering": {},
    }
