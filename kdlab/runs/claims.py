"""A claim: the right to write to one run. It is a token in the run's row, which one worker knows at a time.

Each write is one conditional update that carries the token: the database decides who still holds the run, and no
clock does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from kdlab.runs.database import Database
from kdlab.runs.points import Row
from kdlab.runs.schema import ACTIVE, VISIBLE, points_table, runs_table

_RUN = runs_table.c
_LOST = (
    "The process that trained this run ended without a word (it was killed, ran out of memory, or "
    "the machine went down). Its points are kept; run it again to have it whole."
)


class ClaimLostError(Exception):
    """The run is another's now, or it was ended or deleted: its worker writes nothing more and stops."""


class Control(NamedTuple):
    """What the run's row asks of its worker. A resumed run is ``queued`` until it has a slot, then ``running``."""

    state: str
    command: str
    steering: dict[str, float]


@dataclass(frozen=True)
class Claim:
    """One run, and the token with which it was claimed (None: it was left, or claimed by a lab without tokens)."""

    database: Database
    run_id: str
    token: str | None

    def _holds(self, *states: str) -> sa.ColumnElement[bool]:
        row = (_RUN.id == self.run_id) & (_RUN.claim == self.token) & VISIBLE
        return row & _RUN.state.in_(states)

    def _update(self, where: sa.ColumnElement[bool], **values: Any) -> bool:
        with self.database.write() as connection:
            return connection.execute(runs_table.update().where(where).values(**values)).rowcount > 0

    # ------------------------------------------------------------ the worker's side

    def beat(self) -> None:
        """Shows that the worker lives. Raises ClaimLostError, as do all of the worker's calls."""
        with self.database.write() as connection:
            self._write(connection, heartbeat=time.time())

    def control(self) -> Control:
        """What is asked of the worker now."""
        with self.database.read() as connection:
            row = connection.execute(
                sa.select(_RUN.state, _RUN.command, _RUN.steering).where(self._holds(*ACTIVE, "lost"))
            ).first()
        if row is None:
            raise ClaimLostError
        return Control(row[0], row[1], row[2] or {})

    def add_points(self, points: Iterable[Row], step: int, steered: dict[str, float] | None = None) -> None:
        """Writes (number, kind, payload) rows, the run's progress, and the steering that has acted so far.

        Rows from the first one's number on are replaced: those of a try whose end was not heard of, or of the
        time after a checkpoint.
        """
        acted = {} if steered is None else {"steered": steered}
        with self.database.write() as connection:
            self._write(connection, step=step, heartbeat=time.time(), **acted)
            self._put(connection, points)

    def acknowledge(self, command: str, state: str) -> bool:
        """The worker does ``command`` now. False where a newer one has come: that stays, to be obeyed."""
        return self._update(self._holds(*ACTIVE, "lost") & (_RUN.command == command), state=state, command="")

    def release(self) -> bool:
        """Leaves a run that rests, with its checkpoint, for whoever goes on with it. False where more is asked."""
        rests = self._holds("paused", "queued") & _RUN.command.in_(("", "leave"))
        return self._update(rests, claim=None, command="")

    def finish(
        self,
        state: str,
        *,
        message: str = "",
        result: dict[str, Any] | None = None,
        points: Iterable[Row] = (),
        **progress: Any,
    ) -> None:
        """Ends the run, with the points that are not written yet. It counts also where the run was taken for lost.

        progress: ``step`` and ``steered``, as in `add_points`.
        """
        with self.database.write() as connection:
            ended = {"message": message, "result": result, "ended": time.time(), "command": ""}
            self._write(connection, state=state, **ended, **progress)
            self._put(connection, points)

    def _write(self, connection: sa.Connection, **values: Any) -> None:
        """Changes the row while the claim holds. A run that was taken for lost is at work again."""
        back = {"state": "running", "message": "", "ended": None, "launch": None}
        for where, values_there in ((self._holds(*ACTIVE), values), (self._holds("lost"), back | values)):
            if connection.execute(runs_table.update().where(where).values(**values_there)).rowcount:
                return
        raise ClaimLostError

    def _put(self, connection: sa.Connection, points: Iterable[Row]) -> None:
        rows = [{"run_id": self.run_id, "number": n, "kind": kind, "payload": said} for n, kind, said in points]
        if not rows:
            return
        again = (points_table.c.run_id == self.run_id) & (points_table.c.number >= rows[0]["number"])
        connection.execute(points_table.delete().where(again))
        connection.execute(points_table.insert(), rows)

    # -------------------------------------------------------- the dispatcher's side

    def admit(self) -> bool:
        """A resumed run whose worker has waited for a slot has one."""
        return self._update(self._holds("queued"), state="running")

    def dismiss(self) -> bool:
        """Asks the worker of a paused run to leave it."""
        return self._update(self._holds("paused") & (_RUN.command == ""), command="leave")

    def give_up(self, heartbeat: float | None = None) -> bool:
        """The worker is gone: a run at work is lost, one that rests is left with its checkpoint.

        heartbeat: do so only while the heart stands still at this value.
        """
        still = _RUN.heartbeat == heartbeat if heartbeat is not None else sa.true()
        if self._update(self._holds("paused", "queued") & still, claim=None):
            return True
        return self._update(
            self._holds("running") & still, state="lost", message=_LOST, ended=time.time(), command=""
        )
