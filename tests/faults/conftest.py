from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.store import Store
from tests.faults.lab import ForkedWorkers


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's caches, so that what networks cost is measured once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab_home(tmp_path: Path, measured: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    (tmp_path / "cache").symlink_to(measured)
    return tmp_path


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store()


@pytest.fixture
def workers(lab_home: Path) -> Iterator[ForkedWorkers]:
    workers = ForkedWorkers()
    yield workers
    workers.end()


@pytest.fixture
def start(store: Store, workers: ForkedWorkers) -> Iterator[Callable[..., Dispatcher]]:
    """Starts a dispatcher on the lab's home; ended with the test."""
    running: list[Dispatcher] = []

    def begin(backend: ForkedWorkers = workers, lost_after: float = 2.0) -> Dispatcher:
        running.append(Dispatcher(Store(), backend, lost_after=lost_after))
        running[-1].start()
        return running[-1]

    yield begin
    for dispatcher in running:
        dispatcher.stop()
