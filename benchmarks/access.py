"""What it costs to look inside a teacher: a white-box step beside the same objective written by hand, and signals
from the disk beside signals that the teacher gives anew. All in one run.

    python -m benchmarks.access [--steps 60] [--rounds 5] [--json]

Fashion-MNIST with the ladder's student (cnn-small), and the glosses with bert-2x64 where MiniLM is installed; 64 examples
with a label and 64 without in a step. For each rung inside the teacher one student goes through KD Lab's trainer and through
a bare loop that has the same objective written out, on the same tensors, in the same order, with the same threads; both must
end with the same weights, or it is no comparison. Beside them five stacked seeds, as a run may have them, which no bound is held
to. Where torchdistill is installed its own losses go through the same loop, with the teacher in it as in its pipelines, and the
hint's also on the features that the lab keeps. What is compared takes turns; the fastest round counts. Ends with 1 where a bound
is not met. Twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import kdlab  # noqa: F401 - sets how OpenMP waits, before torch starts it

import torch  # isort: skip
from torch import Tensor, nn  # isort: skip
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss, normalize, softmax  # isort: skip

from kdlab.data.word_pieces import PADDING, model_installed
from kdlab.distill.cohort import fresh_student
from kdlab.distill.device import AVAILABLE_THREADS
from kdlab.distill.grouping import Grouping
from kdlab.distill.trainer import Trainer
from kdlab.models.checkpoints import load_teacher
from kdlab.runs import build
from kdlab.runs.ladder import ladder
from kdlab.runs.spec import RunSpec


class Case(NamedTuple):
    """A rung inside a teacher, as an arm of the ladder on some data with some student."""

    dataset: str
    student: str
    arm: str

    def __str__(self) -> str:
        return f"{self.dataset}, {self.arm}"


CASES = (
    *(Case("fashion", "cnn-small", arm) for arm in ("hidden", "attention", "gradients")),
    *(Case("glosses", "bert-2x64", arm) for arm in ("hidden", "attention") if model_installed()),
)
SHARE_OF_BARE, TIMES_FASTER_LOADED = 1.15, 10.0
STACKED = 5

Step = Callable[[int], None]


def spec_of(case: Case, seeds: int = 1) -> RunSpec:
    """The ladder with this arm alone."""
    spec = ladder(dataset=case.dataset, student=case.student, seeds=seeds)
    alone = spec.arm(case.arm).model_copy(update={"control": None})
    return spec.model_copy(update={"arms": (alone,), "contrasts": ()})


def trainer_of(case: Case, number: int, seeds: int = 1) -> Trainer:
    """KD Lab's trainer of this arm: one student, or as many seeds stacked."""
    with mock.patch.object(build, "grouping", return_value=Grouping(seeds, number)):
        return build.make_trainer(spec_of(case, seeds))


def last_layer(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the last hidden layer (B, positions, channels), straight from the network."""
    logits, layers = network.through(x)  # type: ignore[operator]
    return logits, layers[-1].flatten(2).transpose(1, 2)


class ByHand:
    """A bare loop for one student: what an engineer writes who has the teacher's logits and features at hand."""

    def __init__(self, case: Case, trainer: Trainer) -> None:
        self.arm, self.task = trainer.arms[0], trainer.task
        self.x, self.labels, self.teacher_logits = self.task.x, self.task.labels, self.task.teacher_logits
        self.student = fresh_student(case.student, case.dataset, 0)
        of_texts = {"hidden": self.text_hint, "attention": self.relations}
        of_pictures = {"hidden": self.hint, "attention": self.attention, "gradients": self.jacobian}
        self.objective = (of_texts if case.dataset == "glosses" else of_pictures)[case.arm]
        self.revealed = trainer.inside[self.arm.white_box]
        learned = list(self.student.parameters())
        if case.arm == "hidden":  # as the lab's own begins
            (projection,) = trainer.cohort.groups[0].own.values()
            self.projection = nn.Parameter(projection.detach()[0].clone())
            learned.append(self.projection)
        if self.objective == self.relations:
            self.heard: dict[int, Tensor] = {}
            attention = self.student.bert.encoder.layer[-1].attention.self
            for place, part in enumerate((attention.query, attention.key, attention.value)):
                part.register_forward_hook(lambda _, __, said, place=place: self.heard.update({place: said}))
        rate = trainer.budget.learning_rate
        self.optimizer = torch.optim.AdamW(learned, lr=rate, fused=True)

    def step(self, number: int) -> None:
        rows = self.task.batches[number, 0]
        logits, inside = self.objective(rows)
        loss = self.outputs(logits, rows, number) + self.arm.white_box.weight * inside
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def outputs(self, logits: Tensor, rows: Tensor, number: int) -> Tensor:
        heat, w, labelled = self.arm.temperature, self.arm.kd_weight, self.task.labelled
        soft = kl_div(
            log_softmax(logits / heat, -1),
            softmax(self.teacher_logits[rows] / heat, -1),
            reduction="batchmean",
        )
        hard = cross_entropy(logits[:labelled], self.labels[number, 0, :labelled])
        return (1 - w) * hard + w * heat**2 * soft

    def hint(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        logits, last = last_layer(self.student, self.x[rows])
        return logits, mse_loss(last @ self.projection.T, self.revealed[0][rows].float())

    def attention(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        logits, last = last_layer(self.student, self.x[rows])
        ours = normalize(last.square().mean(-1), dim=-1)
        return logits, (ours - self.revealed[0][rows].squeeze(-1).float()).square().sum(-1).mean()

    def jacobian(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        wanted, direction = (part[rows].float() for part in self.revealed)
        logits, derivative = torch.func.jvp(self.student, (self.x[rows],), (direction,))
        apart = derivative - wanted
        return logits, (apart - apart.mean(-1, keepdim=True)).square().mean()

    def text_hint(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.x[rows]
        said, real = self.student.encode(x), x != PADDING
        apart = (
            (said.last_hidden_state @ self.projection.T - self.revealed[0][rows].float()).square().mean(-1)
        )
        return self.student.judge(said, x), apart[real].mean()

    def relations(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x = self.x[rows]
        logits, real = self.student(x), x != PADDING

        def relations(part: Tensor) -> Tensor:  # (B, L, C) → (B, heads, L, L)
            heads = part.unflatten(-1, (self.arm.white_box.relation_heads, -1)).transpose(1, 2)
            scores = heads @ heads.transpose(-1, -2) / heads.shape[-1] ** 0.5
            return log_softmax(scores.masked_fill(~real[:, None, None], torch.finfo(scores.dtype).min), -1)

        theirs = self.revealed[0][rows].float().chunk(3, dim=-1)
        total = 0.0
        for place in range(3):
            log_q, log_p = relations(self.heard[place]), relations(theirs[place])
            apart = kl_div(log_q, log_p, log_target=True, reduction="none")
            total = total + apart.masked_fill(~real[:, None, None], 0).sum(-1).mean(1)[real].mean()
        return logits, total


class WithTorchdistill(ByHand):
    """The same loop with torchdistill's losses; with the teacher in it, as in its own pipelines, or without."""

    def __init__(self, case: Case, trainer: Trainer, *, teacher: bool) -> None:
        super().__init__(case, trainer)
        from torchdistill.losses import mid_level

        self.teacher = load_teacher("fashion") if teacher else None
        self.kd = mid_level.KDLoss(
            ".", "output", ".", "output", self.arm.temperature, 1 - self.arm.kd_weight, self.arm.kd_weight
        )
        side = {"io": "output", "path": "layer"}
        if case.arm == "attention":
            self.inner = mid_level.ATLoss({"last": {"student": side, "teacher": side}})
        else:
            asked = {"is_from_teacher": False, "module_path": "layer", "io": "output"}
            self.inner = mid_level.SimpleLossWrapper(
                nn.MSELoss(), input=asked, target={**asked, "is_from_teacher": True}
            )
        self.is_hint = case.arm == "hidden"

    def step(self, number: int) -> None:
        rows = self.task.batches[number, 0]
        x, labels = self.x[rows], self.labels[number, 0]
        logits, last = last_layer(self.student, x)
        ours = (
            last @ self.projection.T if self.is_hint else last.transpose(1, 2)
        )  # as a picture's map (B, C, positions)
        if self.teacher is None:
            wanted, theirs = self.teacher_logits[rows], self.revealed[0][rows].float()
        else:
            with torch.no_grad():
                wanted, theirs = last_layer(self.teacher, x)
            theirs = theirs if self.is_hint else theirs.transpose(1, 2)
        said = (
            {".": {"output": logits}, "layer": {"output": ours}},
            {".": {"output": wanted}, "layer": {"output": theirs}},
        )
        loss = self.kd(*said, labels) + self.arm.white_box.weight * self.inner(*said, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def same_weights(case: Case, steps: int = 20) -> None:
    """Both loops end alike; raises SystemExit where they do not."""
    trainer = trainer_of(case, 1)
    hand = ByHand(case, trainer)
    for number in range(steps):
        trainer.step()
        hand.step(number)
    (ours,) = trainer.cohort.weights()
    for name, theirs in hand.student.state_dict().items():
        if not torch.allclose(ours[name], theirs, atol=1e-3):
            raise SystemExit(
                f"{case}: {name} is another after {steps} steps, so the two loops do not train the same."
            )


def milliseconds(case: Case, steps: int, rounds: int, number: int) -> dict[str, float]:
    """A student's step in each way, on so many threads; the ways take turns and the fastest round is kept."""
    alone, stacked = trainer_of(case, number), trainer_of(case, number, STACKED)

    def lab(trainer: Trainer) -> Step:
        def step(at: int) -> None:
            trainer.step_number = at
            trainer.step()

        return step

    ways: dict[str, tuple[Step, int]] = {
        "bare loop": (ByHand(case, alone).step, 1),
        "KD Lab, 1 student": (lab(alone), 1),
        f"KD Lab, {STACKED} stacked": (lab(stacked), STACKED),
    }
    of_pictures = case.dataset == "fashion" and case.arm != "gradients"  # it has no loss of gradients
    if importlib.util.find_spec("torchdistill") and of_pictures:
        ways["torchdistill's losses, teacher in the loop"] = (
            WithTorchdistill(case, alone, teacher=True).step,
            1,
        )
        if (
            case.arm == "hidden"
        ):  # of attention the lab keeps the map, and torchdistill's loss wants what it is made of
            ways["torchdistill's losses"] = (WithTorchdistill(case, alone, teacher=False).step, 1)
    best = dict.fromkeys(ways, float("inf"))
    torch.set_num_threads(number)
    for turn in range(rounds + 1):
        for name, (step, students) in ways.items():
            start = time.perf_counter()
            for at in range(steps):
                step(at)
            if turn:  # the first turn warms up
                best[name] = min(best[name], 1e3 * (time.perf_counter() - start) / (steps * students))
    return best


def signal_seconds(case: Case, rounds: int) -> tuple[float, float]:
    """Seconds to compute a rung's signal for the ladder's examples, and to load it from the disk again."""
    asked = mock.Mock(side_effect=build.load_inside)
    with mock.patch.object(build, "load_inside", asked):
        trainer_of(case, AVAILABLE_THREADS)
    teacher, access, rows, _, device = asked.call_args.args

    def seconds(cache: Path) -> float:
        start = time.perf_counter()
        build.load_inside(teacher, access, rows, cache, device)
        return time.perf_counter() - start

    computed, loaded = float("inf"), float("inf")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            computed = min(computed, seconds(Path(name)))
            loaded = min(loaded, *(seconds(Path(name)) for _ in range(3)))
    return computed, loaded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5, help="of what takes turns")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    met: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as name:
        os.environ["KDLAB_HOME"] = name
        for case in CASES:
            same_weights(case)
            counts = sorted({1, AVAILABLE_THREADS})
            best = {f"{n} threads": milliseconds(case, options.steps, options.rounds, n) for n in counts}
            alone, stacked, bare = (
                min(of[way] for of in best.values()) for way in ("KD Lab, 1 student", f"KD Lab, {STACKED} stacked", "bare loop")
            )
            figures[f"{case}, ms a student-step"] = best
            figures[f"{case}, KD Lab / bare"], figures[f"{case}, stacked / bare"] = alone / bare, stacked / bare
            met[f"{case}: KD Lab / bare at most {SHARE_OF_BARE}"] = alone / bare <= SHARE_OF_BARE
            computed, loaded = signal_seconds(case, 1)
            figures[f"{case}, s to compute its signal"], figures[f"{case}, s to load it"] = computed, loaded
            faster = computed >= TIMES_FASTER_LOADED * loaded
            met[f"{case}: a signal loads at least {TIMES_FASTER_LOADED:g} times faster"] = faster
    if options.json:
        print(json.dumps({"figures": figures, "met": met}))
    else:
        for title, value in figures.items():
            if isinstance(value, dict):
                for where, ways in value.items():
                    print(
                        f"{title}, {where}",
                        *(f"  {name:<46}{ms:8.3f}" for name, ms in ways.items()),
                        sep="\n",
                    )
            else:
                print(f"{title:<48}{value:8.3f}")
        print(*(f"{'met' if good else 'NOT MET':<8}{bound}" for bound, good in met.items()), sep="\n")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
