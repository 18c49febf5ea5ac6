"""The store: one worker a run, a fair queue, owners' rights, and faults that lose nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import sqlalchemy as sa
import torch

from kdlab.data.home import HomeError, home
from kdlab.runs import artifacts
from kdlab.runs.claims import ClaimLostError
from kdlab.runs.curves import curves
from kdlab.runs.listing import ALL, PAGE, Which, ids_of_page, number_of
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.schema import runs_table
from kdlab.runs.store import ACTIVE_AT_MOST, NotYoursError, Store, StoreError, TooManyRunsError

SPEC = three_arms(dataset="digits", teacher="digits", labels=50, transfer=0)
SPECS = [SPEC.model_copy(update={"epochs": epochs}) for epochs in (1, 2, 3)]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path / 'lab.sqlite'}"
    return request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def store(url: str) -> Store:
    return Store(url)


on_sqlite = pytest.mark.parametrize("url", ["SQLite"], indirect=True)


def test_a_run_comes_back_as_it_was_written(store: Store) -> None:
    run = store.get(store.enqueue(SPEC, "ann"))
    assert run is not None
    assert (run.spec, run.owner, run.state, run.steps) == (SPEC, "ann", "queued", SPEC.total_steps)


def test_of_many_workers_one_claims_a_run(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    claims: list[bool] = []
    threads = [threading.Thread(target=lambda: claims.append(store.claim(run_id) is not None)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]


def test_of_eight_workers_with_a_store_each_one_claims_each_run(url: str) -> None:
    runs = [Store(url).enqueue(SPEC, f"visitor {n}") for n in range(12)]
    claims: list[str] = []
    together = threading.Barrier(8)

    def work() -> None:
        store = Store(url)
        for run_id in runs:
            together.wait()
            claims.extend([run_id] if store.claim(run_id) else [])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == sorted(runs)


def test_a_second_launch_waits_for_every_others_first(store: Store) -> None:
    first = [store.enqueue(spec, "ann") for spec in SPECS]
    second = [store.enqueue(spec, "bob") for spec in SPECS[:2]]
    assert store.queue() == [first[0], second[0], first[1], second[1], first[2]]
    store.claim(first[0])
    assert store.queue() == [second[0], first[1], second[1], first[2]]


def test_points_come_in_order_and_only_the_new_ones(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    run_id = claim.run_id
    claim.add_points([(0, "point", {"a": 1}), (1, "mark", {"b": 2})], step=5)
    claim.add_points([(2, "point", {"a": 3})], step=9)
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
    claim = store.begin(SPEC, "ann")
    store.command(claim.run_id, "ann", "pause")
    store.command(claim.run_id, "ann", "cancel")
    assert not claim.acknowledge("pause", "paused")
    assert claim.control()[:2] == ("running", "cancel")


def test_a_run_that_was_taken_for_lost_is_at_work_again_with_the_next_beat_of_its_heart(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    claim.add_points([(0, "point", {})], step=1)
    assert claim.give_up()
    run = store.get(claim.run_id)
    assert run is not None
    assert run.state == "lost"
    assert "run it again" in run.message
    claim.beat()
    run = store.get(claim.run_id)
    assert run is not None
    assert (run.state, run.message, run.ended) == ("running", "", None)
    assert len(store.points(claim.run_id)) == 1


def test_a_worker_that_was_taken_for_lost_still_brings_its_points_and_its_result(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    claim.give_up()
    claim.finish("done", result=recorded_run()[0].result, points=[(0, "point", {})], step=7)
    run = store.get(claim.run_id)
    assert run is not None
    assert (run.state, run.message, run.step, len(store.points(run.id))) == ("done", "", 7, 1)


def test_only_a_heart_that_still_stands_where_it_was_seen_is_lost(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    seen = store.get(claim.run_id)
    assert seen is not None
    claim.beat()
    assert not claim.give_up(seen.heartbeat)
    assert store.get(claim.run_id).state == "running"  # type: ignore[union-attr]


def test_points_written_again_are_there_once(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    claim.add_points([(0, "point", {"a": 1}), (1, "point", {"a": 2})], step=5)
    claim.add_points([(1, "point", {"a": 2}), (2, "point", {"a": 3})], step=9)
    assert [number for number, *_ in store.points(claim.run_id)] == [0, 1, 2]


def test_a_visitors_sixth_run_is_refused_with_what_to_do(store: Store) -> None:
    specs = [SPEC.model_copy(update={"epochs": epochs}) for epochs in range(1, 7)]
    ids = [store.enqueue(spec, "ann") for spec in specs[:5]]
    assert store.enqueue(specs[0], "ann") == ids[0]  # pressed twice
    with pytest.raises(TooManyRunsError, match="stop one"):
        store.enqueue(specs[5], "ann")
    store.enqueue(specs[5], "bob")
    store.command(ids[2], "ann", "cancel")
    assert store.enqueue(specs[5], "ann") not in ids


@pytest.mark.parametrize(
    ("steering", "fault"),
    [
        ({"temperature": -3.0}, "temperature must be at least 0.5"),
        ({"temperature": 21.0, "kd_weight": 0.5}, "temperature must be at most 20"),
        ({"kd_weight": 1.5}, "kd_weight must be at most 1"),
        ({"kd_weight": float("nan")}, "kd_weight"),
        ({"hue": 1.0}, "hue"),
    ],
)
def test_steering_stays_in_the_range_of_a_launch(store: Store, steering: dict[str, float], fault: str) -> None:
    claim = store.begin(SPEC, "ann")
    with pytest.raises(ValueError, match=fault):
        store.steer(claim.run_id, "ann", steering)
    assert claim.control().steering == {}


def test_a_run_is_said_to_be_steered_once_steering_has_acted(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    store.steer(claim.run_id, "ann", {"temperature": 8.0})
    run = store.get(claim.run_id)
    assert run is not None
    assert (run.asked, run.steering) == ({"temperature": 8.0}, {})
    claim.add_points([], step=3, steered={"temperature": 8.0})
    assert store.get(claim.run_id).steering == {"temperature": 8.0}  # type: ignore[union-attr]


def test_a_paused_run_resumes_through_the_queue_and_keeps_its_worker(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    store.command(claim.run_id, "ann", "pause")
    assert claim.acknowledge("pause", "paused")
    store.command(claim.run_id, "ann", "resume")
    assert claim.control().state == "queued"
    assert store.queue() == [claim.run_id]
    assert store.claim(claim.run_id) is None  # another worker does not get it
    assert claim.admit()
    assert claim.control().state == "running"


def test_a_paused_run_that_was_left_is_claimed_by_another_worker(store: Store) -> None:
    first = store.begin(SPEC, "ann")
    store.command(first.run_id, "ann", "pause")
    first.acknowledge("pause", "paused")
    assert first.release()
    with pytest.raises(ClaimLostError):
        first.beat()
    store.command(first.run_id, "ann", "resume")
    second = store.claim(first.run_id)
    assert second is not None
    assert second.control()[:2] == ("running", "")


@pytest.mark.parametrize("stop", ["cancel", "cancel_queued"])
def test_a_paused_run_that_was_left_can_be_stopped_and_its_checkpoint_goes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    claim = store.begin(SPEC, "ann")
    store.command(claim.run_id, "ann", "pause")
    claim.acknowledge("pause", "paused")
    claim.release()
    artifacts.save_checkpoint(claim.run_id, {"done": torch.zeros(2)}, {})
    if stop == "cancel":
        store.command(claim.run_id, "ann", "cancel")
    else:
        store.command(claim.run_id, "ann", "resume")
        assert artifacts.load_checkpoint(claim.run_id) is not None
        assert store.cancel_queued("ann") == 1
    assert store.get(claim.run_id).state == "cancelled"  # type: ignore[union-attr]
    assert artifacts.load_checkpoint(claim.run_id) is None


def test_an_ended_run_cannot_end_again(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    run_id = claim.run_id
    claim.finish("done", result=recorded_run()[0].result)
    assert not store.finish(run_id, "failed", message="too late")
    with pytest.raises(ClaimLostError):
        claim.finish("failed", message="too late")
    assert store.get(run_id).state == "done"  # type: ignore[union-attr]


def ended(store: Store) -> str:
    claim = store.begin(SPEC, "ann")
    claim.add_points([(0, "point", {})], step=1)
    claim.finish("cancelled")
    return claim.run_id


def test_a_run_at_work_cannot_be_deleted(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    assert not store.delete(run_id, "ann")
    store.claim(run_id)
    assert not store.delete(run_id, "ann")
    assert store.get(run_id) is not None


def test_a_deleted_run_is_out_of_sight_and_comes_back_whole(store: Store) -> None:
    run_id = ended(store)
    before = store.get(run_id)
    assert store.delete(run_id, "ann")
    store.sweep_deleted()
    assert store.get(run_id) is None
    assert store.list_runs() == []
    assert not store.undelete(run_id, "bob")
    assert store.undelete(run_id, "ann")
    assert store.get(run_id) == before
    assert len(store.points(run_id)) == 1


def test_a_deletion_that_nobody_undoes_takes_points_and_files_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    store = Store()
    run_id, kept = ended(store), ended(store)
    for each in (run_id, kept):
        artifacts.save_answers(each, [[[1, 2]]])
    store.delete(run_id, "ann")
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    again = Store()
    again.sweep_deleted()
    assert not again.undelete(run_id, "ann")
    assert again.points(run_id) == []
    assert not artifacts.folder(run_id).exists()
    assert again.get(kept) is not None
    assert artifacts.load_answers(kept) is not None


def test_a_sweep_that_is_cut_off_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    store = Store()
    run_id = ended(store)
    artifacts.save_answers(run_id, [[[1, 2]]])
    store.delete(run_id, "ann")
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    with monkeypatch.context() as cut:
        cut.setattr(artifacts, "delete", lambda run_id: sys.exit("the power went"))
        with pytest.raises(SystemExit):
            store.sweep_deleted()
    assert artifacts.folder(run_id).exists()
    store.sweep_deleted()
    assert not artifacts.folder(run_id).exists()
    assert not store.undelete(run_id, "ann")


def test_a_launch_asked_for_twice_is_one_run(store: Store) -> None:
    ids: list[str] = []
    together = threading.Barrier(8)

    def press() -> None:
        together.wait()
        ids.append(store.enqueue(SPEC, "ann"))

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    store.claim(ids[0])
    assert store.enqueue(SPEC, "ann") == ids[0]
    assert store.enqueue(SPEC, "bob") != ids[0]
    assert store.enqueue(SPECS[0], "ann") != ids[0]
    assert len(store.list_runs()) == 3


def test_what_has_ended_or_was_told_to_stop_can_be_launched_again(store: Store) -> None:
    first = store.enqueue(SPEC, "ann")
    store.claim(first)
    store.finish(first, "failed")
    second = store.enqueue(SPEC, "ann")
    store.claim(second)
    store.command(second, "ann", "cancel")
    third = store.enqueue(SPEC, "ann")
    store.command(third, "ann", "cancel")
    assert len({first, second, third, store.enqueue(SPEC, "ann")}) == 4


def test_the_command_line_trains_a_spec_as_often_as_it_is_asked(store: Store) -> None:
    assert store.begin(SPEC, "ann").run_id != store.begin(SPEC, "ann").run_id


def test_all_that_one_visitor_has_queued_is_cancelled_at_once(store: Store) -> None:
    waiting = [store.enqueue(spec, "ann") for spec in SPECS]
    at_work = store.enqueue(SPEC, "ann")
    store.claim(at_work)
    others = store.enqueue(SPEC, "bob")
    assert store.cancel_queued("ann") == 3
    states = {run.id: run.state for run in store.list_runs()}
    assert [states[run_id] for run_id in (*waiting, at_work, others)] == [*3 * ["cancelled"], "running", "queued"]
    assert store.cancel_queued("ann") == 0


def test_a_store_from_before_a_column_was_added_opens_with_all_its_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lab.sqlite'}"
    run_id = ended(Store(url))
    with sqlite3.connect(tmp_path / "lab.sqlite") as old:
        for index in runs_table.indexes:
            old.execute(f"DROP INDEX {index.name}")
        for column in ("launch", "deleted", "dataset", "claim", "steered"):
            old.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        old.execute("INSERT INTO runs SELECT 'cut', owner, state, '{\"cut', created, started, ended, heartbeat, "
                    "step, steps, message, command, steering, result FROM runs")
    store = Store(url)
    assert store.set_aside is None
    assert [run.id for run in store.list_runs()] == [run_id]
    assert [row.id for row in store.page(Which(dataset="digits"))] == [run_id]
    assert store.count() == 2
    assert store.enqueue(SPEC, "ann") == store.enqueue(SPEC, "ann")
    assert store.delete(run_id, "ann")


@on_sqlite
@pytest.mark.parametrize(
    ("column", "damaged", "fault"),
    [
        ("spec", '{"temperature": -1}', "temperature must be at least 0.5"),
        ("spec", '{"objective": {"name": "of another lab"}}', "no such objective"),
        ("spec", '{"gone": 1}', "no setting called 'gone'"),
        ("spec", "[]", "its settings"),
        ("spec", '{"cut', "its settings"),
        ("spec", "[" * 20_000, "its settings"),
        ("spec", b"\xff\xfe", "its settings"),
        ("state", "dreaming", "its state"),
        ("steering", "[1]", "its asked"),
        ("steered", "[1]", "its steering"),
        ("result", "{}", "its result"),
        ("result", '{"arms": [{"role": "labels_only"}]}', "its result"),
        ("created", "yesterday", "its created"),
        ("step", "far", "its step"),
    ],
)
def test_a_row_that_cannot_be_read_spoils_no_other(
    store: Store, tmp_path: Path, column: str, damaged: str | bytes, fault: str
) -> None:
    spoilt, sound = (store.enqueue(spec, "ann") for spec in SPECS[:2])
    for run_id in (spoilt, sound):
        claim = store.claim(run_id)
        assert claim is not None
        claim.finish("done", result=recorded_run()[0].result)
    with sqlite3.connect(tmp_path / "lab.sqlite") as raw:
        raw.execute(f"UPDATE runs SET {column} = CAST(? AS TEXT) WHERE id = ?", (damaged, spoilt))
    assert [run.id for run in store.list_runs()] == [sound]
    assert store.get(spoilt) is None
    (unreadable,) = store.unreadable()
    assert unreadable.id == spoilt
    assert fault in unreadable.fault
    assert spoilt in unreadable.raw
    assert store.unreadable(sound) == []
    assert store.delete(spoilt, "ann")
    assert store.unreadable() == []


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800", "", "' OR 1=1", "x" * 10**6])
def test_what_is_no_id_names_no_run(store: Store, name: str) -> None:
    assert store.get(name) is None
    assert store.unreadable(name) == []


@on_sqlite
def test_a_damaged_point_is_a_gap_in_its_curves(store: Store, tmp_path: Path) -> None:
    _, rows, _ = recorded_run()
    claim = store.begin(SPEC, "ann")
    run_id = claim.run_id
    claim.add_points(rows, step=1)
    whole = curves(store.points(run_id), SPEC)
    with sqlite3.connect(tmp_path / "lab.sqlite") as raw:
        points = [number for number, kind, _ in rows if kind == "point"]
        for number, damaged in zip(points, ("[]", "{}", '{"cut'), strict=False):
            raw.execute("UPDATE points SET payload = ? WHERE number = ?", (damaged, number))
    found = curves(store.points(run_id), SPEC)
    assert whole is not None
    assert found is not None
    assert len(found) == len(whole) - 3


def test_a_kind_of_point_that_this_lab_does_not_know_is_no_part_of_its_curves() -> None:
    run, rows, _ = recorded_run()
    mark = {"step": 3, "epoch": 0.1, "temperature": 2.0, "kd_weight": 0.5}
    found = curves([*rows, (900, "mark", mark | {"hue": "a newer lab's"}), (901, "verdict", mark | {"verdict": 1})], run.spec)
    assert found is not None
    assert [vars(each) for each in found.marks] == [mark]


def test_a_worker_whose_run_is_not_at_work_any_more_is_told_to_stop(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    assert claim.control() == ("running", "", {})
    store.finish(claim.run_id, "cancelled")
    for write in (claim.control, claim.beat, lambda: claim.add_points([(0, "point", {})], step=1)):
        with pytest.raises(ClaimLostError):
            write()
    assert store.points(claim.run_id) == []


def test_a_run_that_has_ended_is_steered_no_more(store: Store) -> None:
    run_id = store.enqueue(SPEC, "ann")
    store.claim(run_id)
    store.finish(run_id, "cancelled")
    assert not store.steer(run_id, "ann", {"temperature": 8.0, "kd_weight": 0.5})
    assert store.get(run_id).asked == {}  # type: ignore[union-attr]


def test_a_resumed_run_is_steered_while_it_waits_and_a_new_one_is_not(store: Store) -> None:
    waiting = store.enqueue(SPEC, "ann")
    assert not store.steer(waiting, "ann", {"temperature": 8.0})
    claim = store.begin(SPEC, "ann")
    store.command(claim.run_id, "ann", "pause")
    assert claim.acknowledge("pause", "paused")
    store.command(claim.run_id, "ann", "resume")
    assert store.steer(claim.run_id, "ann", {"temperature": 8.0})
    assert claim.control() == ("queued", "", {"temperature": 8.0})


def test_however_long_the_queue_its_first_is_found(store: Store) -> None:
    first = store.enqueue(SPEC, "ann")
    for n in range(501):
        store.enqueue(SPEC, f"visitor {n}")
    assert store.queue()[0] == first


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


@on_sqlite
def test_a_full_disk_is_a_message_and_what_was_saved_stays(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    run_id, engine = claim.run_id, store._database._engine
    claim.add_points([(0, "point", {})], step=1)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    # SQLite's own way of being full: no connection may add a page from here on.
    sa.event.listen(engine, "connect", lambda c, _: c.execute(f"PRAGMA max_page_count={pages}"))
    engine.dispose()
    with pytest.raises(StoreError, match="disk is full"):
        claim.add_points([(n, "point", {"long": "x" * 4000}) for n in range(1, 50)], step=2)
    assert [number for number, *_ in store.points(run_id)] == [0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_the_store_and_all_that_lies_beside_it_is_the_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    umask = os.umask(0)
    try:
        ended(Store())
        (tmp_path / "home" / "lab.sqlite").chmod(0o644)  # as a lab before left it
        store = Store()
        ended(store)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    files = sorted((tmp_path / "home").iterdir())
    assert [path.name for path in files] == ["lab.sqlite", "lab.sqlite-shm", "lab.sqlite-wal"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@on_sqlite
def test_a_store_deleted_under_the_lab_is_said_and_goes_on_once_one_is_there(
    store: Store, tmp_path: Path
) -> None:
    run_id = store.enqueue(SPEC, "ann")
    away = tmp_path / "away.sqlite"
    with sqlite3.connect(tmp_path / "lab.sqlite") as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "lab.sqlite").rename(away)
    for use in (lambda: store.get(run_id), store.queue, lambda: store.enqueue(SPEC, "bob"), store.touch):
        with pytest.raises(StoreError, match="deleted or moved away"):
            use()
    shutil.copy(away, tmp_path / "lab.sqlite")
    for beside in ("lab.sqlite-wal", "lab.sqlite-shm"):
        (tmp_path / beside).unlink(missing_ok=True)
    assert [run.id for run in store.list_runs()] == [run_id]
    assert store.claim(run_id)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no address of a database"),
        ("oracle-of-delphi://x/y", "no address of a database"),
        ("postgresql+psycopg://u:hidden@host:port/db", "no address of a database"),
        ("mysql+nodriver://u:hidden@host/db", "no address of a database"),
        ("postgresql+pg8000://u:hidden@host/db", "driver pg8000"),
        ("sqlite:////nowhere/at/all/lab.sqlite", "could not be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_a_sentence_without_its_password(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        Store(url)
    assert "hidden" not in str(caught.value)


def test_that_the_home_folder_can_be_written_is_tried_once_a_process(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "asked-often"))
    tried = []
    genuine = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **where: tried.append(where) or genuine(**where))
    assert [home() for _ in range(3)] == [tmp_path / "asked-often"] * 3
    assert len(tried) == 1


def test_a_home_folder_that_could_not_be_written_is_tried_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "full-at-first"))

    def full(**_where: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(tempfile, "TemporaryFile", full)
        for _ in range(2):
            with pytest.raises(HomeError, match="No space left on device"):
                home()
    assert home() == tmp_path / "full-at-first"


def test_a_home_folder_that_cannot_be_written_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(HomeError, match="KDLAB_HOME"):
        home()


def test_a_process_that_comes_and_goes_leaves_two_open_stores_on_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    first = Store()
    first.enqueue(SPEC, "ann")
    second = Store()  # as a server's dispatcher and its pages
    visit = "from kdlab.runs.store import Store; print(len(Store().list_runs()))"

    def seen_elsewhere() -> int:
        return int(subprocess.run([sys.executable, "-c", visit], capture_output=True, check=True).stdout)

    assert seen_elsewhere() == 1
    first.enqueue(SPEC, "ben")
    second.enqueue(SPEC, "cleo")
    assert seen_elsewhere() == len(first.list_runs()) == len(second.list_runs()) == 3


def test_a_deletion_undone_at_the_last_moment_takes_no_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    store, other = Store(), Store()
    run_id = ended(store)
    points = store.points(run_id)
    store.delete(run_id, "ann")
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    write = store._write

    def after_another_has_undone_it() -> AbstractContextManager[sa.Connection]:
        assert other.undelete(run_id, "ann")
        return write()

    monkeypatch.setattr(store, "_write", after_another_has_undone_it)
    store.sweep_deleted()
    assert other.get(run_id) is not None
    assert other.points(run_id) == points != []


def test_a_list_is_narrowed_and_cut_into_pages_newest_first(store: Store) -> None:
    oldest = store.enqueue(SPEC, "ann")
    others = [store.enqueue(SPEC, f"visitor {n}") for n in range(2 * PAGE)]
    fashion = store.enqueue(three_arms(), "ann")
    store.claim(fashion)
    assert store.count() == 2 * PAGE + 2
    pages = [[row.id for row in store.page(ALL, number)] for number in (1, 2, 3, 4)]
    assert pages[0] == [fashion, *reversed(others[-PAGE + 1 :])]
    assert [run_id for page in pages for run_id in page] == [fashion, *reversed(others), oldest]
    assert [len(page) for page in pages] == [PAGE, PAGE, 2, 0]

    def found(**which: str) -> list[str]:
        rows = store.page(Which(**which))
        assert store.count(Which(**which)) == len(rows)
        return [row.id for row in rows]

    assert found(owner="ann") == [fashion, oldest]
    assert found(owner="ann", dataset="digits") == [oldest]
    assert found(owner="ann", state="running") == [fashion]
    assert found(not_owner="ann", dataset="fashion") == []
    assert store.count(Which(not_owner="ann")) == 2 * PAGE


@on_sqlite
@pytest.mark.parametrize("which", [ALL, Which(owner="ann"), Which(not_owner="ann"), Which(state="done", dataset="digits")])
def test_no_row_is_read_to_find_those_of_a_page(store: Store, which: Which) -> None:
    with store._read() as connection:
        for query in (ids_of_page(which, 40), number_of(which)):
            text = query.compile(connection.engine, compile_kwargs={"literal_binds": True})
            plan = " ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
            assert "USING COVERING INDEX runs_listed" in plan
            assert "TEMP B-TREE" not in plan


def test_launches_at_the_same_moment_are_no_more_than_one_visitor_may_have(url: str) -> None:
    launched: list[str] = []
    together = threading.Barrier(10)

    def launch(epochs: int) -> None:
        together.wait()
        store = Store(url)  # which is empty, and opened by all at once
        with contextlib.suppress(TooManyRunsError):
            launched.append(store.enqueue(SPEC.model_copy(update={"epochs": epochs}), "ann"))

    threads = [threading.Thread(target=launch, args=(n + 1,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(launched) == Store(url).count() == ACTIVE_AT_MOST
