"""Each objective, forward and backward, against `F.kl_div` on two log-softmaxes, as a ratio of medians.

`python -m benchmarks.objectives` measures wall time on all cores; with `--cpu-time`, one thread's own CPU time, which
other work on the machine disturbs less. At the largest shape it also shows how much memory each needs beside its
inputs, in tensors of the logits' size.
"""

from __future__ import annotations

import kdlab  # isort: skip  # noqa: F401  before torch: it says how threads wait for each other

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from kdlab.distill.objectives import (
    dkd_loss,
    forward_kl_loss,
    generalized_jsd_loss,
    label_smoothing_loss,
    logit_mse_loss,
    reverse_kl_loss,
    soft_cross_entropy_loss,
    top_k_kl_loss,
)

TEMPERATURE = 2.0
# shape of the logits, rounds, calls a round
SHAPES = (((256, 10), 60, 20), ((32, 64, 2048), 15, 1), ((4, 256, 49152), 5, 1))
LIMITS = {"forward_kl": 1.1, "soft_cross_entropy": 1.1, "logit_mse": 1.1}  # others 2.5
YARDSTICK = "F.kl_div"

Loss = Callable[[], Tensor]


def losses(z_s: Tensor, z_t: Tensor) -> dict[str, Loss]:
    """Every objective on one pair of logits, the yardstick first."""
    labels = torch.randint(0, z_s.shape[-1], z_s.shape[:-1])
    top = torch.softmax(z_t, -1).topk(min(32, z_s.shape[-1] // 2))
    t = TEMPERATURE

    def yardstick() -> Tensor:
        return kl_div(
            log_softmax(z_s / t, -1), log_softmax(z_t / t, -1), log_target=True, reduction="batchmean"
        )

    return {
        YARDSTICK: yardstick,
        "forward_kl": lambda: forward_kl_loss(z_s, z_t, t),
        "soft_cross_entropy": lambda: soft_cross_entropy_loss(z_s, z_t, t),
        "logit_mse": lambda: logit_mse_loss(z_s, z_t, t),
        "reverse_kl": lambda: reverse_kl_loss(z_s, z_t, t),
        "generalized_jsd": lambda: generalized_jsd_loss(z_s, z_t, 0.5, t),
        "label_smoothing": lambda: label_smoothing_loss(z_s, labels),
        "dkd": lambda: dkd_loss(z_s, z_t, labels, temperature=t),
        "top_k_kl": lambda: top_k_kl_loss(z_s, *top, t),
    }


def milliseconds(
    candidates: dict[str, Loss], z_s: Tensor, rounds: int, calls: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Median time of one forward and backward. Candidates take turns, so that a disturbance falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, loss in candidates.items():
            start = clock()
            for _ in range(calls):
                z_s.grad = None
                loss().backward()
            if turn:  # the first turn warms up
                times[name].append((clock() - start) * 1e3 / calls)
    return {name: statistics.median(measured) for name, measured in times.items()}


def peak_tensors(loss: Loss, z_s: Tensor) -> float | None:
    """Most memory beside the inputs, in tensors of the logits' size, the gradient included. Linux only."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None

    def kib(field: str) -> int:
        return int(status.read_text(encoding="utf-8").split(f"{field}:")[1].split()[0])

    z_s.grad = None
    gc.collect()
    before = kib("VmRSS")
    reset.write_text("5", encoding="utf-8")  # sets the peak back to what is held now
    loss().backward()
    return (kib("VmHWM") - before) * 1024 / (z_s.numel() * z_s.element_size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cpu-time", action="store_true", help="one thread, its CPU time")
    clock = time.perf_counter
    if parser.parse_args().cpu_time:
        torch.set_num_threads(1)
        clock = time.thread_time
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; ratios to {YARDSTICK}")
    for shape, rounds, calls in SHAPES:
        z_s, z_t = (3 * torch.randn(shape)).requires_grad_(True), 3 * torch.randn(shape)
        candidates = losses(z_s, z_t)
        times = milliseconds(candidates, z_s, rounds, calls, clock)
        largest = shape == SHAPES[-1][0]
        print(f"\n{shape}")
        for name, loss in candidates.items():
            ratio, limit = times[name] / times[YARDSTICK], LIMITS.get(name, 2.5)
            verdict = "" if name == YARDSTICK else f"limit {limit}  {'ok' if ratio <= limit else 'OVER'}"
            peak = peak_tensors(loss, z_s) if largest else None
            memory = "" if peak is None else f"  peak {peak:.2f} tensors"
            print(f"  {name:20s} {times[name]:10.3f} ms  ×{ratio:.2f}  {verdict}{memory}")


if __name__ == "__main__":
    main()
