"""The trainer's listener: writes a run's points to the store, and does what the visitor asks of the run."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from kdlab.distill.trainer import Point, Trainer
from kdlab.models.model_folder import ModelFolderError
from kdlab.runs import artifacts
from kdlab.runs.claims import Claim, ClaimLostError
from kdlab.runs.patience import MAY_PASS
from kdlab.runs.points import Row, columns_row, point_rows
from kdlab.runs.schema import StoreError
from kdlab.runs.spell import Spell

_FLUSH_EVERY = 0.2  # seconds: at most five writes a second
_LOOK_EVERY = 0.1  # seconds between looks at what the visitor asks
_BEAT_EVERY = 1.0
_SETTLED = 0.5  # seconds without a change before steering acts
_PROCESS_KEPT = 600.0  # seconds that a paused run keeps its process; its checkpoint stays
_SAVE_EVERY = 1.0  # seconds between two tries to write a checkpoint


class Cancelled(Exception):
    """The visitor stopped the run."""


class Diverged(Exception):
    """No student's loss is a number any more."""


class LeftPaused(Exception):
    """The run rests with its checkpoint, for another process to go on with."""


class Reporter:
    """Obeys the control row of the run that it holds. Raises the above, and ClaimLostError, to end the training."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self.waiting: list[Row] = []  # points that the store does not have yet
        self._number, self._student = 0, ""
        self._has_columns = False
        self._flushed = self._looked = 0.0
        self.steering: dict[str, float] = {}  # what has acted
        self._seen_steering: dict[str, float] = {}
        self._seen_at = 0.0
        self._diverged: set[tuple[str, int]] = set()
        self._paused = False
        self._rests_since = self._tried_to_save = 0.0
        self._saved: tuple[int, dict[str, float]] | None = None
        # What the store refuses now (locked, full) it may take at the next look; points wait until then.
        self._fault = Spell(f"Run {claim.run_id}: writing to the store", StoreError)
        self._save_fault = Spell(f"Run {claim.run_id}: writing its checkpoint", MAY_PASS)

    def restore(self, trainer: Trainer, student: str) -> None:
        """Goes on from the run's checkpoint; where there is none, or a damaged one, from the start.

        student: its identity. Raises ModelFolderError where the checkpoint is of another: its folder has changed.
        """
        self._student = student
        kept = artifacts.load_checkpoint(self._claim.run_id)
        if kept is None:
            return
        tensors, about = kept
        if about.get("student", student) != student:
            raise ModelFolderError(
                "The student's folder has changed while the run was paused, so the run cannot go on with it. What it showed "
                "until then is kept; launch it again for the student as it is now."
            )
        steering = json.loads(about["steering"])
        if not trainer.restore(tensors, steering):
            return
        self._number, self._has_columns = int(about["number"]), True
        self.steering = self._seen_steering = steering

    def asking(self, done: int, total: int) -> None:
        """A teacher is asked before the first step, and has answered so much. Raises Cancelled."""
        if time.monotonic() - self._looked < _LOOK_EVERY:
            return
        self._looked = time.monotonic()
        self._add("asking", {"done": done, "total": total})
        with self._fault:
            self.flush(0)
            if self._claim.control()[1] == "cancel":
                raise Cancelled

    def point(self, point: Point) -> None:
        values = np.array(list(point.values.values()))  # (metrics, arms, seeds)
        if not self._has_columns:
            self._has_columns = True
            self._add("columns", columns_row(list(point.arms), list(point.values), values.shape[-1]))
        self._say_who_diverged(point)
        where = {"step": point.step, "epoch": round(point.epoch, 6), "seconds": round(point.seconds, 6)}
        live, seeds = point_rows(where, values)
        self._add("point", live)
        self._add("seeds", seeds)
        if point.samples:
            self._add("samples", {**where, "texts": point.samples})
        now = time.monotonic()
        if now - self._flushed >= _FLUSH_EVERY:
            with self._fault:
                self.flush(point.step)

    def _say_who_diverged(self, point: Point) -> None:
        """Notes each student whose loss is a number no more, once. Raises Diverged where none is left."""
        gone = ~np.isfinite(np.array(point.values["supervised"], dtype=float))  # (arms, seeds)
        if gone.all():
            raise Diverged
        for arm, seed in np.argwhere(gone).tolist():
            who = (point.arms[arm], seed)
            if who not in self._diverged:
                self._diverged.add(who)
                self._add("diverged", {"arm": who[0], "seed": seed, "step": point.step})

    def before_step(self, trainer: Trainer) -> bool:
        now = time.monotonic()
        if not self._paused and now - self._looked < _LOOK_EVERY:
            return False
        while True:
            self._looked = time.monotonic()
            command = ""
            with self._fault:
                command = self._obey(trainer)
            if command == "step" or not self._paused:
                trainer.waited += time.monotonic() - now
                return command == "step"
            with self._fault:
                self._rest(trainer, command)
            time.sleep(0.03)

    def _obey(self, trainer: Trainer) -> str:
        """Does what is asked; returns the command that it has taken."""
        state, command, steering = self._claim.control()
        admitted = self._paused and state == "running"
        if steering != self._seen_steering:
            self._seen_steering, self._seen_at = steering, time.monotonic()
        # A slider that is still being dragged would leave a mark at every look.
        settled = time.monotonic() - self._seen_at >= _SETTLED or command == "step" or admitted
        if settled and steering != self.steering:
            self.steering = steering
            trainer.steer(steering)
            self._add("mark", {"step": trainer.step_number, "epoch": trainer.epoch, **steering})
        if command == "cancel":
            raise Cancelled
        if command in ("pause", "step"):
            self.flush(trainer.step_number)
            self._save(trainer)  # from here on another process could go on with it
            if not self._claim.acknowledge(command, "paused"):
                return ""
            self._paused, self._rests_since = True, time.monotonic()
        elif admitted:
            self._paused = False
        return command

    def _rest(self, trainer: Trainer, command: str) -> None:
        """A paused run shows all that it has, and leaves its process once it has rested for long."""
        if self.waiting:
            self.flush(trainer.step_number)
        saved = self._save(trainer)
        tired = command == "leave" or time.monotonic() - self._rests_since > _PROCESS_KEPT
        if tired and saved and self._claim.release():
            raise LeftPaused

    def _save(self, trainer: Trainer) -> bool:
        """Whether the checkpoint is that of now; where the disk refuses it, it is tried again."""
        now, state = time.monotonic(), (trainer.step_number, self.steering)
        if self._saved == state:
            return True
        if now - self._tried_to_save < _SAVE_EVERY and self._paused:
            return False
        self._tried_to_save = now
        with self._save_fault:
            about = {"number": str(self._number), "steering": json.dumps(self.steering), "student": self._student}
            artifacts.save_checkpoint(self._claim.run_id, trainer.state(), about)
            self._saved = state
        return self._saved == state

    def _add(self, kind: str, payload: dict[str, Any]) -> None:
        self.waiting.append((self._number, kind, payload))
        self._number += 1

    def flush(self, step: int) -> None:
        """Writes the points that wait; they go on waiting when the store refuses them."""
        self._claim.add_points(self.waiting, step, self.steering)
        self.waiting = []
        self._flushed = time.monotonic()


@contextlib.contextmanager
def heartbeat(claim: Claim) -> Iterator[None]:
    """Beats the run's heart from a thread of its own, however long a step takes."""
    over = threading.Event()

    def beat() -> None:
        fault = Spell(f"Run {claim.run_id}: its heartbeat", Exception, plain=(StoreError,))
        while not over.wait(_BEAT_EVERY):
            with fault:
                try:
                    claim.beat()
                except ClaimLostError:
                    return  # the reporter learns it at its next look

    thread = threading.Thread(target=beat, name=f"heart of {claim.run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
