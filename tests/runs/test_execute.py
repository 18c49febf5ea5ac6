"""How a run reports and how it ends."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from kdlab.__main__ import main
from kdlab.data.registry import DATASETS
from kdlab.distill.metrics import metrics_of
from kdlab.distill.trainer import Point, Trainer
from kdlab.models import catalogue
from kdlab.models.checkpoints import CheckpointError
from kdlab.models.profile import Profile
from kdlab.runs import artifacts
from kdlab.runs import execute as module
from kdlab.runs import reporter as reporter_module
from kdlab.runs.claims import Claim
from kdlab.runs.curves import curves, seed_table
from kdlab.runs.recipes import three_arms
from kdlab.runs.reporter import Reporter
from kdlab.runs.store import Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'lab.sqlite'}")


SPEC = three_arms(seeds=1)


def point(step: int, loss: float = 0.5) -> Point:
    values = {name: [[loss], [loss], [loss]] for name in metrics_of("classification")}
    arms = tuple(arm.key for arm in SPEC.arms)
    return Point(step=step, epoch=float(step), seconds=0.1 * step, arms=arms, values=values)


def claimed(store: Store) -> tuple[str, Reporter]:
    claim = store.begin(SPEC, "ann")
    return claim.run_id, Reporter(claim)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(store: Store) -> None:
    _, reporter = claimed(store)
    with pytest.raises(module.Diverged) as caught:
        reporter.point(point(3, float("nan")))
    state, message = module._ending(caught.value, None)
    assert state == "failed"
    assert "Lower the learning rate" in message


def test_points_wait_while_the_store_refuses_them_and_none_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, reporter = claimed(store)
    add_points = Claim.add_points

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Claim, "add_points", full)
    reporter.point(point(0))
    reporter.point(point(1))
    monkeypatch.setattr(Claim, "add_points", add_points)
    reporter.flush(1)
    found = curves(store.points(run_id), SPEC)
    assert found is not None
    assert found.step.tolist() == [0, 1]


def test_what_was_not_finite_comes_back_as_a_gap(store: Store) -> None:
    run_id, reporter = claimed(store)
    with_gap = point(0)
    with_gap.values["kl"][0][0] = float("inf")
    reporter.point(with_gap)
    reporter.flush(0)
    found = curves(store.points(run_id), SPEC)
    assert found is not None
    assert [str(v) for v in found.mean["kl"][0]] == ["nan", "0.5", "0.5"]
    table = seed_table(store.points(run_id), SPEC)
    assert table is not None
    assert table["arm"].tolist() == ["labels_only", "hard_labels", "soft_targets"]


def test_where_a_term_is_silent_the_table_has_no_cosine(store: Store) -> None:
    claim = store.begin(SPEC, "ann")
    run_id, silent = claim.run_id, point(0)
    silent.values["gradient_distillation"][0] = [0.0]
    silent.values["gradient_cosine"][0] = [0.0]  # as points of an older lab hold it
    older = {"step": 0, "epoch": 0.0, "seconds": 0.1, "values": silent.values}
    claim.add_points([(0, "point", older)], step=0)
    table = seed_table(store.points(run_id), SPEC)
    assert table is not None
    assert table["gradient_cosine"].isna().tolist() == [True, False, False]


def test_a_replay_shows_what_was_known_by_then(store: Store) -> None:
    run_id, reporter = claimed(store)
    for step in range(10):
        reporter.point(point(step))
    reporter.flush(9)
    whole = curves(store.points(run_id), SPEC)
    assert whole is not None
    assert len(whole.until(-1)) == 1
    assert whole.until(0.45).step.tolist() == [0, 1, 2, 3, 4]
    assert len(whole.until(99)) == 10


def test_a_damaged_teacher_fails_the_run_with_a_message(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    weights = tmp_path / "weights"
    shutil.copytree(catalogue.WEIGHTS, weights)
    (weights / "digits.safetensors").write_bytes(b"\x00" * 500)
    monkeypatch.setattr(catalogue, "WEIGHTS", weights)
    catalogue.teacher_logits.cache_clear()
    spec = three_arms(dataset="digits", teacher="digits", labels=50, transfer=0, epochs=1, seeds=1)
    claim = store.begin(spec, "ann")
    run_id = claim.run_id
    assert not module.execute(claim, store)
    catalogue.teacher_logits.cache_clear()
    run = store.get(run_id)
    assert run is not None
    assert run.state == "failed"
    assert "digits.safetensors" in run.message
    assert "Traceback" not in run.message


def test_the_table_says_which_temperature_and_weight_held_at_each_point(store: Store) -> None:
    run_id, reporter = claimed(store)
    reporter.point(point(0))
    for temperature in (5.0, 6.0):  # moved twice before the next step: the last acts
        reporter._add("mark", {"step": 0, "epoch": 0.0, "temperature": temperature, "kd_weight": 0.4})
    reporter.point(point(1))
    reporter.flush(1)
    found = curves(store.points(run_id), SPEC)
    assert found is not None
    assert len(found.marks) == 1
    table = seed_table(store.points(run_id), SPEC)
    assert table is not None
    assert table["temperature"].tolist() == [1.0, 1.0, 2.0, 1.0, 1.0, 6.0]
    assert table["kd_weight"].tolist() == [0.0, 0.9, 0.9, 0.0, 0.4, 0.4]


TINY = three_arms(dataset="digits", teacher="digits", labels=10, transfer=0, epochs=1, seeds=1)


def trained(store: Store) -> dict[str, Any]:
    claim = store.begin(TINY, "ann")
    module.execute(claim, store)
    run = store.get(claim.run_id)
    assert run is not None
    assert run.state == "done", run.message
    assert run.result is not None
    return run.result


def test_what_networks_cost_is_measured_by_their_first_run_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    measured: list[str] = []
    profile = module.profile

    def counted(network: nn.Module, *rest: Any) -> Profile:
        measured.append(type(network).__name__)
        return profile(network, *rest)

    monkeypatch.setattr(module, "profile", counted)
    first = trained(store)
    assert len(measured) == 2  # the teacher and the student
    assert trained(store)["profiles"] == first["profiles"]
    assert len(measured) == 2


def test_whatever_befalls_the_caches_the_next_run_trains(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    trained(store)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == {"grouping", "profiles"}
    for damaged in (b"", b"{}", b"[7]"):
        for path in files:
            path.write_bytes(damaged)
        trained(store)
    assert all(path.stat().st_size > 10 for path in files)


def test_cut_answers_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    artifacts.save_answers("run", [[[1, 2, 3]]])
    assert artifacts.load_answers("run") is not None
    path = artifacts.folder("run") / "answers.npz"
    path.write_bytes(path.read_bytes()[:40])
    assert artifacts.load_answers("run") is None


def test_the_doctor_trains_on_every_dataset_and_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.count("trained in") == len(DATASETS)
    assert Store().list_runs() == []

    def broken(*_: object) -> None:
        raise CheckpointError("digits.safetensors is cut short. Fetch the lab again.")

    monkeypatch.setattr(module, "make_trainer", broken)
    assert main(["doctor"]) == 1
    assert "digits.safetensors is cut short" in capsys.readouterr().out


def test_the_doctor_says_which_database_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KDLAB_DATABASE_URL", "nonsense")
    assert main(["doctor"]) == 1
    assert "KDLAB_DATABASE_URL" in capsys.readouterr().err


RESTING = three_arms(dataset="digits", labels=50, transfer=100, epochs=6, seeds=2, batch_size=16, device="cpu")


def told(store: Store, run_id: str) -> tuple[list[Any], dict[str, Any]]:
    """All that the store says of a run that has ended, but its seconds."""
    run = store.get(run_id)
    assert run is not None
    assert run.state == "done", run.message
    assert run.result is not None
    rows = [(n, kind, {k: v for k, v in said.items() if k != "seconds"}) for n, kind, said in store.points(run_id)]
    return rows, {"arms": run.result["arms"], "step": run.step, "steered": run.steering}


@pytest.mark.parametrize("at", [0, 1, 17])
@pytest.mark.parametrize("student", ["mlp-16", "cnn-small"])
def test_a_run_paused_and_left_goes_on_to_the_bit_in_another_process(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, student: str
) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = RESTING.model_copy(update={"student": student})
    whole, before_step = store.begin(spec, "ann"), Reporter.before_step
    to_pause = []

    def by_step(reporter: Reporter, trainer: Trainer) -> bool:
        if trainer.step_number == 3:
            store.steer(reporter._claim.run_id, "ann", {"temperature": 5.0, "kd_weight": 0.4})
        if trainer.step_number == at and to_pause:
            store.command(to_pause.pop(), "ann", "pause")
        return before_step(reporter, trainer)

    monkeypatch.setattr(reporter_module, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(reporter_module, "_SETTLED", 0.0)
    monkeypatch.setattr(reporter_module, "_PROCESS_KEPT", 0.0)
    monkeypatch.setattr(Reporter, "before_step", by_step)
    assert module.execute(whole, store)
    first = store.begin(spec, "ann")
    to_pause.append(first.run_id)
    assert not module.execute(first, store)
    left = store.get(first.run_id)
    assert left is not None
    assert (left.state, left.claim, left.step) == ("paused", None, at)
    store.command(first.run_id, "ann", "resume")
    second = store.claim(first.run_id)
    assert second is not None
    assert module.execute(second, store)
    assert told(store, second.run_id) == told(store, whole.run_id)
    ended_with = [(arm["temperature"], arm["kd_weight"]) for arm in told(store, second.run_id)[1]["arms"]]
    assert ended_with == [(1.0, 0.0), (1.0, 0.4), (5.0, 0.4)]  # labels only, answers, soft targets


def test_a_paused_run_does_not_go_on_with_another_student(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(reporter_module, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(reporter_module, "_PROCESS_KEPT", 0.0)
    first = store.begin(RESTING, "ann")
    store.command(first.run_id, "ann", "pause")
    assert not module.execute(first, store)
    tensors, about = artifacts.load_checkpoint(first.run_id) or ({}, {})
    artifacts.save_checkpoint(first.run_id, tensors, about | {"student": "another"})
    store.command(first.run_id, "ann", "resume")
    second = store.claim(first.run_id)
    assert second is not None
    assert not module.execute(second, store)
    run = store.get(first.run_id)
    assert run is not None
    assert (run.state, run.message[:48]) == ("failed", "The student's folder has changed while the run w")
