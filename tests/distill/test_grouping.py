"""How a cohort is grouped: measured once, within memory, and stacked only where a shape stacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kdlab.distill import cohort, device, grouping
from kdlab.distill.grouping import Grouping, Work
from kdlab.models import catalogue
from kdlab.runs import build
from kdlab.runs.recipes import three_arms

CPU = torch.device("cpu")


def grouped(cache: Path, count: int = 6) -> Grouping:
    return grouping.grouping(grouping.classifying("mlp-16", "digits", 64, CPU), count, CPU, cache)


def test_a_shape_that_does_not_stack_is_never_tried_stacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("stacked")

    monkeypatch.setattr(cohort, "stack_module_state", refuse)
    with pytest.raises(AssertionError, match="stacked"):
        grouped(tmp_path)
    alone = replace(catalogue.STUDENTS["mlp-16"], stacks=False)
    monkeypatch.setitem(catalogue.STUDENTS, "mlp-16", alone)
    assert grouped(tmp_path).size == 1


def test_the_fastest_group_and_threads_are_chosen_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five stacked students on two threads win here, whatever this machine would say."""
    tried = []

    def seconds(work: Work, size: int, *_: object) -> float:
        tried.append((size, torch.get_num_threads()))
        return 0.01 if tried[-1] == (5, 2) else 0.1 * size

    before = torch.get_num_threads()
    monkeypatch.setattr(grouping, "AVAILABLE_THREADS", 3)
    monkeypatch.setattr(grouping, "_seconds_a_step", seconds)
    found = grouped(tmp_path)
    assert (found.size, found.threads) == (5, 2)
    assert sorted(tried) == [(size, threads) for size in (1, 5, 6) for threads in (1, 2, 3)]
    assert torch.get_num_threads() == before
    assert grouped(tmp_path) == found
    assert len(tried) == 9


def test_a_cohort_that_does_not_fit_memory_is_cut_into_even_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "_seconds_a_step", lambda *_: 0.01)  # more at once is always faster
    whole = grouped(tmp_path)
    assert whole.size == 6
    assert whole.step_bytes >= 2 * 64 * 8 * 8 * 4  # 64 digits of 8 × 8 float32, at the least
    for fit, size in ((5, 3), (4, 3), (2, 2), (0, 1)):
        free = int((fit + 0.5) * whole.step_bytes / grouping._SHARE_OF_MEMORY)
        monkeypatch.setattr(grouping, "free_memory", lambda _, free=free: free)
        assert grouped(tmp_path).size == size
    assert grouped(tmp_path / "measured short of memory").size == 1


def test_this_machine_tells_how_much_memory_is_free() -> None:
    free = device.free_memory(CPU)
    assert free is None or free > 2**20


def test_a_run_works_with_the_groups_and_threads_that_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    with device.threads(3):
        monkeypatch.setattr(build, "grouping", lambda *_: Grouping(2, threads=1))
        spec = three_arms(dataset="digits", teacher="digits", labels=10, transfer=0, epochs=1, seeds=1, device="cpu")
        trainer = build.make_trainer(spec)
        assert torch.get_num_threads() == 1
    assert [group.size for group in trainer.cohort.groups] == [2, 1]
