"""The Distill and Runs pages without a browser: faults of the lab are told in words, and the pages still teach."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, RerunException, get_script_run_ctx
from streamlit.testing.v1 import AppTest

from kdlab.__main__ import _sentences
from kdlab.lessons.presets import PRESETS
from kdlab.runs.claims import Claim
from kdlab.runs.ladder import ladder
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Store, StoreError

MAIN = Path(__file__).parents[2] / "kdlab" / "main.py"
SPEC = three_arms(dataset="digits", teacher="digits", labels=50, transfer=0)


@pytest.fixture(autouse=True)
def fresh_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    st.cache_resource.clear()
    return tmp_path


def open_page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(f"../pages/{name}.py")
    return app.run()


def words(app: AppTest) -> str:
    return " ".join(
        element.value for element in (*app.markdown, *app.error, *app.info, *app.caption, *app.warning)
    )


def test_a_home_that_cannot_be_written_is_told_and_the_recorded_run_still_teaches(
    fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fresh_store / "file").touch()
    monkeypatch.setenv("KDLAB_HOME", str(fresh_store / "file" / "below"))
    app = open_page("distill")
    assert not app.exception
    assert "KDLAB_HOME" in words(app)
    assert "A run recorded on" in words(app)
    assert app.button(key="launch").disabled


def test_a_lost_run_says_why_and_offers_to_run_it_again(fresh_store: Path) -> None:
    store = Store()
    run_id = store.enqueue(SPEC, "someone")
    claim = store.claim(run_id)
    assert claim is not None
    claim.give_up()
    app = open_page("distill", run=run_id)
    assert not app.exception
    assert "ended without a word" in words(app)
    app.button(key="again").click().run()
    assert [run.spec for run in store.list_runs(states=("queued",))] == [SPEC]


def test_a_queued_run_shows_its_place(fresh_store: Path) -> None:
    store = Store()
    store.enqueue(SPEC, "one")
    second = store.enqueue(SPEC, "another")
    assert "place 2 of 2 in the queue" in words(open_page("distill", run=second))


def test_an_older_stores_runs_are_told_of(fresh_store: Path) -> None:
    import sqlite3

    (fresh_store / "home").mkdir()
    with sqlite3.connect(fresh_store / "home" / "lab.sqlite") as old:
        old.execute("CREATE TABLE runs (id TEXT)")
    app = open_page("runs")
    assert not app.exception
    assert "lab-version-0" in words(app)


def test_every_run_is_listed_with_its_owner_and_two_can_be_compared(fresh_store: Path) -> None:
    store = Store()
    _, rows, _ = recorded_run()
    ids = []
    for owner in ("one", "another"):
        run_id = store.enqueue(three_arms(), owner)
        claim = store.claim(run_id)
        assert claim is not None
        claim.finish("done", result=recorded_run()[0].result, points=rows, step=800)
        ids.append(run_id)
    app = open_page("runs")
    assert words(app).count("others") == 2
    for run_id in ids:
        app.checkbox(key=f"compare-{run_id}").check()
    app.run()
    app.button(key="compare-these").click().run()
    assert not app.exception
    assert all(run_id[:4] in words(app) for run_id in ids)
    assert "Their settings are the same" in words(app)


def test_an_objective_and_its_settings_come_from_the_link_and_are_launched(fresh_store: Path) -> None:
    app = open_page("distill", objective="dkd", objective_target_weight="2", objective_t_squared="false")
    assert not app.exception
    app.button(key="launch").click().run()
    (run,) = Store().list_runs()
    objective = run.spec.arms[-1].objective.model_dump()
    assert (objective["name"], objective["target_weight"], objective["t_squared"]) == ("dkd", 2.0, False)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_run_that_can_be_launched(name: str) -> None:
    preset = PRESETS[name].values
    dataset = preset.get("dataset", "fashion")
    assert three_arms(**{"dataset": dataset, "teacher": dataset} | preset)
    app = open_page("distill")
    app.button(key=f"preset-{name}").click().run()
    assert not app.exception
    assert not app.button(key="launch").disabled


def at_work(spec: RunSpec, owner: str) -> str:
    store = Store()
    claim = store.begin(spec, owner)
    claim.add_points(recorded_run()[1][:3], step=10)
    return claim.run_id


def test_a_preset_prepares_the_next_run_and_does_not_steer_this_one(fresh_store: Path) -> None:
    app = open_page("distill")
    app.button(key="launch").click().run()
    store = Store()
    (run,) = store.list_runs()
    claim = store.claim(run.id)
    assert claim is not None
    claim.add_points(recorded_run()[1][:3], step=10)
    app.run()
    app.button(key="preset-High temperature").click().run()
    app.button(key="preset-Digits").click().run()
    assert store.get(run.id).asked == {}  # type: ignore[union-attr]


def test_a_run_opened_by_its_id_sets_the_controls_to_its_settings(fresh_store: Path) -> None:
    spec = three_arms(dataset="digits", labels=80, transfer=100, temperature=8.0, epochs=30)
    app = open_page("distill", run=at_work(spec, "someone"))
    assert not app.exception
    app.button(key="launch").click().run()
    (copy,) = Store().list_runs(states=("queued",))
    assert copy.spec == spec


def test_a_visitor_who_comes_back_finds_the_run_again(fresh_store: Path) -> None:
    app = open_page("distill", run=at_work(SPEC, "someone"))
    app.switch_page("../pages/home.py").run()
    app.query_params.clear()
    app.switch_page("../pages/distill.py").run()
    assert "A run recorded on" not in words(app)


def test_a_steered_run_says_that_its_settings_alone_do_not_give_its_numbers(fresh_store: Path) -> None:
    run_id = at_work(three_arms(), "someone")
    store = Store()
    claim_of(store, run_id).add_points([], step=20, steered={"temperature": 6.6, "kd_weight": 0.9})
    claim_of(store, run_id).finish("done", result=recorded_run()[0].result)
    said = words(open_page("distill", run=run_id))
    assert "steered to T 6.6, w 0.9" in said
    assert "its settings alone do not give these numbers" in said


def test_a_run_with_nothing_to_distil_is_named_before_launch_and_gets_no_verdict(fresh_store: Path) -> None:
    settings = {"objective": "generalized_jsd", "objective_beta": "0"}
    assert "is 0 for every student" in words(open_page("distill", **settings))
    assert "is 0 for every student" not in words(open_page("distill", **settings | {"objective_beta": "0.5"}))

    spec = three_arms(objective={"name": "generalized_jsd", "beta": 0})
    store, result = Store(), recorded_run()[0].result
    run_id = store.enqueue(spec, "someone")
    claim = store.claim(run_id)
    assert claim is not None
    claim.finish("done", result=result)
    for page, query in (("distill", {"run": run_id}), ("runs", {})):
        said = words(open_page(page, **query))
        assert "is 0 for every student" in said
        assert "Distilled against labels only" not in said
        assert "distilled:" not in said
    printed = _sentences(run_id, spec, result)
    assert "is 0 for every student" in printed
    assert "on top of them" not in printed


def news(app: AppTest) -> str:
    """What is spoken."""
    return next(
        json.loads(part.proto.json)["words"] for part in app.get("bidi_component") if "news" in part.proto.id
    )


def test_a_run_of_another_visitor_is_not_said_to_be_steered(fresh_store: Path) -> None:
    said = words(open_page("distill", run=at_work(SPEC, "someone")))
    assert "is another visitor's" in said
    assert "steer your run" not in said


def claim_of(store: Store, run_id: str) -> Claim:
    run = store.get(run_id)
    assert run is not None
    return store.claim_of(run)


def own_run_at_work(app: AppTest) -> tuple[Store, str]:
    app.button(key="launch").click().run()
    store = Store()
    (run,) = store.list_runs()
    claim = store.claim(run.id)
    assert claim is not None
    claim.add_points(recorded_run()[1][:3], step=10)
    app.run()
    return store, run.id


def test_the_sliders_say_what_they_act_on(fresh_store: Path) -> None:
    app = open_page("distill")
    assert "for your next run." in words(app)
    app.button(key="launch").click().run()
    assert "still waits, with its own settings" in words(app)
    store, run_id = own_run_at_work(app)
    assert "**steer your run at work**: it holds T 2, w 0.9" in words(app)
    app.button(key="preset-Digits").click().run()
    assert "the one at work has another dataset" in words(app)
    store.finish(run_id, "cancelled")
    app.run()
    assert "for your next run." in words(app)


def test_two_tabs_on_one_run_show_the_same_held_values(fresh_store: Path) -> None:
    app = open_page("distill")
    store, run_id = own_run_at_work(app)
    owner = store.get(run_id).owner  # type: ignore[union-attr]
    store.steer(run_id, owner, {"temperature": 6.6, "kd_weight": 0.4})  # as the other tab does
    app.run()
    assert (app.session_state["temperature"], app.session_state["kd_weight"]) == (6.6, 0.4)
    assert "it holds T 6.6, w 0.4" in words(app)
    app.session_state["kd_weight"] = 0.5  # a hand on this tab's slider goes on from there
    app.run()
    assert store.get(run_id).asked == {"temperature": 6.6, "kd_weight": 0.5}  # type: ignore[union-attr]


def test_a_slider_moved_at_the_press_of_resume_steers_the_run(fresh_store: Path) -> None:
    app = open_page("distill")
    store, run_id = own_run_at_work(app)
    claim, owner = claim_of(store, run_id), store.get(run_id).owner  # type: ignore[union-attr]
    store.command(run_id, owner, "pause")
    assert claim.acknowledge("pause", "paused")
    app.run()
    app.session_state["temperature"] = 2.2  # both come in one message: the press is obeyed first
    app.button(key="ask-resume").click().run()
    run = store.get(run_id)
    assert run is not None
    assert (run.state, run.asked) == ("queued", {"temperature": 2.2, "kd_weight": 0.9})
    assert "steer your run at work" in words(app)
    assert app.session_state["temperature"] == 2.2


def test_a_replay_is_seen_whole_by_a_browser_that_is_busy(fresh_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("kdlab.ui.run.source.time", SimpleNamespace(monotonic=lambda: now))
    app = open_page("distill")
    assert not app.get("progress")
    app.button(key="replay").click().run()
    looks = 0
    while app.get("progress"):  # the browser comes back every half a minute
        now, looks = now + 30, looks + 1
        app.run()
    assert looks == 12


def test_a_press_whose_run_of_the_script_was_ended_is_done_by_the_next(fresh_store: Path) -> None:
    app = open_page("distill")
    app.session_state["asked"]["replay"] = "three_arms"  # what its callback has left
    assert app.run().get("progress")


def test_values_of_a_link_do_not_hide_in_a_closed_section(fresh_store: Path) -> None:
    def opened(**query: str) -> list[str]:
        return [section.label for section in open_page("distill", **query).expander if section.proto.expanded]

    assert opened() == []
    assert opened(temperature="4", labels="100") == []
    assert opened(epochs="30") == ["Training"]
    assert opened(objective_beta="0.2", objective="generalized_jsd") == ["Objective"]
    assert opened(objective="gpt", device="tpu") == [
        "Objective",
        "Training",
    ]  # with the notice of what did not fit


def test_what_takes_time_after_the_last_step_is_said(fresh_store: Path) -> None:
    run_id = at_work(SPEC, "someone")
    store = Store()
    steps = store.get(run_id).steps  # type: ignore[union-attr]
    claim_of(store, run_id).add_points([], step=steps)
    said = words(open_page("distill", run=run_id))
    assert "measuring what the students know and cost" in said
    assert "s left" not in said


def test_a_run_is_told_aloud_from_the_queue_to_its_verdict(fresh_store: Path) -> None:
    store = Store()
    run_id = store.enqueue(three_arms(), "someone")
    app = open_page("distill", run=run_id)
    assert news(app) == "Queued, place 1 of 1."
    claim = store.claim(run_id)
    assert claim is not None
    claim.add_points(recorded_run()[1][:9], step=90)
    said = news(app.run())
    assert said.startswith("Running, 10 percent done. Labels only")
    claim.add_points([], step=150)
    assert news(app.run()) == said  # the same tenth is no news
    store.steer(run_id, "someone", {"temperature": 3.0, "kd_weight": 0.5})
    mark = {"step": 150, "epoch": 19.0, "temperature": 3.0, "kd_weight": 0.5}
    claim.add_points([(9, "mark", mark)], step=170)
    assert "Steered to temperature 3, KD weight 0.5." in news(app.run())
    claim.finish("done", result=recorded_run()[0].result)
    assert news(app.run()).startswith("Done. Take the student of the teacher's answers.")


def test_the_verdict_stands_at_the_race_and_names_the_arm_to_take(fresh_store: Path) -> None:
    store, result = Store(), deepcopy(recorded_run()[0].result)
    assert result is not None
    for arm, accuracy in zip(result["arms"], (0.70, 0.75, 0.74), strict=True):
        arm["accuracy"] = [accuracy, accuracy + 0.001, accuracy - 0.001, accuracy, accuracy]
    run_id = store.enqueue(three_arms(), "someone")
    claim = store.claim(run_id)
    assert claim is not None
    claim.finish("done", result=result, points=recorded_run()[1][:3], step=10)
    app = open_page("distill", run=run_id)
    said = words(app)
    assert "**Take the student of the teacher's answers.** It beats labels only by +5.0 points" in said
    assert "The soft-targets student is **worse** than the teacher's answers (−1.0 points" in said
    assert said.index("**Take the student") < said.index("At epoch")
    assert said.index("At epoch") < said.index("on top of the answers")
    assert "Payload, what the teacher sends for one example" in said


def test_a_link_with_another_pages_names_is_understood_or_refused_in_words(fresh_store: Path) -> None:
    app = open_page("distill", data="digits", T="3", w="0.5")
    assert {name: app.session_state[name] for name in ("dataset", "temperature", "kd_weight")} == {
        "dataset": "digits",
        "temperature": 3.0,
        "kd_weight": 0.5,
    }
    app = open_page("distill", data="xyz", T="nan")
    assert "The link asked for “`xyz`”, which is not one of digits" in words(app)
    sliders = [json.loads(shown.proto.json) for shown in app.get("bidi_component") if shown.proto.json]
    assert [slider["notice"] for slider in sliders if slider.get("label") == "Temperature"] == [
        "The link asked for “nan”, not a number from 0.5 to 20. Here is 2."
    ]
    assert not {"data", "T"} & set(app.query_params)


def finished(accuracies: tuple[float, float, float]) -> str:
    """A finished run whose arms have these accuracies; its id."""
    store, result = Store(), deepcopy(recorded_run()[0].result)
    assert result is not None
    noise = np.array([-0.02, 0.02, 0.0, 0.01, -0.01])
    for place, (arm, accuracy) in enumerate(zip(result["arms"], accuracies, strict=True)):
        arm["accuracy"] = (accuracy + (noise if place == 0 else -noise)).tolist()
    claim = store.begin(three_arms(), "someone")
    claim.finish("done", result=result, points=recorded_run()[1][:3], step=10)
    return claim.run_id


def test_a_verdict_of_no_difference_names_what_was_compared_and_what_is_shown_beside_it(fresh_store: Path) -> None:
    said = words(open_page("distill", run=finished((0.70, 0.715, 0.69))))
    assert "**Soft targets: no difference from labels only shown** (−1.0 points, 95 % interval" in said
    assert "Take labels only, which needs no teacher. But the soft-targets student is **worse** than the teacher's" in said
    assert "answers (−2.5 points" in said
    said = words(open_page("distill", run=finished((0.70, 0.70, 0.70))))
    assert "no difference from labels only shown**" in said
    assert "which needs no teacher. But" not in said


def test_a_student_that_is_not_shown_to_be_better_is_said_to_cost_more_of_the_teacher(fresh_store: Path) -> None:
    said = words(open_page("distill", run=finished((0.60, 0.70, 0.70))))
    assert "**Take the student of the teacher's answers.**" in said
    assert "though the teacher sends it more for each example." in said


def test_a_stopped_run_says_why_it_has_no_verdict(fresh_store: Path) -> None:
    store = Store()
    run_id = store.enqueue(SPEC, "someone")
    claim = store.claim(run_id)
    assert claim is not None
    assert "no verdict" not in words(open_page("distill", run=run_id))
    claim.finish("cancelled")
    assert "Stopped before its end: there is no verdict. **Run again**" in words(open_page("distill", run=run_id))


@pytest.mark.parametrize("asked", ["queue", "unreadable"])
def test_whatever_the_page_asks_of_a_store_that_fails_no_error_stands_there(
    fresh_store: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("The store is busy.")

    waiting = Store().enqueue(SPEC, "someone")
    monkeypatch.setattr(Store, asked, refuse)
    app = open_page("distill", run=waiting if asked == "queue" else "gone")
    assert not app.exception
    assert "The store is busy." in words(app)


def test_a_store_that_fails_is_told_in_words_and_a_stop_waits_for_it(
    fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("distill")
    store, run_id = own_run_at_work(app)
    calls = []

    def refuse(*_: object) -> None:
        calls.append(1)
        raise StoreError("The store is busy.")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "command", refuse)
        app.button(key="ask-cancel").click().run()
        assert calls
        assert "does not take what you asked" in words(app)
        assert app.button(key="ask-cancel").disabled
    app.run()
    assert "does not take what you asked" not in words(app)
    assert claim_of(store, run_id).control().command == "cancel"
    with monkeypatch.context() as broken:
        broken.setattr(Store, "get", refuse)
        app.run()
        assert not app.exception
        assert "The store is busy." in words(app)


@pytest.mark.parametrize("cut_off", ["before the store has it", "before it is on show"])
def test_a_launch_that_another_move_cuts_off_is_done_once_and_shown(
    fresh_store: Path, monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    app = open_page("distill")
    enqueue, cuts = Store.enqueue, iter([True])

    def overtaken(self: Store, spec: RunSpec, owner: str) -> str:
        """Streamlit ends the script at one of its calls and runs it again, without the button's value."""
        first = next(cuts, False)
        if first and cut_off == "before the store has it":
            raise RerunException(RerunData(page_script_hash=get_script_run_ctx().page_script_hash))
        run_id = enqueue(self, spec, owner)
        if first:
            raise RerunException(RerunData(page_script_hash=get_script_run_ctx().page_script_hash))
        return run_id

    monkeypatch.setattr(Store, "enqueue", overtaken)
    app.button(key="launch").click().run()
    (run,) = Store().list_runs()
    assert run.id in app.query_params["run"]
    assert "place 1 of 1 in the queue" in words(app)


def test_an_address_that_the_browser_sent_too_late_takes_no_run_back(fresh_store: Path) -> None:
    app = open_page("distill", labels="300")
    app.button(key="launch").click().run()
    (run,) = Store().list_runs()
    del app.query_params["run"]
    app.run()
    assert run.id in app.query_params["run"]
    assert "place 1 of 1 in the queue" in words(app)

@pytest.mark.parametrize(("page", "recipe"), [("distill", three_arms), ("access", ladder)])
def test_a_run_that_was_stopped_is_not_told_as_coming(fresh_store: Path, page: str, recipe: Callable[..., RunSpec]) -> None:
    store = Store()
    run_id = store.enqueue(recipe(dataset="digits", student="mlp-16", labels=50, transfer=0), "someone")
    waiting = words(open_page(page, run=run_id))
    assert "begin" in waiting
    store.finish(run_id, "cancelled")
    told = words(open_page(page, run=run_id))
    assert "This run was stopped before its end and before its first point" in told
    for coming in ("on its way", "not ended", "as soon as", "yet"):
        assert coming not in told
    if page == "access":
        assert "This run was stopped before its end: it answers nothing." in told
        assert "has not ended yet: it answers nothing" in waiting
