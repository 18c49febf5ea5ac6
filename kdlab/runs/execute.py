"""Carries out one claimed run: trains, writes points, obeys the visitor, leaves the result."""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from kdlab.core.counted import counted
from kdlab.data.corpora import get_corpus
from kdlab.data.home import home
from kdlab.data.registry import get_dataset
from kdlab.data.visitor_sets import TextsGoneError
from kdlab.data.word_pieces import ModelMissing
from kdlab.distill.batches import overlap_between_seeds
from kdlab.distill.device import (
    AVAILABLE_THREADS,
    DeviceError,
    describe_device,
    peak_memory_mib,
    speed_depends_on,
    threads,
)
from kdlab.distill.metrics import metrics_of
from kdlab.distill.trainer import Trainer
from kdlab.models.added_teachers import is_added
from kdlab.models.catalogue import teacher_card, weights_sha256
from kdlab.models.causal_shapes import parameters as student_parameters
from kdlab.models.checkpoints import CheckpointError
from kdlab.models.kept_files import measured_once
from kdlab.models.language_teachers import parameters as teacher_parameters
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.networks import build_student, build_teacher
from kdlab.models.profile import Profile, profile
from kdlab.models.student_inputs import identity_of, inputs_for
from kdlab.runs import artifacts, endings
from kdlab.runs.build import make_trainer
from kdlab.runs.claims import Claim, ClaimLostError
from kdlab.runs.ladder import Ladder
from kdlab.runs.patience import patiently
from kdlab.runs.reporter import Cancelled, Diverged, LeftPaused, Reporter, heartbeat
from kdlab.runs.rung_costs import rung_costs
from kdlab.runs.spec import RunSpec, Spec
from kdlab.runs.store import Store, StoreError
from kdlab.runs.students_inside import students_inside
from kdlab.runs.text_spec import TextSpec


def execute(claim: Claim, store: Store) -> bool:
    """Trains the run that this process has claimed. True when it is done; its state says how it ended.

    False also where the claim was lost, or a paused run was left: then nothing more is written.
    """
    run = patiently(lambda: store.get(claim.run_id), f"Run {claim.run_id}: reading it")
    if run is None:
        return False
    reporter, trainer = Reporter(claim), None
    with heartbeat(claim):
        try:
            started = time.perf_counter()
            trainer = _trainer(run.spec, reporter)
            reporter.restore(trainer, _identity_of_student(run.spec))
            trainer.train(reporter)
            seconds = time.perf_counter() - started - trainer.waited
            spec, done = run.spec, trainer
            result = patiently(lambda: _result(claim.run_id, spec, done, seconds), f"Run {run.id}: its result")
            state, message = "done", ""
        except (ClaimLostError, LeftPaused):
            return False
        except Exception as error:  # noqa: BLE001 - whatever ends a run, its row must say so
            state, message = _ending(error, trainer)
            result = None
        return _finish(claim, reporter, trainer, state=state, message=message, result=result)


def _trainer(spec: Spec, reporter: Reporter) -> Trainer:
    if not isinstance(spec, TextSpec):
        return make_trainer(spec)
    from kdlab.runs.build_text import make_text_trainer  # transformers takes seconds to import

    return make_text_trainer(spec, reporter.asking)


def _finish(claim: Claim, reporter: Reporter, trainer: Trainer | None, **ending: Any) -> bool:
    """Writes how the run ended, with the points that still wait. What the store refuses waits beside the students."""
    ending |= {"points": reporter.waiting, "steered": reporter.steering}
    if trainer is not None:
        ending["step"] = trainer.step_number
    try:
        patiently(
            lambda: claim.finish(**ending),
            f"Run {claim.run_id}: writing how it ended",
            refused=lambda: endings.put_by(claim, ending),
        )
    except ClaimLostError:
        return False
    endings.drop(claim.run_id)
    artifacts.drop_checkpoint(claim.run_id)
    return ending["state"] == "done"


def _ending(error: Exception, trainer: Trainer | None) -> tuple[str, str]:
    """The state and the message that a run ends with."""
    match error:
        case Cancelled():
            return "cancelled", ""
        case Diverged():
            step = trainer.step_number if trainer else 0
            return "failed", (
                f"Training diverged: after {counted(step, 'steps')} no student's loss is a number any more. "
                "Lower the learning rate or the temperature and launch it again."
            )
        case DeviceError() | CheckpointError() | ModelMissing() | ModelFolderError() | StoreError() | TextsGoneError():
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


def _result(run_id: str, spec: Spec, trainer: Trainer, seconds: float) -> dict[str, Any]:
    outcome = trainer.outcome()
    _save_students(run_id, spec, trainer)
    own = _of_texts(spec, outcome) if isinstance(spec, TextSpec) else _of_classes(run_id, spec, trainer, outcome)
    measured = [key for key in (*metrics_of(spec.task), *_PER_ARM) if key in outcome]
    arms = [
        {**arm.model_dump(), **{key: _known(outcome[key][i]) for key in measured}} for i, arm in enumerate(trainer.arms)
    ]
    return {
        "arms": arms,
        **own,
        "device": describe_device(trainer.device),
        "peak_memory_mib": peak_memory_mib(trainer.device),
        "group_size": trainer.cohort.groups[0].size,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
    }


def _of_classes(run_id: str, spec: RunSpec, trainer: Trainer, outcome: dict[str, Any]) -> dict[str, Any]:
    artifacts.save_answers(run_id, outcome["answers"])
    if spec.recipe.name == Ladder.recipe:
        _save_inside(run_id, spec, trainer)
    return {
        "teacher_accuracy": outcome["teacher_accuracy"],
        "teacher_per_class": outcome["teacher_per_class"],
        "profiles": profiles(spec, trainer.device),
        "data": get_dataset(spec.dataset).fingerprint()[:12],
        "student": identity_of(spec.student),
        "overlap": _overlap(spec),
        "costs": rung_costs(spec, trainer) if spec.recipe.name == Ladder.recipe else {},
    }


def _of_texts(spec: TextSpec, outcome: dict[str, Any]) -> dict[str, Any]:
    teacher = {name: _known(value) for name, value in outcome["teacher"].items()}
    parameters = {"student": student_parameters(spec.student, spec.vocabulary), "teacher": teacher_parameters(spec.teacher)}
    return {
        "teacher": teacher,
        **{name: outcome[name] for name in ("frequency_bins", "test_tokens", "test_bytes")},
        "profiles": {who: {"parameters": count} if count else {} for who, count in parameters.items()},
        "data": get_corpus(spec.dataset).fingerprint()[:12],
        "student": spec.student,
    }


def _known(values: Any) -> Any:
    """Nested lists with None for what is no number, as JSON can say it: a student that diverged has none."""
    if isinstance(values, list):
        return [_known(value) for value in values]
    return values if math.isfinite(values) else None


def _overlap(spec: RunSpec) -> dict[str, float] | None:
    """What its seeds have in common, as fields of `Overlap`; None for one seed."""
    if spec.seeds == 1:
        return None
    y = get_dataset(spec.dataset).load().y_train
    return overlap_between_seeds(y, spec.labels, spec.transfer, spec.seeds)._asdict()


def profiles(spec: RunSpec, device: torch.device) -> dict[str, dict[str, float]]:
    """What teacher and student cost on this device, as fields of `Profile`.

    Neither cost depends on what was learned, so a teacher's weights need not be there. It takes seconds, so each network
    is measured once on a machine and the measurement kept.
    """
    shown = {"student": inputs_for(spec.student, spec.dataset), "teacher": get_dataset(spec.dataset).load()}
    networks = {"student": (identity_of(spec.student), lambda: build_student(spec.student, spec.dataset))}
    measured: dict[str, dict[str, float]] = {}
    if not is_added(spec.teacher):
        networks["teacher"] = (weights_sha256(spec.teacher), lambda: build_teacher(spec.teacher))
    else:  # its network is not here: it was measured when it answered, and behind an API never
        measured["teacher"] = teacher_card(spec.teacher).get("profile", {})

    def cost(who: str, name: str, build: Callable[[], nn.Module]) -> Profile:
        about = {"network": name, "dataset": spec.dataset, **speed_depends_on(device)}
        folder, example = home() / "cache" / "profiles", torch.from_numpy(shown[who].x_test[:1].copy())
        return measured_once(folder, about, Profile, lambda: profile(build(), example, device))

    with threads(AVAILABLE_THREADS):  # the same for every run, whatever suits its own students
        return measured | {who: vars(cost(who, *network)) for who, network in networks.items()}


_PER_ARM = ("per_class", "by_frequency")
"""What is measured of every student at the end alone."""


def _save_inside(run_id: str, spec: RunSpec, trainer: Trainer) -> None:
    """A picture beside the result: where the teacher's weights are not here, there is none."""
    with contextlib.suppress(CheckpointError, ModelMissing, ValueError):
        if found := students_inside(spec, trainer):
            artifacts.save_inside(run_id, found)


def _identity_of_student(spec: Spec) -> str:
    return spec.student if isinstance(spec, TextSpec) else identity_of(spec.student)


def _save_students(run_id: str, spec: Spec, trainer: Trainer) -> None:
    artifacts.folder(run_id).mkdir(parents=True, exist_ok=True)
    for s, weights in enumerate(trainer.cohort.weights()):
        seed, arm = divmod(s, len(trainer.arms))
        key = trainer.arms[arm].key
        about = {
            "student": spec.student,
            "dataset": spec.dataset,
            "arm": key,
            "seed": str(seed),
            "run": run_id,
        }
        save_file(weights, artifacts.student_path(run_id, key, seed), metadata=about)
