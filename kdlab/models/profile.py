"""What a network costs: parameters, arithmetic, memory and time, teacher and student measured alike."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

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

    `disk_bytes` is its safetensors file, float32. `run_memory_mib`, in MiB, is the most that weights and all that is made of
    a batch of 256 fill at one time; it is counted on the CPU, so that it is the same everywhere.
    """

    parameters: int
    flops: int
    memory_mib: float
    latency_ms: float
    throughput: float
    disk_bytes: int
    run_memory_mib: float


@torch.no_grad()
def profile(module: nn.Module, x_example: Tensor, device: str | torch.device = "cpu") -> Profile:
    """Measure a module on an example (1, *input_shape); it stays on that device, in the mode it was in."""
    was_training = module.training
    module.to("cpu").eval()
    tensors = [*module.parameters(), *module.buffers()]
    memory = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    many = x_example.cpu().expand(THROUGHPUT_BATCH, *x_example.shape[1:]).contiguous()
    disk, made = _file_bytes(module), _most_made(lambda: module(many))
    module.to(device)
    one, many = x_example.to(device), many.to(device)
    with FlopCounterMode(display=False) as counter:
        module(one)
    result = Profile(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        flops=counter.get_total_flops(),
        memory_mib=memory / 2**20,
        latency_ms=1000 * statistics.median(_seconds(lambda: module(one), one.device, repeats=50)),
        throughput=THROUGHPUT_BATCH / min(_seconds(lambda: module(many), one.device, repeats=15)),
        disk_bytes=disk,
        run_memory_mib=(memory + made) / 2**20,
    )
    module.train(was_training)
    return result


def _file_bytes(module: nn.Module) -> int:
    once = {tensor.data_ptr(): (name, tensor.contiguous()) for name, tensor in module.state_dict().items()}  # tied ones too
    return len(save(dict(once.values())))


class _Alive(TorchDispatchMode):
    """While it is on: the bytes of what is made and still there, now and at most. Views and what was given are not made."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for storage in _storages((args, kwargs)):
            self._known[storage] = True
        made = func(*args, **(kwargs or {}))
        for storage in _storages(made):
            if storage not in self._known:
                self._known[storage] = True
                self.now += storage.nbytes()
                weakref.finalize(storage, self._gone, storage.nbytes())
        self.most = max(self.most, self.now)
        return made

    def _gone(self, size: int) -> None:
        self.now -= size


def _storages(nested: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]


def _most_made(call: Callable[[], Tensor]) -> int:
    with _Alive() as alive:
        call()
    return alive.most


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
