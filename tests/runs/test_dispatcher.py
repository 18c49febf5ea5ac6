"""Real workers on real digits: they train, obey, die and are noticed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from kdlab.distill.cohort import fresh_student
from kdlab.runs import artifacts
from kdlab.runs.backends import LocalBackend
from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run, Store

SHORT = RunSpec(dataset="digits", teacher="digits", labels=50, transfer=0, epochs=3, seeds=2)
LONG = SHORT.model_copy(update={"epochs": 400, "labels": 500, "seeds": 5})


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store()


@pytest.fixture
def dispatcher(store: Store) -> Iterator[Dispatcher]:
    running = Dispatcher(store)
    running.start()
    yield running
    for run in store.list_runs(states=("queued", "running", "paused")):
        store.command(run.id, run.owner, "cancel")
        wait(store, run.id, lambda r: not r.active)
    running.stop()


def wait(store: Store, run_id: str, until: Callable[[Run], bool]) -> Run:
    for _ in range(1200):
        run = store.get(run_id)
        assert run is not None
        if until(run):
            return run
        time.sleep(0.05)
    pytest.fail(f"the run stayed {run.state} at step {run.step}: {run.message}")


def at_work(run: Run) -> bool:
    return run.state == "running" and run.step > 0


def test_a_launched_run_trains_and_leaves_its_result_and_students(
    store: Store, dispatcher: Dispatcher
) -> None:
    run_id = store.enqueue(SHORT, "ann")
    run = wait(store, run_id, lambda r: not r.active)
    assert run.state == "done", run.message
    assert run.result is not None
    assert [len(arm["accuracy"]) for arm in run.result["arms"]] == [2, 2, 2]
    assert run.result["profiles"]["student"]["parameters"] < run.result["profiles"]["teacher"]["parameters"]
    answers = artifacts.load_answers(run_id)
    assert answers is not None
    assert answers.shape == (3, 2, 797)
    student = fresh_student(SHORT.student, "digits", 0)
    student.load_state_dict(load_file(artifacts.student_path(run_id, "soft_targets", 0)))


def test_a_run_is_paused_stepped_steered_resumed_and_stopped(store: Store, dispatcher: Dispatcher) -> None:
    run_id = store.enqueue(LONG, "ann")
    wait(store, run_id, at_work)
    store.command(run_id, "ann", "pause")
    paused = wait(store, run_id, lambda r: r.state == "paused")
    time.sleep(0.3)
    points = store.points(run_id)
    store.command(run_id, "ann", "step")
    stepped = wait(store, run_id, lambda r: r.step == paused.step + 1)
    assert stepped.state == "paused"
    assert len(store.points(run_id)) == len(points) + 1
    store.steer(run_id, "ann", {"temperature": 8.0, "kd_weight": 0.3})
    store.command(run_id, "ann", "resume")
    wait(store, run_id, lambda r: r.state == "running" and r.step > stepped.step + 1)
    store.command(run_id, "ann", "cancel")
    assert wait(store, run_id, lambda r: not r.active).state == "cancelled"
    marks = [payload for _, kind, payload in store.points(run_id) if kind == "mark"]
    assert [(mark["temperature"], mark["kd_weight"]) for mark in marks] == [(8.0, 0.3)]


def test_a_killed_worker_makes_a_lost_run_that_keeps_its_points(store: Store, dispatcher: Dispatcher) -> None:
    run_id = store.enqueue(LONG, "ann")
    wait(store, run_id, at_work)
    backend = dispatcher._backend
    assert isinstance(backend, LocalBackend)
    os.kill(backend._busy[run_id].process.pid, signal.SIGKILL)
    run = wait(store, run_id, lambda r: not r.active)
    assert run.state == "lost"
    assert "run it again" in run.message
    assert len(store.points(run_id)) > 0


def test_a_run_outlives_the_dispatcher_that_started_it(store: Store) -> None:
    first = Dispatcher(store)
    first.start()
    run_id = store.enqueue(LONG, "ann")
    step = wait(store, run_id, at_work).step
    first.stop()
    second = Dispatcher(Store())
    second.start()
    try:
        wait(store, run_id, lambda r: r.step > step)
        store.command(run_id, "ann", "cancel")
        assert wait(store, run_id, lambda r: not r.active).state == "cancelled"
    finally:
        second.stop()


def test_ten_launches_in_a_row_are_trained_in_their_order(store: Store, dispatcher: Dispatcher) -> None:
    shortest = SHORT.model_copy(update={"epochs": 1, "seeds": 1})
    specs = [shortest.model_copy(update={"labels": 50 + n}) for n in range(10)]
    ids = [store.enqueue(spec, "ann") for spec in specs]
    runs = [wait(store, run_id, lambda r: not r.active) for run_id in ids]
    assert {run.state for run in runs} == {"done"}
    started = [run.started or 0.0 for run in runs]
    assert started == sorted(started)


def test_a_run_on_a_missing_device_fails_with_a_plain_message(store: Store, dispatcher: Dispatcher) -> None:
    run_id = store.enqueue(SHORT.model_copy(update={"device": "mps"}), "ann")
    run = wait(store, run_id, lambda r: not r.active)
    if run.state == "done":
        pytest.skip("this machine has the device")
    assert run.state == "failed"
    assert "Choose auto or cpu" in run.message


def test_a_spec_that_the_store_spoilt_fails_in_words(store: Store, dispatcher: Dispatcher) -> None:
    run_id = store.enqueue(SHORT.model_copy(update={"temperature": -1.0}), "ann")
    run = wait(store, run_id, lambda r: not r.active)
    assert run.state == "failed"
    assert "temperature must be at least 0.5" in run.message
