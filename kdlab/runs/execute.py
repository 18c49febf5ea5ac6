"""Carries out one claimed run: trains, writes points, obeys the visitor, leaves the result."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from kdlab.data.registry import get_dataset
from kdlab.distill.device import DeviceError, describe_device, peak_memory_mib, speed_depends_on
from kdlab.distill.trainer import Point, Trainer
from kdlab.models.catalogue import weights_sha256
from kdlab.models.checkpoints import CheckpointError, load_teacher
from kdlab.models.kept_files import measured_once
from kdlab.models.networks import build_student
from kdlab.models.profile import Profile, profile
from kdlab.runs import artifacts
from kdlab.runs.home import home
from kdlab.runs.spec import RunSpec
from kdlab.runs.spell import Spell
from kdlab.runs.store import Store, StoreError

_FLUSH_EVERY = 0.2  # seconds: at most five writes a second
_LOOK_EVERY = 0.1  # seconds between looks at what the visitor asks
_BEAT_EVERY = 1.0
_SETTLED = 0.5  # seconds without a change before steering acts


class Cancelled(Exception):
    """The visitor stopped the run."""


class Diverged(Exception):
    """A loss is no longer a number."""


class _Reporter:
    """The trainer's listener that writes to the store and obeys its control row."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._waiting: list[tuple[int, str, dict[str, Any]]] = []
        self._number = 0
        self._flushed = self._looked = 0.0
        self._steering: dict[str, float] = {}
        self._seen_steering: dict[str, float] = {}
        self._seen_at = 0.0
        self._paused = False
        # What the store refuses now (locked, full) it may take at the next look; points wait until then.
        self._fault = Spell(f"Run {run_id}: writing to the store", StoreError)

    def point(self, point: Point) -> None:
        if not all(math.isfinite(loss) for arm in point.values["supervised"] for loss in arm):
            raise Diverged
        self._add("point", _rounded(vars(point)))
        now = time.monotonic()
        if now - self._flushed >= _FLUSH_EVERY:
            with self._fault:
                self.flush(point.step)

    def before_step(self, trainer: Trainer) -> bool:
        now = time.monotonic()
        if not self._paused and now - self._looked < _LOOK_EVERY:
            return False
        while True:
            self._looked = time.monotonic()
            command = ""
            with self._fault:
                command = self._obey(trainer)
                if self._paused and self._waiting:
                    self.flush(trainer.step_number)  # a paused run shows all that it has
            if command == "step" or not self._paused:
                trainer.waited += time.monotonic() - now
                return command == "step"
            time.sleep(0.03)

    def _obey(self, trainer: Trainer) -> str:
        command, steering = self._store.control(self._run_id)
        if steering != self._seen_steering:
            self._seen_steering, self._seen_at = steering, time.monotonic()
        # A slider that is still being dragged would leave a mark at every look.
        settled = time.monotonic() - self._seen_at >= _SETTLED or command in ("resume", "step")
        if settled and steering != self._steering:
            self._steering = steering
            trainer.steer(steering)
            epoch = trainer.epochs * trainer.step_number / trainer.total_steps
            self._add("mark", {"step": trainer.step_number, "epoch": epoch, **steering})
        if command == "cancel":
            raise Cancelled
        if command:
            self._paused = command in ("pause", "step")
            self.flush(trainer.step_number)
            self._store.acknowledge(self._run_id, command, "paused" if self._paused else "running")
        return command

    def _add(self, kind: str, payload: dict[str, Any]) -> None:
        self._waiting.append((self._number, kind, payload))
        self._number += 1

    def flush(self, step: int) -> None:
        """Writes the points that wait; they go on waiting when the store refuses them."""
        self._store.add_points(self._run_id, self._waiting, step)
        self._waiting = []
        self._flushed = time.monotonic()


def execute(run_id: str, store: Store) -> bool:
    """Trains a run that this process has claimed. True when it is done; its state says how it ended."""
    run = store.get(run_id)
    if run is None:
        return False
    reporter = _Reporter(store, run_id)
    with _heartbeat(store, run_id):
        trainer = None
        try:
            spec = run.spec
            started = time.perf_counter()
            trainer = make_trainer(spec)
            trainer.train(reporter)
            seconds = time.perf_counter() - started - trainer.waited
            result = _result(run_id, spec, trainer, seconds)
            reporter.flush(trainer.step_number)
            return store.finish(run_id, "done", result=result)
        except Exception as error:  # noqa: BLE001 - whatever ends a run, its row must say so
            with contextlib.suppress(StoreError):
                reporter.flush(trainer.step_number if trainer else 0)
            state, message = _ending(error, trainer)
            store.finish(run_id, state, message=message)
            return False


def make_trainer(spec: RunSpec) -> Trainer:
    """The trainer of a spec. Raises DeviceError or CheckpointError."""
    settings = spec.model_dump(exclude={"temperature", "kd_weight", "objective"})  # the arms carry them
    return Trainer(**settings, arms=spec.arms, total_steps=spec.total_steps, cache=home() / "cache")


def _ending(error: Exception, trainer: Trainer | None) -> tuple[str, str]:
    """The state and the message that a run ends with."""
    match error:
        case Cancelled():
            return "cancelled", ""
        case Diverged():
            step = trainer.step_number if trainer else 0
            return "failed", (
                f"Training diverged: after {step} steps a loss is no longer a number. "
                "Lower the learning rate or the temperature and launch it again."
            )
        case DeviceError() | CheckpointError() | StoreError():
            return "failed", str(error)
        case torch.OutOfMemoryError():
            return (
                "failed",
                "The device ran out of memory. Lower the number of seeds or the batch size, or use the CPU.",
            )
    traceback.print_exception(error)
    return (
        "failed",
        f"Something went wrong in the lab itself ({type(error).__name__}: {error}). Its points are kept.",
    )


def _result(run_id: str, spec: RunSpec, trainer: Trainer, seconds: float) -> dict[str, Any]:
    outcome = trainer.outcome()
    artifacts.save_answers(run_id, outcome["answers"])
    _save_students(run_id, spec, trainer)
    arms = [
        {**arm.model_dump(), "name": arm.name, **{key: outcome[key][i] for key in _PER_ARM}}
        for i, arm in enumerate(trainer.arms)
    ]
    return {
        "arms": arms,
        "teacher_accuracy": outcome["teacher_accuracy"],
        "teacher_per_class": outcome["teacher_per_class"],
        "profiles": profiles(spec, trainer.device),
        "device": describe_device(trainer.device),
        "peak_memory_mib": peak_memory_mib(trainer.device),
        "group_size": trainer.cohort.groups[0].size,
        "seconds": seconds,
    }


def profiles(spec: RunSpec, device: torch.device) -> dict[str, dict[str, float]]:
    """What teacher and student cost on this device, as fields of `Profile`.

    It takes seconds, so each network is measured once on a machine and the measurement kept.
    """
    example = torch.from_numpy(get_dataset(spec.dataset).load().x_test[:1].copy())
    networks = {
        "teacher": (weights_sha256(spec.teacher), lambda: load_teacher(spec.teacher)),
        "student": (spec.student, lambda: build_student(spec.student, spec.dataset)),
    }

    def cost(name: str, build: Callable[[], nn.Module]) -> Profile:
        about = {"network": name, "dataset": spec.dataset, **speed_depends_on(device)}
        folder = home() / "cache" / "profiles"
        return measured_once(folder, about, Profile, lambda: profile(build(), example, device))

    return {who: vars(cost(*network)) for who, network in networks.items()}


_PER_ARM = ("accuracy", "agreement", "kl", "per_class")


def _save_students(run_id: str, spec: RunSpec, trainer: Trainer) -> None:
    for s, weights in enumerate(trainer.cohort.weights()):
        seed, arm = divmod(s, len(trainer.arms))
        role = trainer.arms[arm].role
        about = {
            "student": spec.student,
            "dataset": spec.dataset,
            "arm": role,
            "seed": str(seed),
            "run": run_id,
        }
        save_file(weights, artifacts.student_path(run_id, role, seed), metadata=about)


@contextlib.contextmanager
def _heartbeat(store: Store, run_id: str) -> Iterator[None]:
    """Beats the run's heart from a thread of its own, however long a step takes."""
    over = threading.Event()

    def beat() -> None:
        fault = Spell(f"Run {run_id}: its heartbeat", Exception, plain=(StoreError,))
        while not over.wait(_BEAT_EVERY):
            with fault:
                store.beat(run_id)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _rounded(value: Any) -> Any:
    """Six decimals are more than a curve shows; what is not finite becomes None, which JSON can say."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
