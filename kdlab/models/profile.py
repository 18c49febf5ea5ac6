"""What a network costs: parameters, arithmetic, memory and time, teacher and student measured alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

THROUGHPUT_BATCH = 256
_WARM_UP = 3
_ENOUGH = 3.0  # seconds of one measurement: a large network is timed in fewer passes


@dataclass(frozen=True)
class Profile:
    """The cost of one network.

    `flops` counts an example's floating-point operations in matrix products and convolutions, a multiply-add as
    two; look-ups and sums are free. `memory_mib` is what weights and buffers fill, in MiB. `latency_ms` is the
    median time of one example alone. `throughput` is examples a second in batches of 256, from the fastest of
    several passes (one where a pass takes long), since other work on the machine can only slow one down. Both are measured on the device.
    """

    parameters: int
    flops: int
    memory_mib: float
    latency_ms: float
    throughput: float


@torch.no_grad()
def profile(module: nn.Module, x_example: Tensor, device: str | torch.device = "cpu") -> Profile:
    """Measure a module on an example (1, *input_shape); it stays on that device, in the mode it was in."""
    was_training = module.training
    module.to(device).eval()
    one = x_example.to(device)
    many = one.expand(THROUGHPUT_BATCH, *one.shape[1:]).contiguous()
    with FlopCounterMode(display=False) as counter:
        module(one)
    tensors = [*module.parameters(), *module.buffers()]
    result = Profile(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        flops=counter.get_total_flops(),
        memory_mib=sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 2**20,
        latency_ms=1000 * statistics.median(_seconds(lambda: module(one), one.device, repeats=50)),
        throughput=THROUGHPUT_BATCH / min(_seconds(lambda: module(many), one.device, repeats=15)),
    )
    module.train(was_training)
    return result


def _seconds(call: Callable[[], Tensor], device: torch.device, repeats: int) -> list[float]:
    """Time of each call after warm-up, ``repeats`` or as many as fit three seconds.

    On an accelerator until its work is done, not merely queued.
    """

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()

    seconds: list[float] = []
    while len(seconds) < _WARM_UP + repeats and (len(seconds) < 2 or sum(seconds) < _ENOUGH):
        wait()
        started = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - started)
    return seconds[_WARM_UP:] or seconds[1:]
