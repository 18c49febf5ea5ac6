"""A cohort: students of one shape, trained side by side.

Student ``seed * arms + arm``. Students of a seed start from the same weights, but for what an arm copies. Small ones train
stacked (`torch.func.stack_module_state`, `vmap`) in groups; a group of one is the plain module.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from kdlab.distill.derivative import derivative
from kdlab.models.inner_layers import Inner, Parts
from kdlab.models.networks import build_student

Build = Callable[[], nn.Module]
"""Makes a student of one shape, with the weights that the global generator gives it."""


def fresh(build: Build, seed: int) -> nn.Module:
    """A student with the weights that ``seed`` gives it, on the CPU; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def fresh_student(student: str, dataset: str, seed: int) -> nn.Module:
    """`fresh`, of a student of a data set by its name."""
    return fresh(partial(build_student, student, dataset), seed)


class Group:
    """n students whose weights are stacked on a leading dimension, with one optimiser for all.

    AdamW works elementwise, so a stacked student's updates are those that it would have alone.
    """

    def __init__(
        self, students: list[nn.Module], learning_rate: float, device: torch.device, where: slice, arms: int
    ) -> None:
        """where: the students' places in their cohort, of which each seed has ``arms``."""
        students = [student.to(device) for student in students]
        self.size, self.where = len(students), where
        self.seed_of = torch.arange(where.start, where.start + self.size, device=device) // arms  # (n,)
        self.module = students[0]
        if self.size == 1:
            self.parameters = dict(self.module.named_parameters())
            self.buffers = dict(self.module.named_buffers())
        else:
            self.parameters, self.buffers = stack_module_state(students)
            # Holds the shape and no numbers: those come with each call.
            self.module = copy.deepcopy(students[0]).to("meta")
        self.own: dict[str, Tensor] = {}  # what objectives learn beside the students, no part of them
        self._optimizer = torch.optim.AdamW(
            list(self.parameters.values()), lr=learning_rate, fused=device.type in ("cpu", "cuda")
        )

    def adopt(self, name: str, initial: Tensor) -> Tensor:
        """A parameter of an objective, (n, …) for n of the students, trained along with them."""
        self.own[name] = nn.Parameter(initial)
        self._optimizer.add_param_group({"params": [self.own[name]]})
        return self.own[name]

    def outputs(self, x: Tensor, parts: Parts = ()) -> Tensor:
        """x (n, B, …), each student its own batch → what its module gives: a classifier logits (n, B, K), a language model
        its last hidden states (n, B, L, H). parts: as a transformer's `forward` takes them."""
        how = {"parts": parts} if parts else {}
        if self.size == 1:
            return self.module(x[0], **how).unsqueeze(0)
        return vmap(partial(self._call, **how))(self.parameters, self.buffers, x)

    def outputs_and_inside(self, x: Tensor, parts: Parts = ()) -> tuple[Tensor, Inner]:
        """`outputs`, and what the students show of their inside, each part (n, B, …)."""
        how = {"inside": True} | ({"parts": parts} if parts else {})
        if self.size == 1:
            logits, inner = self.module(x[0], **how)
            return logits.unsqueeze(0), Inner(*(tuple(part.unsqueeze(0) for part in parts) for parts in inner))
        return vmap(partial(self._call, **how))(self.parameters, self.buffers, x)

    def derivative(self, its: slice | Tensor, x: Tensor, direction: Tensor) -> Tensor:
        """The derivative of some students' logits (n, B, K) along a direction an example (`kdlab.distill.derivative`);
        x, direction (n, B, …)."""
        if self.size == 1:
            return derivative(self.module, x[0], direction[0]).unsqueeze(0)

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, direction: Tensor) -> Tensor:
            return derivative(partial(self._call, parameters, buffers), x, direction)

        parameters, buffers = ({name: t[its] for name, t in kept.items()} for kept in (self.parameters, self.buffers))
        return vmap(one)(parameters, buffers, x, direction)

    def shared_outputs(self, x: Tensor) -> Tensor:
        """x (B, …), one batch for all → `outputs`."""
        if self.size == 1:
            return self.module(x).unsqueeze(0)
        return vmap(self._call, in_dims=(0, 0, None))(self.parameters, self.buffers, x)

    def _call(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, **how: Any) -> Any:
        return functional_call(self.module, (parameters, buffers), (x,), how)

    def gradients(self, loss: Tensor) -> Tensor:
        """Gradient of ``loss``, a sum over students, in each student's weights: (n, P)."""
        parameters = list(self.parameters.values())
        if not loss.requires_grad:  # a term that none of these students has
            return torch.cat([torch.zeros_like(p).reshape(self.size, -1) for p in parameters], dim=1)
        grads = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        return torch.cat([g.reshape(self.size, -1) for g in grads], dim=1)

    def step(self, loss: Tensor, learning_rate: float, clip_norm: float = 0.0) -> None:
        """One update. The sum over students gives each student the gradient of its own loss.

        clip_norm: a student's gradient that is longer is scaled to this length; 0 leaves it as it is.
        """
        for rate in self._optimizer.param_groups:
            rate["lr"] = learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm:
            self._clip(clip_norm)
        self._optimizer.step()

    def _clip(self, longest: float) -> None:
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        by_student = [g.reshape(self.size, -1) for g in gradients]
        norms = torch.cat([g.norm(dim=1, keepdim=True) for g in by_student], dim=1).norm(dim=1)  # (n,)
        scale = (longest / norms.clamp(min=1e-12)).clamp(max=1.0)[:, None]
        for gradient in by_student:
            gradient.mul_(scale)

    def train(self, training: bool) -> None:
        """Into training mode, or out of it: what a student does by chance it does in training alone."""
        if training != self.module.training:
            self.module.train(training)

    def state(self) -> dict[str, Tensor]:
        """All that the next update depends on, by name: weights, buffers and the optimiser's moments."""
        learned = {**self.parameters, **self.own}
        moments = {
            f"{name}/{key}": value
            for name, parameter in learned.items()
            for key, value in self._optimizer.state[parameter].items()
        }
        return {name: t.detach() for name, t in {**learned, **self.buffers, **moments}.items()}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes over what `state` gave."""
        learned = {**self.parameters, **self.own}
        for name, tensor in {**learned, **self.buffers}.items():
            tensor.copy_(state[name])
        for name, parameter in learned.items():
            kept = {key.removeprefix(f"{name}/"): key for key in state if key.startswith(f"{name}/")}
            self._optimizer.state[parameter] = {key: state[at].clone().to(parameter.device) for key, at in kept.items()}

    def weights(self, i: int) -> dict[str, Tensor]:
        """Student i's parameters and buffers, detached, on the CPU."""
        kept = self.module.state_dict().keys()  # constants are none of them
        tensors = {name: t for name, t in {**self.parameters, **self.buffers}.items() if name in kept}
        picked = tensors if self.size == 1 else {name: tensor[i] for name, tensor in tensors.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in picked.items()}


class Cohort:
    """arms x seeds students in groups of at most ``group_size``."""

    def __init__(
        self,
        build: Build,
        *,
        arms: int,
        seeds: int,
        group_size: int,
        learning_rate: float,
        device: torch.device,
        copied: Mapping[int, Mapping[str, Tensor]] = MappingProxyType({}),
    ) -> None:
        """copied: by an arm's place, weights that its students start from in place of the seed's."""
        initial = [fresh(build, seed) for seed in range(seeds)]
        students = [copy.deepcopy(initial[s // arms]) for s in range(arms * seeds)]
        for s, module in enumerate(students):
            module.load_state_dict(copied.get(s % arms, {}), strict=False)
        self.size, self.device = len(students), device
        self.groups = [
            Group(students[start : start + group_size], learning_rate, device, slice(start, start + group_size), arms)
            for start in range(0, self.size, group_size)
        ]

    def weights(self) -> list[dict[str, Tensor]]:
        """Every student's tensors by name, in student order."""
        return [group.weights(i) for group in self.groups for i in range(group.size)]
