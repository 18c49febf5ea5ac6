"""The store: one worker a run, a fair queue, owners' rights, and faults that lose nothing."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from kdlab.runs.home import HomeError, home
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import NotYoursError, Store, StoreError

SPEC = RunSpec(dataset="digits", teacher="digits", labels=50, transfer=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'lab.sqlite'}")


def test_a_run_comes_back_as_it_was_written(store: Store) -> None:
    run = store.get(store.enqueue(SPEC, "ann"))
    assert run is not None
    assert (run.spec, run.owner, run.state, run.steps) == (SPEC, "ann", "queued", SPEC.total_steps)


def test_of_many_workers_one_claims_a_run(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    claims: list[bool] = []
    threads = [threading.Thread(target=lambda: claims.append(store.claim(run_id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]


def test_a_second_launch_waits_for_every_others_first(store: Store) -> None:
    first = [store.enqueue(SPEC, "ann") for _ in range(3)]
    second = [store.enqueue(SPEC, "bob") for _ in range(2)]
    assert store.queue() == [first[0], second[0], first[1], second[1], first[2]]
    store.claim(first[0])
    assert store.queue() == [second[0], first[1], second[1], first[2]]


def test_points_come_in_order_and_only_the_new_ones(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    store.add_points(run_id, [(0, "point", {"a": 1}), (1, "mark", {"b": 2})], step=5)
    store.add_points(run_id, [(2, "point", {"a": 3})], step=9)
    assert [number for number, *_ in store.points(run_id)] == [0, 1, 2]
    assert store.points(run_id, after=1) == [(2, "point", {"a": 3})]
    run = store.get(run_id)
    assert run is not None
    assert run.step == 9


def test_nobody_stops_steers_or_deletes_anothers_run(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    for forbidden in (
        lambda: store.command(run_id, "bob", "cancel"),
        lambda: store.steer(run_id, "bob", {"temperature": 2.0}),
        lambda: store.delete(run_id, "bob"),
    ):
        with pytest.raises(NotYoursError):
            forbidden()
    run = store.get(run_id)
    assert run is not None
    assert (run.state, run.command, run.steering) == ("queued", "", {})


def test_a_queued_run_is_cancelled_at_once_and_no_worker_gets_it(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    store.command(run_id, "ann", "cancel")
    assert not store.claim(run_id)
    assert store.get(run_id).state == "cancelled"  # type: ignore[union-attr]


def test_a_newer_command_survives_the_acknowledgement_of_an_older(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    store.claim(run_id)
    store.command(run_id, "ann", "pause")
    store.command(run_id, "ann", "cancel")
    store.acknowledge(run_id, "pause", "paused")
    assert store.control(run_id)[0] == "cancel"


def test_a_run_whose_heart_stopped_is_lost_and_keeps_its_points(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, beating = store.enqueue(SPEC, "ann"), store.enqueue(SPEC, "ann")
    for run_id in (silent, beating):
        store.claim(run_id)
    store.add_points(silent, [(0, "point", {})], step=1)
    later = time.time() + 9
    monkeypatch.setattr(time, "time", lambda: later)
    store.beat(beating)
    assert store.sweep_lost() == [silent]
    run = store.get(silent)
    assert run is not None
    assert run.state == "lost"
    assert "run it again" in run.message
    assert len(store.points(silent)) == 1


def test_an_ended_run_cannot_end_again(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    assert store.finish(run_id, "done", result={"arms": []})
    assert not store.finish(run_id, "failed", message="too late")
    assert store.get(run_id).state == "done"  # type: ignore[union-attr]


def test_deleting_takes_the_points_too_but_spares_a_run_at_work(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    store.claim(run_id)
    store.add_points(run_id, [(0, "point", {})], step=1)
    store.delete(run_id, "ann")
    assert store.get(run_id) is not None
    store.finish(run_id, "cancelled")
    store.delete(run_id, "ann")
    assert store.get(run_id) is None
    assert store.points(run_id) == []


def test_an_older_store_is_put_aside_whole_and_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "lab.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE runs (id TEXT)")
        old.execute("INSERT INTO runs VALUES ('dear')")
    store = Store(f"sqlite:///{path}")
    assert store.list_runs() == []
    assert store.set_aside is not None
    with sqlite3.connect(store.set_aside) as old:
        assert old.execute("SELECT id FROM runs").fetchall() == [("dear",)]


def test_a_newer_store_is_left_alone_with_a_message(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lab.sqlite'}"
    Store(url)
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("UPDATE meta SET value = '99'"))
    with pytest.raises(StoreError, match="written by a newer KD Lab"):
        Store(url)


def test_a_file_that_is_no_store_is_a_message(tmp_path: Path) -> None:
    path = tmp_path / "lab.sqlite"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(StoreError, match="could not be used"):
        Store(f"sqlite:///{path}")


def test_a_full_disk_is_a_message_and_what_was_saved_stays(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    store.add_points(run_id, [(0, "point", {})], step=1)
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    # SQLite's own way of being full: no connection may add a page from here on.
    sa.event.listen(store._engine, "connect", lambda c, _: c.execute(f"PRAGMA max_page_count={pages}"))
    store._engine.dispose()
    with pytest.raises(StoreError, match="disk is full"):
        store.add_points(run_id, [(n, "point", {"long": "x" * 4000}) for n in range(1, 50)], step=2)
    assert [number for number, *_ in store.points(run_id)] == [0]


def test_a_home_folder_that_cannot_be_written_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(HomeError, match="KDLAB_HOME"):
        home()
