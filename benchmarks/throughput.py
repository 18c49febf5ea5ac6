"""How fast students train here, beside loops that engineers know, all in one run.

    python -m benchmarks.throughput [--steps 300] [--rounds 3] [--json]

The same data (Fashion-MNIST), teacher, student (mlp-64), batch (128 of 700 images) and steps go through a loop
as in PyTorch's knowledge-distillation tutorial (DataLoader, the teacher in the loop), a `transformers.Trainer`
subclass, a bare loop on cached logits that measures nothing, a bare loop of 15 students stacked by hand
(`torch.func`), and KD Lab's trainer with everything on: three arms and five seeds in lock-step, scores on the test
set, gradient norms, points in a store. Fewer steps than a run has have their points closer together, which a lone
student feels most: its steps are those of a run as it is launched. The unit is one step of one student. The three
yardsticks also run in processes of their own with OpenMP as PyTorch leaves it, which is their best on a quiet machine;
the better counts.
Ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import kdlab  # noqa: F401 - sets how OpenMP waits, before torch starts it

import numpy as np  # isort: skip
import torch  # isort: skip
import transformers  # isort: skip
from torch import Tensor, nn  # isort: skip
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax  # isort: skip

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import fresh_student
from kdlab.distill.device import AVAILABLE_THREADS, threads
from kdlab.distill.grouping import Grouping
from kdlab.models.catalogue import teacher_logits
from kdlab.models.checkpoints import load_teacher
from kdlab.runs import build
from kdlab.runs.execute import execute
from kdlab.runs.recipes import three_arms
from kdlab.runs.reporter import Reporter
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Store

STUDENT, IMAGES, BATCH, LABELLED = "mlp-64", 700, 128, 64
TEMPERATURE, KD_WEIGHT, LEARNING_RATE = 2.0, 0.9, 2e-3
TIMES_THE_TUTORIAL, SHARE_OF_BARE, STACKED_GAIN = 4.0, 1.10, 2.5
ALONE_SHARE_OF_BARE, SHARE_OF_BARE_STACKED = 1.3, 1.25
DEFAULT_SECONDS, DIGITS_SECONDS = 60.0, 10.0


def loss_of(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
    """(1 − w)·CE + w·T²·KL as in PyTorch's tutorial; labels of the first 64 rows only."""
    kl = kl_div(
        log_softmax(student_logits / TEMPERATURE, -1),
        softmax(teacher_logits / TEMPERATURE, -1),
        reduction="batchmean",
    )
    supervised = cross_entropy(student_logits[:LABELLED], labels[:LABELLED])
    return (1 - KD_WEIGHT) * supervised + KD_WEIGHT * TEMPERATURE**2 * kl


def data() -> tuple[Tensor, Tensor, Tensor]:
    arrays = get_dataset("fashion").load()
    logits = teacher_logits("fashion").train
    return tuple(torch.tensor(np.array(a[:IMAGES])) for a in (arrays.x_train, arrays.y_train, logits))  # type: ignore[return-value]


def tutorial_loop(steps: int) -> float:
    """Seconds a step: a DataLoader and the teacher in the loop."""
    x, y, _ = data()
    teacher, student = load_teacher("fashion"), fresh_student(STUDENT, "fashion", 0)
    optimizer = torch.optim.Adam(student.parameters(), lr=LEARNING_RATE)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), batch_size=BATCH, shuffle=True, drop_last=True
    )
    done, start = 0, time.perf_counter()
    while done < steps:
        for inputs, labels in loader:
            optimizer.zero_grad()
            with torch.no_grad():
                revealed = teacher(inputs)
            loss = loss_of(student(inputs), revealed, labels)
            loss.backward()
            optimizer.step()
            loss.item()  # the tutorial sums it into a running loss
            done += 1
            if done == steps:
                break
    return (time.perf_counter() - start) / steps


class _Wrapped(nn.Module):
    """transformers.Trainer wants a model that takes named columns."""

    def __init__(self) -> None:
        super().__init__()
        self.student = fresh_student(STUDENT, "fashion", 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.student(x)


class _Distiller(transformers.Trainer):
    """The usual subclass: the teacher answers in compute_loss."""

    teacher = load_teacher("fashion")

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        with torch.no_grad():
            revealed = self.teacher(inputs["x"])
        return loss_of(model(inputs["x"]), revealed, inputs["labels"])


def transformers_trainer(steps: int) -> float:
    """Seconds a step of the subclass."""
    x, y, _ = data()
    rows = [{"x": image, "labels": label} for image, label in zip(x, y, strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        max_steps=steps,
        per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
        dataloader_drop_last=True,
    )
    trainer = _Distiller(model=_Wrapped(), args=arguments, train_dataset=rows)  # type: ignore[arg-type]
    start = time.perf_counter()
    trainer.train()
    return (time.perf_counter() - start) / steps


def bare_loop(steps: int) -> float:
    """Seconds a step: cached logits, batches drawn beforehand, nothing measured. The limit for one student."""
    x, y, logits = data()
    student = fresh_student(STUDENT, "fashion", 0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=LEARNING_RATE, fused=True)
    batches = torch.randint(IMAGES, (steps, BATCH))
    start = time.perf_counter()
    for rows in batches:
        loss = loss_of(student(x[rows]), logits[rows], y[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - start) / steps


def bare_stacked_loop(steps: int, size: int = 15) -> float:
    """Seconds a student-step of as many students as one (`torch.func`), and nothing else. The limit for a cohort."""
    x, y, logits = data()
    students = [fresh_student(STUDENT, "fashion", seed) for seed in range(size)]
    parameters, buffers = torch.func.stack_module_state(students)
    shape = students[0].to("meta")

    def call(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(shape, (parameters, buffers), (x,))

    optimizer = torch.optim.AdamW(parameters.values(), lr=LEARNING_RATE, fused=True)
    batches = torch.randint(IMAGES, (steps, size, BATCH))
    start = time.perf_counter()
    for rows in batches:
        student_logits = torch.func.vmap(call)(parameters, buffers, x[rows])
        log_q = log_softmax(student_logits / TEMPERATURE, -1)
        log_p = log_softmax(logits[rows] / TEMPERATURE, -1)
        kl = (log_p.exp() * (log_p - log_q)).sum((1, 2)) / BATCH  # `kl_div` has no rule for stacks and runs in turn
        known = student_logits[:, :LABELLED].flatten(0, 1), y[rows][:, :LABELLED].flatten()
        supervised = cross_entropy(*known, reduction="sum") / LABELLED
        loss = (1 - KD_WEIGHT) * supervised + KD_WEIGHT * TEMPERATURE**2 * kl.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - start) / (steps * size)


def lab(
    steps: int | None, folder: Path, *, arms: int = 3, seeds: int = 5, measure: bool = True, grouping: Grouping | None = None
) -> float:
    """Seconds a student-step of KD Lab's trainer; with `measure` as in a run, points in a store included.

    steps: as many as the run has where it is None. grouping: what is not to be measured. The last of the three arms is
    the one that distils.
    """
    settings = {"temperature": TEMPERATURE, "kd_weight": KD_WEIGHT, "batch_size": LABELLED, "learning_rate": LEARNING_RATE}
    spec = three_arms(student=STUDENT, seeds=seeds, **settings)
    spec = spec.model_copy(update={"arms": spec.arms[-arms:]})
    with mock.patch.object(build, "grouping", return_value=grouping) if grouping else contextlib.nullcontext():
        trainer = build.make_trainer(spec)
    steps = spec.total_steps if steps is None else steps
    if steps > spec.total_steps:
        raise SystemExit(f"--steps is at most {spec.total_steps}: the run that is timed has no more.")
    trainer.budget = replace(trainer.budget, steps=steps)
    store = Store(f"sqlite:///{folder / 'bench.sqlite'}")
    start = time.perf_counter()
    if measure:
        trainer.train(Reporter(store.begin(spec, "benchmark")))
    else:
        for _ in range(steps):
            trainer.step()
    return (time.perf_counter() - start) / (steps * arms * seeds)


def side_by_side(steps: int, folder: Path, rounds: int) -> dict[str, float]:
    """Seconds a student-step, each with the best number of threads. What is compared takes turns, and the fastest of
    several rounds is kept: what else the machine does only ever slows, and slows all alike."""

    def held(size: int, number: int, **how: Any) -> float:
        return lab(steps, folder, grouping=Grouping(size, number), **how)

    def on_threads(number: int, loop: Callable[[int], float]) -> float:
        with threads(number):
            return loop(steps)

    ways: dict[str, Callable[[int], float]] = {
        "bare loop": lambda n: on_threads(n, bare_loop),
        "KD Lab, 1 student, a whole run": lambda n: lab(None, folder, grouping=Grouping(1, n), arms=1, seeds=1),
        "KD Lab, 1 student, no points": lambda n: held(1, n, arms=1, seeds=1, measure=False),
        "KD Lab, 10 stacked": lambda n: held(10, n, arms=1, seeds=10, measure=False),
        "KD Lab, 10 in turn": lambda n: held(1, n, arms=1, seeds=10, measure=False),
        "bare stacked loop, 15": lambda n: on_threads(n, bare_stacked_loop),
        "KD Lab, 15 students": lambda n: min(held(size, n) for size in (5, 15)),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for number in sorted({1, AVAILABLE_THREADS}):
            for name, way in ways.items():
                best[name] = min(best[name], way(number))
    return best


def whole_run(spec: RunSpec) -> float:
    """Seconds of a run from claim to result, in this process."""
    store = Store()
    claim = store.begin(spec, "benchmark")
    start = time.perf_counter()
    if not execute(claim, store):
        raise SystemExit(store.get(claim.run_id).message)  # type: ignore[union-attr]
    return time.perf_counter() - start


YARDSTICKS = {"tutorial": tutorial_loop, "transformers": transformers_trainer, "bare": bare_loop}


def apart(name: str, steps: int) -> float:
    """A yardstick's seconds a step, measured in a process of its own whose threads spin while they wait."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.throughput", "--only", name, "--steps", str(steps)],
        env={**os.environ, "GOMP_SPINCOUNT": "300000"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(answer.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3, help="of what takes turns")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=YARDSTICKS, help="one yardstick, in this process")
    options = parser.parse_args()
    steps: int = options.steps
    if options.only:
        YARDSTICKS[options.only](20)  # first-time costs belong to no one
        print(min(YARDSTICKS[options.only](steps) for _ in range(2)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KDLAB_HOME"] = name
        lab(20, folder)  # first-time costs belong to no one
        bare, tutorial, trainer = (apart(yardstick, steps) for yardstick in ("bare", "tutorial", "transformers"))
        best = side_by_side(steps, folder, options.rounds)
        bare = min(bare, best["bare loop"])
        cohort, alone = best["KD Lab, 15 students"], best["KD Lab, 1 student, a whole run"]
        stacked, turns = best["KD Lab, 10 stacked"], best["KD Lab, 10 in turn"]
        bare_stacked = best["bare stacked loop, 15"]
        default = whole_run(three_arms())
        digits = whole_run(three_arms(dataset="digits", teacher="digits", labels=200, transfer=500))
    figures = {
        "ms a student-step": {
            "tutorial loop": 1e3 * tutorial,
            "transformers.Trainer": 1e3 * trainer,
            **{name: 1e3 * seconds for name, seconds in (best | {"bare loop": bare}).items()},
        },
        "tutorial / KD Lab": tutorial / cohort,
        "transformers.Trainer / KD Lab": trainer / cohort,
        "KD Lab / bare": cohort / bare,
        "KD Lab / bare stacked": cohort / bare_stacked,
        "KD Lab with one student, a whole run / bare": alone / bare,
        "in turn / stacked": turns / stacked,
        "bare / bare stacked, what stacking can gain": bare / bare_stacked,
        "default run, s": default,
        "digits run, s": digits,
    }
    met = {
        f"tutorial / KD Lab at least {TIMES_THE_TUTORIAL}": tutorial / cohort >= TIMES_THE_TUTORIAL,
        f"KD Lab / bare at most {SHARE_OF_BARE}": cohort / bare <= SHARE_OF_BARE,
        f"KD Lab / bare stacked at most {SHARE_OF_BARE_STACKED}": cohort / bare_stacked <= SHARE_OF_BARE_STACKED,
        f"KD Lab with one student / bare at most {ALONE_SHARE_OF_BARE}": alone / bare <= ALONE_SHARE_OF_BARE,
        f"in turn / stacked at least {STACKED_GAIN}": turns / stacked >= STACKED_GAIN,
        f"default run within {DEFAULT_SECONDS:.0f} s": default <= DEFAULT_SECONDS,
        f"digits run within {DIGITS_SECONDS:.0f} s": digits <= DIGITS_SECONDS,
    }
    if options.json:
        print(json.dumps({"figures": figures, "met": met}))
    else:
        for title, value in figures.items():
            if isinstance(value, dict):
                print(title, *(f"  {name:<30}{number:8.3f}" for name, number in value.items()), sep="\n")
            else:
                print(f"{title:<46}{value:8.2f}")
        print(*(f"{'met' if good else 'NOT MET':<8}{bound}" for bound, good in met.items()), sep="\n")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
