"""The Runs page without a browser: the comparison's addresses, deleting with an undo, stopping what waits."""

from __future__ import annotations

import copy
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from kdlab.data.registry import DATASETS
from kdlab.runs import artifacts
from kdlab.runs.listing import PAGE
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Store, StoreError
from kdlab.runs.stored import read_run
from kdlab.ui.run.downloads import points_csv

MAIN = Path(__file__).parents[2] / "kdlab" / "main.py"
ME = "me"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    st.cache_resource.clear()
    return Store()


def open_runs(**query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=30)
    app.session_state["visitor_id"] = ME
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page("../pages/runs.py")
    return app.run()


def words(app: AppTest) -> str:
    shown = (*app.header, *app.markdown, *app.error, *app.info, *app.caption, *app.warning)
    return " ".join(element.value for element in shown)


def finished(store: Store, owner: str = ME, gain: float = 0.0, **values: Any) -> str:
    """A finished run with these settings, whose soft arm is better than the recorded one's by the gain."""
    spec = three_arms(**values)
    result = copy.deepcopy(recorded_run()[0].result or {})
    for arm in result["arms"]:
        for metric in ("accuracy", "agreement", "kl", "per_class"):
            arm[metric] = arm[metric][: spec.seeds]
    result["arms"][-1]["accuracy"] = [a + gain for a in result["arms"][-1]["accuracy"]]
    claim = store.begin(spec, owner)
    claim.finish("done", result=result, points=recorded_run()[1], step=spec.total_steps)
    return claim.run_id


def test_a_comparison_says_what_differs_and_each_arms_paired_difference(store: Store) -> None:
    first, second = finished(store), finished(store, gain=0.02, temperature=8.0)
    app = open_runs(compare=f"{first},{second}")
    assert not app.exception
    assert "| Temperature | T 2 | T 8 |" in words(app)
    assert "Epochs |" not in words(app)
    assert "No paired difference" not in words(app)


@pytest.mark.parametrize("name", ["data", "dataset"])
def test_a_link_with_another_pages_name_of_the_data_shows_its_runs(store: Store, name: str) -> None:
    finished(store)
    finished(store, dataset="digits", labels=50)
    app = open_runs(**{name: "digits"})
    assert not app.warning
    assert app.selectbox(key="dataset").value == DATASETS["digits"].title
    assert not any(header.value.startswith("Fashion") for header in app.header)


@pytest.mark.parametrize("name", ["data", "dataset", "state", "whose"])
def test_what_a_link_asks_of_the_list_and_there_is_not_is_said(store: Store, name: str) -> None:
    app = open_runs(**{name: "![](//host/p)"})
    assert app.warning[0].value.startswith("The link asked for “`![](//host/p)`”, which is not one of ")
    assert name not in app.query_params


@pytest.mark.parametrize(
    ("gain", "first"),
    [(0.05, "Soft-targets student"), (0.0, "Student of the teacher's answers"), (-0.5, "Student of the teacher's answers")],
)
def test_every_student_can_be_taken_the_one_that_the_verdict_names_first(
    store: Store, gain: float, first: str
) -> None:
    run_id = finished(store, gain=gain)
    for arm in three_arms().arms:
        path = artifacts.student_path(run_id, arm.key, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    app = open_runs()
    offered = [button.label for button in app.get("download_button") if "safetensors" in button.label]
    assert offered[0] == f"{first} (safetensors)"
    assert f"**Take the {first[0].lower()}{first[1:]}" in words(app)
    assert sorted(offered) == [
        "Labels-only student (safetensors)",
        "Soft-targets student (safetensors)",
        "Student of the teacher's answers (safetensors)",
    ]


def test_a_bert_student_is_taken_as_a_folder_for_transformers(store: Store) -> None:
    run_id = finished(store, dataset="glosses", teacher="glosses", student="bert-1x64")
    path = artifacts.student_path(run_id, "soft_targets", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    app = open_runs()
    assert not app.exception
    offered = [button.label for button in app.get("download_button") if "student" in button.label]
    assert offered == ["Soft-targets student (transformers folder)"]


@pytest.mark.parametrize(
    ("other", "because"),
    [
        ({"student": "linear"}, "do not start from the same weights"),
        ({"labels": 80}, "a seed does not draw the same ones"),
        ({"seeds": 2}, "5 seeds and the other 2 seeds"),
        ({"dataset": "digits"}, "on different data"),
    ],
)
def test_a_comparison_without_pairs_says_why(store: Store, other: dict[str, Any], because: str) -> None:
    app = open_runs(compare=f"{finished(store)},{finished(store, **other)}")
    assert not app.exception
    assert "No paired difference." in words(app)
    assert because in words(app)


def test_a_steered_run_does_not_pair(store: Store) -> None:
    first, claim = finished(store), store.begin(three_arms(), ME)
    claim.add_points([], step=10, steered={"temperature": 6.0, "kd_weight": 0.9})
    claim.finish("done", result=recorded_run()[0].result)
    second = claim.run_id
    app = open_runs(compare=f"{first},{second}")
    assert not app.exception
    assert "was moved while a run went on" in words(app)
    assert "steered to T 6, w 0.9" in words(app)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "names no run"),
        ("{a}", "names 1 run;"),
        ("x,y", "not in this lab's store"),
        ("{a},nothere", "not in this lab's store"),
        ("{a},{b},{a}", "names 3 runs"),
        ("{a},{a}", "the same run twice"),
        ("{a},{waiting}", "has not ended yet"),
        ("{lost},{a}", "was lost before its end"),
        ("{a},\x00", "not in this lab's store"),
        ("{a},../../etc", "not in this lab's store"),
    ],
)
def test_an_address_that_names_no_two_runs_is_told_what_to_do(store: Store, address: str, said: str) -> None:
    ids = {"a": finished(store), "b": finished(store, temperature=8.0)}
    ids |= {"waiting": store.enqueue(three_arms(epochs=3), ME), "lost": store.enqueue(three_arms(epochs=4), ME)}
    store.finish(ids["lost"], "lost")
    app = open_runs(compare=address.format(**ids))
    assert not app.exception
    assert said in words(app)
    assert "Tick two finished runs" in words(app)


def test_two_ticked_rows_lead_to_their_comparison_the_older_first(store: Store) -> None:
    older, newer = finished(store), finished(store, temperature=8.0)
    app = open_runs()
    for run_id in (newer, older):
        app.checkbox(key=f"compare-{run_id}").check()
    app.run()
    app.button(key="compare-these").click().run()
    assert not app.exception
    assert app.query_params["compare"] in (f"{older},{newer}", [f"{older},{newer}"])
    assert "| Temperature | T 2 | T 8 |" in words(app)


def test_runs_on_different_data_offer_no_comparison(store: Store) -> None:
    app = open_runs()
    ids = finished(store), finished(store, dataset="digits")
    app.run()
    for run_id in ids:
        app.checkbox(key=f"compare-{run_id}").check()
    app.run()
    assert "on different data" in words(app)
    assert not [button for button in app.button if button.key == "compare-these"]


def test_a_deleted_run_comes_back_whole_when_it_is_undone(store: Store) -> None:
    run_id = finished(store)
    app = open_runs()
    app.button(key=f"delete-{run_id}").click().run()
    assert store.get(run_id) is None
    assert "Deleted: Fashion-MNIST · default settings" in words(app)
    app.button(key=f"undo-{run_id}").click().run()
    assert store.get(run_id) is not None
    assert len(store.points(run_id)) == len(recorded_run()[1])
    assert "Deleted" not in words(app)
    assert app.checkbox(key=f"compare-{run_id}")


def test_one_press_stops_all_that_a_visitor_has_queued_and_nothing_of_others(store: Store) -> None:
    mine = [store.enqueue(three_arms(epochs=n), ME) for n in (1, 2, 3)]
    theirs = store.enqueue(three_arms(), "another")
    app = open_runs()
    button = app.button(key="stop-queued")
    assert button.label == "Stop your 3 queued runs"
    button.click().run()
    assert [store.get(run_id).state for run_id in mine] == ["cancelled"] * 3  # type: ignore[union-attr]
    assert store.get(theirs).state == "queued"  # type: ignore[union-attr]
    assert not [button for button in app.button if button.key == "stop-queued"]


def test_a_store_that_fails_while_the_page_is_open_is_told_in_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = finished(store)
    app = open_runs()

    def fail(*_: object, **__: object) -> None:
        raise StoreError("The lab's store could not be used.")

    monkeypatch.setattr(Store, "delete", fail)
    app.button(key=f"delete-{run_id}").click().run()
    assert not app.exception
    assert "could not be used" in app.toast[0].value
    assert "Deleted" not in words(app)
    monkeypatch.setattr(Store, "page", fail)
    app.run()
    assert not app.exception
    assert "could not be used" in words(app)


def test_the_list_reads_no_curves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(store)
    monkeypatch.setattr(Store, "points", lambda *_: pytest.fail("the list read a run's points"))
    assert not open_runs().exception


def keys(app: AppTest) -> list[str]:
    return [str(box.key).removeprefix("compare-") for box in app.checkbox]


def test_a_run_older_than_the_newest_page_is_found_by_owner_state_and_data(store: Store) -> None:
    mine = finished(store, dataset="digits")
    for n in range(PAGE):
        finished(store, owner="another", seeds=2, epochs=n + 1)
    waiting = store.enqueue(three_arms(), "another")
    assert mine not in keys(open_runs())
    assert keys(open_runs(whose="Yours")) == [mine]
    assert keys(open_runs(state="Queued")) == [waiting]
    assert keys(open_runs(dataset=DATASETS["digits"].title)) == [mine]
    none = open_runs(whose="Others'", dataset=DATASETS["digits"].title)
    assert keys(none) == []
    assert "None of these yet." in words(none)


def test_the_address_holds_the_page_and_a_filter_leads_to_its_first(store: Store) -> None:
    runs = [finished(store, owner="another", seeds=2, epochs=n + 1) for n in range(PAGE + 2)]
    app = open_runs(page="2")
    assert keys(app) == [runs[1], runs[0]]
    assert f"Runs {PAGE + 1} to {PAGE + 2} of {PAGE + 2}" in words(app)
    app.selectbox(key="state").select("Done").run()
    assert keys(app) == runs[: -PAGE - 1 : -1]
    assert keys(open_runs(page="77")) == keys(open_runs(page="x")) == keys(open_runs())


def test_two_runs_of_different_pages_are_compared_and_unticked(store: Store) -> None:
    runs = [finished(store, owner="another", seeds=2, epochs=n + 1) for n in range(PAGE + 1)]
    app = open_runs()
    app.checkbox(key=f"compare-{runs[-1]}").check().run()
    app.session_state["page"] = 2
    app.run()
    assert keys(app) == [runs[0]]
    assert "One run is ticked" in words(app)
    app.button(key="untick").click().run()
    assert "ticked:" not in words(app)
    app.checkbox(key=f"compare-{runs[0]}").check().run()
    app.session_state["page"] = 1
    app.run()
    app.checkbox(key=f"compare-{runs[-1]}").check().run()
    app.button(key="compare-these").click().run()
    assert app.query_params["compare"] in (f"{runs[0]},{runs[-1]}", [f"{runs[0]},{runs[-1]}"])


def test_only_the_results_of_the_page_on_show_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(PAGE + 5):
        finished(store, owner="another", seeds=2, epochs=n + 1)
    read: list[str] = []
    monkeypatch.setattr("kdlab.runs.store.read_run", lambda row: (read.append(row["id"]), read_run(row))[1])
    app = open_runs()
    assert len(keys(app)) == PAGE
    assert sorted(read) == sorted(keys(app))


def nan_result() -> str:
    result = copy.deepcopy(recorded_run()[0].result or {})
    result["arms"][0]["accuracy"][0] = float("nan")
    return json.dumps(result)


@pytest.mark.parametrize(
    "stored",
    [
        {"spec": json.dumps({"dataset": "fashion", "temperature": 900.0})},
        {"spec": json.dumps({"dataset": "a data set of tomorrow", "new": 1})},
        {"spec": "[]"},
        {"spec": "no JSON"},
        {"state": "**dreaming** ![](//host/p)"},
        {"result": "{}"},
        {"result": '{"arms": []}'},
        {"result": nan_result()},
        {"steering": "[1, 2]"},
    ],
)
def test_a_row_that_is_no_run_is_shown_as_such_beside_the_others(
    store: Store, tmp_path: Path, stored: dict[str, str]
) -> None:
    well, broken = finished(store, temperature=8.0), finished(store)
    with sqlite3.connect(tmp_path / "home" / "lab.sqlite") as lab:
        for column, value in stored.items():
            lab.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, broken))
    app = open_runs()
    assert not app.exception
    assert sorted(heading.value for heading in app.header) == ["Fashion-MNIST · T 8", "Unreadable run"]
    assert not any("//host/p" in element.value for element in (*app.markdown, *app.header))
    assert any(broken[:4] in element.value for element in app.text)
    assert store.unreadable(broken)[0].raw.count(broken)
    assert [box.key for box in app.checkbox] == [f"compare-{well}"]
    compared = open_runs(compare=f"{well},{broken}")
    assert not compared.exception
    assert "cannot be read by this lab" in words(compared)
    app.button(key=f"delete-{broken}").click().run()
    assert not app.exception
    assert [heading.value for heading in app.header] == ["Fashion-MNIST · T 8"]


@pytest.mark.parametrize("name", ["three_arms", "ladder"])
def test_points_of_a_run_without_any_are_the_line_that_names_them(name: str) -> None:
    run, rows, _ = recorded_run(name)
    header, first, *_ = points_csv(rows, run.spec).splitlines()
    assert first.count(",") == header.count(",")
    assert points_csv([], run.spec) == f"{header}\n"
