"""Real workers on real digits: they train, obey, die and are noticed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from safetensors.torch import load_file

from kdlab.distill.cohort import fresh_student
from kdlab.runs import artifacts
from kdlab.runs.backends import Ended, LocalBackend, slots
from kdlab.runs.claims import Claim
from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.hearts import Watch
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run, Store, StoreError

T = TypeVar("T")
SHORT = three_arms(dataset="digits", teacher="digits", labels=50, transfer=0, epochs=3, seeds=2)
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


def wait_for(look: Callable[[], T]) -> T:
    """What a look finds, once it finds something."""
    for _ in range(1200):
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail("it did not come")


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
    points = store.points(run_id, kinds=("point",))
    store.command(run_id, "ann", "step")
    stepped = wait(store, run_id, lambda r: r.step == paused.step + 1)
    assert stepped.state == "paused"
    assert len(store.points(run_id, kinds=("point",))) == len(points) + 1
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
    (worker,) = [worker for worker in backend._busy.values() if worker.run_id == run_id]
    os.kill(worker.process.pid, signal.SIGKILL)
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


def test_launches_in_a_row_are_trained_in_their_order(store: Store, dispatcher: Dispatcher) -> None:
    shortest = SHORT.model_copy(update={"epochs": 1, "seeds": 1})
    specs = [shortest.model_copy(update={"labels": 50 + n}) for n in range(4)]
    ids = [store.enqueue(spec, f"visitor {n}") for n, spec in enumerate(specs)]
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
    run_id = store.enqueue(SHORT.model_copy(update={"seeds": -1}), "ann")
    (row,) = wait_for(lambda: [row for row in store.unreadable(run_id) if not row.active])
    assert row.state == "failed"
    assert "seeds must be at least 1" in json.loads(row.raw)["message"]


class Idle:
    """A backend that trains nothing, and does at each poll what a test wants of it."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.polls = 0
        self.ended: list[Ended] = []
        self.fault: Exception | None = None

    def submit(self, run_id: str) -> str:
        self.submitted.append(run_id)
        return f"token of {run_id}"

    def cancel(self, run_id: str) -> None: ...

    def poll(self) -> Iterator[Ended]:
        self.polls += 1
        while self.ended:
            yield self.ended.pop()
        if self.fault is not None:
            raise self.fault

    def close(self) -> None: ...


@pytest.fixture
def idle(store: Store) -> Iterator[tuple[Dispatcher, Idle]]:
    backend = Idle()
    dispatcher = Dispatcher(store, backend)
    dispatcher.start()
    yield dispatcher, backend
    dispatcher.stop()


def test_the_queue_outlives_any_fault_and_says_it_once(
    store: Store, idle: tuple[Dispatcher, Idle], caplog: pytest.LogCaptureFixture
) -> None:
    _, backend = idle
    backend.fault = OSError(24, "Too many open files")
    first = backend.polls
    wait_for(lambda: backend.polls > first + 5)
    run_id = store.enqueue(SHORT, "ann")
    backend.fault = None
    wait_for(lambda: backend.submitted == [run_id])
    said = [record for record in caplog.records if "Too many open files" in record.message]
    assert len(said) == 1
    # A run is submitted in the middle of a look at the queue; that it works again is said at the look's end.
    wait_for(lambda: any("works again" in record.message for record in caplog.records))


@pytest.mark.parametrize("stored", ["[]", '{"cut', "7", '{"seeds": "many"}'])
def test_a_queued_row_that_is_no_run_fails_and_the_next_is_trained(
    lab_home: Path, store: Store, idle: tuple[Dispatcher, Idle], stored: str
) -> None:
    _, backend = idle
    spoilt = uuid.uuid4().hex
    with sqlite3.connect(lab_home / "lab.sqlite") as raw:
        raw.execute(
            "INSERT INTO runs (id, owner, state, spec, created, step, steps, message, command, steering) "
            "VALUES (?, 'ann', 'queued', ?, 1, 0, 0, '', '', '{}')",
            (spoilt, stored),
        )
    run_id = store.enqueue(SHORT, "ann")
    wait_for(lambda: run_id in backend.submitted)
    (row,) = wait_for(lambda: [row for row in store.unreadable() if not row.active])
    assert (row.id, row.state) == (spoilt, "failed")
    assert "cannot be trained" in json.loads(row.raw)["message"]


def test_a_worker_that_ends_while_the_store_fails_is_accounted_for_later(
    store: Store, idle: tuple[Dispatcher, Idle], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, backend = idle
    run_id = store.enqueue(SHORT, "ann")
    wait_for(lambda: backend.submitted == [run_id])
    get, refused = store.get, []

    def locked(run_id: str) -> Run | None:
        if len(refused) < 3:
            refused.append(run_id)
            raise StoreError("the store is locked")
        return get(run_id)

    monkeypatch.setattr(store, "get", locked)
    backend.ended.append(Ended(run_id, f"token of {run_id}", "out of memory"))
    wait_for(lambda: len(refused) == 3)
    run = wait_for(lambda: next((run for run in store.list_runs() if not run.active), None))
    assert run.state == "failed"
    assert "out of memory" in run.message


def test_a_store_that_cannot_be_opened_yet_is_opened_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("KDLAB_HOME", str(home))
    backend = Idle()
    dispatcher = Dispatcher(backend=backend)
    dispatcher.start()
    try:
        wait_for(lambda: backend.polls > 3)
        home.unlink()
        run_id = Store().enqueue(SHORT, "ann")
        wait_for(lambda: backend.submitted == [run_id])
    finally:
        dispatcher.stop()


@pytest.mark.parametrize(("told", "count"), [("two", 1), ("0", 1), ("-3", 1), ("²", 1), ("", 1), ("3", 3)])
def test_a_number_of_slots_that_is_none_is_said_and_one_run_trains(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, told: str, count: int
) -> None:
    monkeypatch.setenv("KDLAB_SLOTS", told)
    assert slots() == count
    assert ("one run trains at a time" in caplog.text) == (told != "3")


def paused(store: Store, owner: str) -> Claim:
    """A paused run whose process still waits."""
    claim = store.begin(SHORT, owner)
    store.command(claim.run_id, owner, "pause")
    assert claim.acknowledge("pause", "paused")
    return claim


def states(store: Store) -> dict[str, str]:
    return {run.id: run.state for run in store.list_runs()}


def test_paused_runs_hold_up_no_other(store: Store, idle: tuple[Dispatcher, Idle]) -> None:
    _, backend = idle
    for n in range(5):
        paused(store, f"visitor {n}")
    run_id = store.enqueue(SHORT, "ann")
    wait_for(lambda: backend.submitted == [run_id])


def test_paused_runs_that_all_resume_take_the_slot_one_after_another(
    store: Store, idle: tuple[Dispatcher, Idle]
) -> None:
    _, backend = idle
    claims = [paused(store, f"visitor {n}") for n in range(3)]
    for n, claim in enumerate(claims):
        store.command(claim.run_id, f"visitor {n}", "resume")
    for ended in range(3):
        wait_for(lambda: "running" in states(store).values())
        polls = backend.polls
        wait_for(lambda polls=polls: backend.polls > polls + 3)
        found = list(states(store).values())
        assert (found.count("running"), found.count("queued")) == (1, 2 - ended)
        (at_work,) = [claim for claim in claims if states(store)[claim.run_id] == "running"]
        at_work.finish("cancelled")
    assert backend.submitted == []  # each went on in the process that it had


def test_a_paused_run_without_a_process_goes_on_in_a_new_one(store: Store, idle: tuple[Dispatcher, Idle]) -> None:
    _, backend = idle
    claim = paused(store, "ann")
    assert claim.release()
    store.command(claim.run_id, "ann", "resume")
    wait_for(lambda: backend.submitted == [claim.run_id])


def test_of_many_paused_runs_a_few_keep_their_process(store: Store, idle: tuple[Dispatcher, Idle]) -> None:
    claims = [paused(store, f"visitor {n}") for n in range(6)]
    wait_for(lambda: sum(claim.control().command == "leave" for claim in claims) == 2)


def test_a_worker_that_another_was_faster_than_ends_no_run(store: Store, idle: tuple[Dispatcher, Idle]) -> None:
    """Two servers on one home, or one started again a moment after a launch."""
    _, backend = idle
    run_id = store.enqueue(SHORT, "ann")
    wait_for(lambda: backend.submitted == [run_id])
    assert store.claim(run_id, "of another server") is not None
    backend.ended.append(Ended(run_id, f"token of {run_id}", ""))
    polls = backend.polls
    wait_for(lambda: backend.polls > polls + 3)
    assert states(store) == {run_id: "running"}


def test_a_dispatcher_that_was_away_watches_anew() -> None:
    run = replace(recorded_run()[0], state="running", heartbeat=1.0)
    watch = Watch(8.0)
    assert [bool(watch.silent([run], now)) for now in (0, 2, 4, 6, 8)] == [False] * 5
    assert watch.silent([run], 9) == [run]
    watch = Watch(8.0)
    assert [bool(watch.silent([run], now)) for now in (0, 2, 60, 62, 64)] == [False] * 5
    assert watch.silent([replace(run, heartbeat=0.5)], 66) == []  # its clock was set back: it beats


def test_a_paused_run_whose_process_is_killed_goes_on_from_its_checkpoint(
    store: Store, dispatcher: Dispatcher
) -> None:
    run_id = store.enqueue(LONG.model_copy(update={"epochs": 120, "seeds": 1}), "ann")
    wait(store, run_id, at_work)
    store.command(run_id, "ann", "pause")
    step = wait(store, run_id, lambda r: r.state == "paused").step
    backend = dispatcher._backend
    assert isinstance(backend, LocalBackend)
    (worker,) = [worker for worker in backend._busy.values() if worker.run_id == run_id]
    os.kill(worker.process.pid, signal.SIGKILL)
    wait(store, run_id, lambda r: r.state == "paused" and r.claim is None)
    points = store.points(run_id)
    store.command(run_id, "ann", "resume")
    run = wait(store, run_id, lambda r: not r.active)
    assert run.state == "done", run.message
    assert run.steps > step
    assert store.points(run_id)[: len(points)] == points
