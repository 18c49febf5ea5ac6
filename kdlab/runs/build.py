"""A trainer of a spec: names become data, signals and students here, and nowhere below."""

from __future__ import annotations

import torch

from kdlab.data.home import home
from kdlab.data.registry import get_dataset
from kdlab.distill.access import SHARE_OF_MEMORY
from kdlab.distill.budget import Budget
from kdlab.distill.cohort import Cohort
from kdlab.distill.device import free_memory, resolve_device
from kdlab.distill.grouping import classifying, grouping
from kdlab.distill.inside import load_inside
from kdlab.distill.signals import load_logits, reveal
from kdlab.distill.tasks.classification import Classification
from kdlab.distill.trainer import Trainer
from kdlab.models.catalogue import get_student
from kdlab.models.checkpoints import CheckpointError
from kdlab.models.copied_layers import copied_layers
from kdlab.models.inner_layers import layers_of_student, layers_of_teacher
from kdlab.models.model_folder import check_memory
from kdlab.models.student_folder import is_folder_student, model_folder
from kdlab.models.student_inputs import inputs_for
from kdlab.runs.signal_memory import signal_bytes
from kdlab.runs.spec import RunSpec

_PARTS = 2  # of each kind of a batch's texts, by their length: more of them cost more than padding does
_BYTES_A_PARAMETER = 16  # its weight, its gradient and the optimiser's two moments, in float32


def make_trainer(spec: RunSpec) -> Trainer:
    """The trainer of a spec, and the process has the threads that suit it.

    Raises DeviceError, CheckpointError, ModelMissing or ModelFolderError.
    """
    cache, device = home() / "cache", resolve_device(spec.device)
    data = get_dataset(spec.dataset)
    task = Classification(
        inputs_for(spec.student, spec.dataset),
        len(data.classes),
        load_logits(spec.teacher, cache / "signals"),
        labels=spec.labels,
        transfer=spec.transfer,
        batch_size=spec.batch_size,
        steps=spec.total_steps,
        seeds=spec.seeds,
        device=device,
        # A card does not wait for small parts.
        parts=_PARTS if device.type == "cpu" and get_student(spec.student, spec.dataset).in_parts else 1,
    )
    layers = layers_of_student(spec.student, spec.dataset), layers_of_teacher(spec.teacher)
    copied = {
        place: copied_layers(spec.teacher, spec.student, spec.dataset, arm.copy_layers.pairs(*layers))
        for place, arm in enumerate(spec.arms)
        if arm.copy_layers is not None
    }
    count = len(spec.arms) * spec.seeds
    if is_folder_student(spec.student):
        check_memory(count * _BYTES_A_PARAMETER * model_folder(spec.student).parameters, free_memory(device))
    work = classifying(spec.student, spec.dataset, task.examples_a_step, device)
    grouped = grouping(work, count, device, cache)
    torch.set_num_threads(grouped.threads)
    cohort = Cohort(
        work.build,
        arms=len(spec.arms),
        seeds=spec.seeds,
        group_size=grouped.size,
        learning_rate=spec.learning_rate,
        device=device,
        copied=copied,
    )
    signals = {arm.access: reveal(arm.access, task.teacher_logits) for arm in spec.arms}
    reads = {asked: asked.reads(*layers) for arm in spec.arms for asked in arm.insides}
    _signals_fit(spec, len(task.seen), device)
    shown = {access: load_inside(spec.teacher, access, task.seen, cache / "signals", device) for access in dict.fromkeys(reads.values())}
    inside = {asked: shown[access] for asked, access in reads.items()}
    budget = Budget(
        steps=spec.total_steps,
        epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        schedule=spec.schedule,
        warm_up=spec.warm_up,
        clip_norm=spec.clip_norm,
    )
    return Trainer(task, spec.arms, cohort, signals, budget, inside)


def _signals_fit(spec: RunSpec, examples: int, device: torch.device) -> None:
    """Before the teacher is asked: raises CheckpointError where its inside would fill more than its share of the memory."""
    asked, free = signal_bytes(spec, examples), free_memory(device)
    if free is not None and asked > SHARE_OF_MEMORY * free:
        raise CheckpointError(
            f"What the arms look at inside the teacher on {examples:,} examples fills {asked / 2**20:,.0f} MiB, more than a "
            f"quarter of the memory that is free ({free / 2**20:,.0f} MiB). Take fewer labels, a smaller transfer set or fewer seeds."
        )
