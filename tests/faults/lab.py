"""A lab to be broken: real workers, forked from one process that has torch loaded, and what must hold afterwards."""

from __future__ import annotations

import multiprocessing
import os
import time
import uuid
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import TypeVar

import pytest

from kdlab.runs import artifacts
from kdlab.runs.backends import Ended
from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Run, Store

T = TypeVar("T")
SPEC = three_arms(dataset="digits", labels=200, transfer=0, epochs=200, seeds=1, batch_size=32, device="cpu")
SHORT = SPEC.model_copy(update={"epochs": 2})

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["kdlab.runs.worker"])


def _work(environment: dict[str, str], run_id: str, token: str) -> None:
    os.environ.update(environment)
    from kdlab.runs.worker import serve

    serve(run_id, token)


class ForkedWorkers:
    """A backend whose workers need not load torch first."""

    def __init__(self) -> None:
        self._at_work: dict[str, tuple[str, BaseProcess]] = {}

    def submit(self, run_id: str) -> str:
        token = uuid.uuid4().hex
        ours = {name: value for name, value in os.environ.items() if name.startswith("KDLAB_")}
        process = _forks.Process(target=_work, args=(ours, run_id, token), daemon=True)
        process.start()
        self._at_work[token] = (run_id, process)
        return token

    def pid(self, run_id: str) -> int:
        (pid,) = [p.pid for held, p in self._at_work.values() if held == run_id and p.is_alive()]
        assert pid is not None
        return pid

    def cancel(self, run_id: str) -> None:
        for held, process in self._at_work.values():
            if held == run_id:
                process.kill()

    def poll(self) -> Iterator[Ended]:
        for token, (run_id, process) in list(self._at_work.items()):
            if not process.is_alive():
                del self._at_work[token]
                yield Ended(run_id, token, f"it ended with {process.exitcode}")

    def close(self) -> None:
        """None waits for work; those at work go on."""

    def end(self) -> None:
        for _, process in self._at_work.values():
            process.kill()
            process.join()


def wait_for(look: Callable[[], T], what: str = "it") -> T:
    """What a look finds, once it finds something."""
    for _ in range(2400):
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail(f"{what} did not come")


def wait(store: Store, run_id: str, until: Callable[[Run], bool]) -> Run:
    seen: list[Run] = []

    def look() -> bool:
        run = store.get(run_id)
        assert run is not None
        seen[:] = [run]
        return until(run)

    wait_for(look, f"what is waited for of run {run_id}")
    return seen[0]


def in_state(*states: str) -> Callable[[Run], bool]:
    return lambda run: run.state in states


def at_work(run: Run) -> bool:
    return run.state == "running" and 0 < run.step < run.steps


def ends_whole(store: Store, run_id: str) -> Run:
    """Waits for the run's end: it is done, with each point and all files."""
    run = wait(store, run_id, lambda r: not r.active and r.state != "lost")
    assert (run.state, run.message, run.step) == ("done", "", run.steps)
    assert run.result is not None
    rows = store.points(run_id)
    assert [number for number, *_ in rows] == list(range(len(rows)))
    steps = [said["step"] for _, kind, said in rows if kind == "point"]
    assert steps[0] == 0
    assert steps[-1] == run.steps
    assert len(steps) > 10 or run.steps < 100
    assert artifacts.load_answers(run_id) is not None
    students = artifacts.folder(run_id).glob("*.safetensors")
    assert len([path for path in students if path.stem != "paused"]) == len(run.spec.arms) * run.spec.seeds
    wait_for(lambda: not (artifacts.folder(run_id) / "ending.json").exists())
    return run
