"""Whatever befalls a lab at work: no point is lost, the state is true, and it goes on without a hand."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdlab.runs import artifacts
from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.store import Store, StoreError
from tests.faults.lab import SHORT, SPEC, ForkedWorkers, at_work, ends_whole, in_state, wait, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
Start = Callable[..., Dispatcher]


def test_a_killed_worker_leaves_a_lost_run_with_its_points_and_the_next_is_trained(
    store: Store, workers: ForkedWorkers, start: Start
) -> None:
    start()
    run_id, after = store.enqueue(SPEC, "ann"), store.enqueue(SHORT, "bob")
    wait(store, run_id, at_work)
    os.kill(workers.pid(run_id), signal.SIGKILL)
    run = wait(store, run_id, in_state("lost"))
    assert "run it again" in run.message
    numbers = [number for number, *_ in store.points(run_id)]
    assert numbers == list(range(len(numbers))) != []
    ends_whole(store, after)


def test_a_worker_held_for_long_and_let_go_ends_its_run(store: Store, workers: ForkedWorkers, start: Start) -> None:
    """As a laptop that slept, for its dispatcher alone was awake."""
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    pid = workers.pid(run_id)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait(store, run_id, in_state("lost"))
    finally:
        os.kill(pid, signal.SIGCONT)
    wait(store, run_id, in_state("running", "done"))
    ends_whole(store, run_id)


def test_a_lid_closed_over_the_whole_lab_loses_nothing(
    store: Store, workers: ForkedWorkers, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    pid, tick = workers.pid(run_id), dispatcher.tick
    os.kill(pid, signal.SIGSTOP)
    slept: list[float] = []

    def asleep() -> None:
        slept.append(0) if slept else (time.sleep(6), slept.append(6))
        tick()

    try:
        monkeypatch.setattr(dispatcher, "tick", asleep)
        wait_for(lambda: len(slept) > 5)  # it is awake first, and has looked
        assert wait(store, run_id, lambda r: True).state == "running"
    finally:
        os.kill(pid, signal.SIGCONT)
    ends_whole(store, run_id)


def test_a_store_locked_for_long_loses_no_run(lab_home: Path, store: Store, start: Start) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    states = set()
    with sqlite3.connect(lab_home / "lab.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(60):
            states.add(store.get(run_id).state)  # type: ignore[union-attr]
            time.sleep(0.1)
        other.execute("ROLLBACK")
    assert states == {"running"}
    ends_whole(store, run_id)


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_loses_no_run(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    ends_whole(store, run_id)


def test_two_dispatchers_on_one_home_train_each_run_once(
    store: Store, workers: ForkedWorkers, start: Start
) -> None:
    others = ForkedWorkers()
    try:
        ids = [store.enqueue(SHORT, f"visitor {n}") for n in range(4)]
        start(workers)
        start(others)
        for run_id in ids:
            ends_whole(store, run_id)
    finally:
        others.end()


def test_a_store_taken_away_and_put_back_loses_nothing(lab_home: Path, store: Store, start: Start) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    away = take_away(lab_home)
    with pytest.raises(StoreError, match="deleted or moved away"):
        store.get(run_id)
    wait_for(lambda: (artifacts.folder(run_id) / "ending.json").exists(), "the ending beside the students")
    put_back(away)
    ends_whole(store, run_id)


def test_a_worker_killed_while_its_result_waits_loses_nothing(
    lab_home: Path, store: Store, workers: ForkedWorkers, start: Start
) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    pid, away = workers.pid(run_id), take_away(lab_home)
    wait_for(lambda: (artifacts.folder(run_id) / "ending.json").exists(), "the ending beside the students")
    os.kill(pid, signal.SIGKILL)
    put_back(away)
    ends_whole(store, run_id)


def test_a_result_that_waits_is_taken_up_by_the_next_server(
    lab_home: Path, store: Store, workers: ForkedWorkers, start: Start
) -> None:
    """Worker and server are gone, and the run was taken for lost."""
    first = start()
    run_id = store.enqueue(SPEC, "ann")
    run = wait(store, run_id, at_work)
    away = take_away(lab_home)
    wait_for(lambda: (artifacts.folder(run_id) / "ending.json").exists(), "the ending beside the students")
    first.stop()
    workers.end()
    put_back(away)
    store.claim_of(run).give_up()
    assert store.get(run_id).state == "lost"  # type: ignore[union-attr]
    start(ForkedWorkers())
    ends_whole(store, run_id)


def take_away(home: Path) -> Path:
    away = home / "away"
    away.mkdir()
    for name in ("lab.sqlite", "lab.sqlite-wal", "lab.sqlite-shm"):
        with_it = home / name
        if with_it.exists():
            with_it.rename(away / name)
    return away


def put_back(away: Path) -> None:
    """The main file last: a connection that opens it finds the others."""
    for name in ("lab.sqlite-wal", "lab.sqlite"):
        if (away / name).exists():
            (away / name).rename(away.parent / name)


@pytest.fixture
def small_disk(lab_home: Path) -> Iterator[Path]:
    """The lab's home on a disk of its own."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(lab_home)], capture_output=True, check=False
    ) if shutil.which("mount") else None
    if mounted is None or mounted.returncode:
        pytest.skip("a disk cannot be mounted here")
    yield lab_home
    subprocess.run(["umount", "-l", str(lab_home)], check=True)


def test_a_full_disk_at_the_end_of_a_run_costs_nothing(
    small_disk: Path, store: Store, workers: ForkedWorkers, start: Start
) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    pid = workers.pid(run_id)
    wait_for(lambda: rests(pid), "the end of the training")
    assert store.get(run_id).state == "running"  # type: ignore[union-attr]
    filler.unlink()
    ends_whole(store, run_id)


def rests(pid: int) -> bool:
    """Whether the process computes next to nothing for three seconds, or is gone."""

    def ticks() -> int:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except FileNotFoundError:
            return 0
        return int(fields[11]) + int(fields[12])  # hundredths of a second, of its own and of the system's for it

    before = ticks()
    time.sleep(3)
    return ticks() - before < 15


def test_a_server_killed_a_moment_after_a_launch_loses_nothing(lab_home: Path, store: Store) -> None:
    servers = [server(lab_home)]
    try:
        run_id = store.enqueue(SPEC.model_copy(update={"epochs": 100}), "ann")
        wait_for(lambda: children(servers[0].pid), "its worker")
        servers[0].kill()  # its worker is still loading torch
        servers.append(server(lab_home))
        run = ends_whole(store, run_id)
        assert run.result is not None
    finally:
        for each in servers:
            each.kill()
            each.wait()


def server(home: Path) -> subprocess.Popen[bytes]:
    """What of a server trains: its dispatcher with the workers that it starts."""
    code = "import time; from kdlab.runs.dispatcher import Dispatcher; Dispatcher().start(); time.sleep(300)"
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "KDLAB_HOME": str(home)})


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    threads = Path(f"/proc/{pid}/task").glob("*/children") if listed.exists() else []
    return [int(child) for path in threads for child in path.read_text(encoding="utf-8").split()]
