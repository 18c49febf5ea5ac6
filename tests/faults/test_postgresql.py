"""PostgreSQL down while a run is at work: no point is lost, and the lab goes on by itself once it is up."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kdlab.runs import artifacts
from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.store import Store, StoreError
from tests.faults.lab import SPEC, at_work, ends_whole, wait, wait_for
from tests.postgresql import PostgreSQL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")


@pytest.fixture
def store(own_postgresql: PostgreSQL, lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("KDLAB_DATABASE_URL", own_postgresql.new_database())
    return Store()


def test_a_server_down_in_the_middle_of_a_run_loses_no_point(
    store: Store, start: Callable[..., Dispatcher], own_postgresql: PostgreSQL
) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    own_postgresql.stop()
    with pytest.raises(StoreError, match="See that the database that KDLAB_DATABASE_URL names is up"):
        store.get(run_id)
    time.sleep(4.0)  # longer than a silent worker is given
    own_postgresql.start()
    ends_whole(store, run_id)


def test_a_server_down_at_the_end_of_a_run_costs_nothing(
    store: Store, start: Callable[..., Dispatcher], own_postgresql: PostgreSQL
) -> None:
    start()
    run_id = store.enqueue(SPEC, "ann")
    wait(store, run_id, at_work)
    own_postgresql.stop()
    wait_for(lambda: (artifacts.folder(run_id) / "ending.json").exists(), "the ending beside the students")
    own_postgresql.start()
    ends_whole(store, run_id)
