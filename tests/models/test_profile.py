"""Costs of a network against sums done by hand."""

from __future__ import annotations

import math

import pytest
import torch

from kdlab.data.registry import get_dataset
from kdlab.models.networks import build_student
from kdlab.models.profile import Profile, profile


def measured(student: str, dataset_name: str) -> Profile:
    x = torch.tensor(get_dataset(dataset_name).load().x_test[:1])
    return profile(build_student(student, dataset_name), x)


def test_mlp_costs_what_a_sum_by_hand_gives() -> None:
    cost = measured("mlp-64", "fashion")
    assert cost.parameters == 784 * 64 + 64 + 64 * 10 + 10
    assert cost.flops == 2 * (784 * 64 + 64 * 10)
    assert cost.memory_mib == pytest.approx(cost.parameters * 4 / 2**20)
    # Of a batch of 256 the hidden layer is there before and after ReLU at one time.
    assert cost.run_memory_mib == pytest.approx(cost.memory_mib + 2 * 256 * 64 * 4 / 2**20)
    assert cost.parameters * 4 < cost.disk_bytes < cost.parameters * 4 + 1000


def test_cnn_costs_what_a_sum_by_hand_gives() -> None:
    cost = measured("cnn-small", "fashion")
    assert cost.parameters == (8 * 9 + 8) + (16 * 8 * 9 + 16) + (16 * 7 * 7 * 10 + 10)
    assert cost.flops == 2 * (14 * 14 * 8 * 9 + 7 * 7 * 16 * 8 * 9 + 16 * 7 * 7 * 10)


def test_ngram_student_costs_a_multiply_add_for_each_bucket_and_class() -> None:
    cost = measured("ngram-linear", "languages")
    assert cost.parameters == 4096 * 16 + 16
    assert cost.flops == 2 * 4096 * 16


def test_times_are_measured_and_the_mode_is_left_as_it_was() -> None:
    module = build_student("linear", "digits").train()
    cost = profile(module, torch.zeros(1, 8, 8))
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    for value in (cost.latency_ms, cost.throughput):
        assert math.isfinite(value)
        assert value > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_card_counts_the_same_work_as_the_processor() -> None:
    x = torch.tensor(get_dataset("fashion").load().x_test[:1])
    module = build_student("mlp-64", "fashion")
    here, there = profile(module, x), profile(module, x, "cuda")
    for same in ("parameters", "flops", "memory_mib", "disk_bytes", "run_memory_mib"):
        assert getattr(here, same) == getattr(there, same)
    assert next(module.parameters()).is_cuda
