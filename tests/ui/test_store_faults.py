"""A store that fails is told in words on every page that reads it, and nowhere is a traceback shown."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Store
from kdlab.ui.home.pieces import device_line
from kdlab.ui.run import silence

MAIN = Path(__file__).parents[2] / "kdlab" / "main.py"
PAGES = ("home", "soft_targets", "loss", "distill", "teachers", "runs")


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    st.cache_resource.clear()
    return tmp_path / "home"


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(f"../pages/{name}.py")
    return app


def said(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.error, *app.warning, *app.info))


@pytest.mark.parametrize("name", ["distill", "runs"])
def test_a_store_deleted_under_the_lab_is_said_and_the_page_is_back_when_it_is(lab_home: Path, name: str) -> None:
    run_id = Store().enqueue(three_arms(), "someone")
    app = page(name, run=run_id).run()
    assert not app.exception
    path, away = lab_home / "lab.sqlite", lab_home / "away"
    path.rename(away)
    app.run()
    assert not app.exception
    assert "deleted or moved away" in said(app)
    away.rename(path)
    app.run()
    assert not app.exception
    assert "deleted or moved away" not in said(app)
    assert Store().get(run_id) is not None


@pytest.mark.parametrize("name", ["distill", "runs"])
def test_a_damaged_store_is_said(lab_home: Path, name: str) -> None:
    Store()
    app = page(name, run="0123456789ab").run()
    with sqlite3.connect(lab_home / "lab.sqlite") as raw:
        raw.execute("DROP TABLE points")
        raw.execute("DROP TABLE runs")
    app.run()
    assert not app.exception
    assert "could not be used" in said(app)


@pytest.mark.parametrize("name", ["\0", "a\0b", "../../etc", "[x](y)"])
def test_an_address_that_names_no_run_opens_the_page(name: str) -> None:
    app = page("distill", run=name).run()
    assert not app.exception


@pytest.mark.parametrize("stored", ["[]", "7", "null", "{}", '{"cut', '{"name": [1], "device": 2, "torch": 3}'])
def test_a_damaged_note_on_the_device_hides_no_page(lab_home: Path, stored: str) -> None:
    lab_home.mkdir()
    (lab_home / "device.json").write_text(stored, encoding="utf-8")
    assert device_line().startswith("Runs ")


def test_an_unreadable_run_leaves_every_page_standing(lab_home: Path) -> None:
    store = Store()
    run_id = store.enqueue(three_arms(), "someone")
    sound = store.enqueue(three_arms(epochs=7), "someone")
    with sqlite3.connect(lab_home / "lab.sqlite") as raw:
        raw.execute("UPDATE runs SET spec = '[]' WHERE id = ?", (run_id,))
    for name in PAGES:
        app = page(name, run=run_id).run()
        assert not app.exception, name
    assert "cannot be read by this lab" in said(page("distill", run=run_id).run())
    app = page("runs").run()
    assert any(sound in str(button.key) for button in app.button)
    assert any(run_id[:4] in text.value and "its settings" in text.value for text in app.text)


def test_what_an_unreadable_run_holds_is_shown_as_plain_text(lab_home: Path) -> None:
    store = Store()
    run_id = store.enqueue(three_arms(), "someone")
    with sqlite3.connect(lab_home / "lab.sqlite") as raw:
        raw.execute("UPDATE runs SET spec = ? WHERE id = ?", ('{"teacher": "![](//host/p)"}', run_id))
    app = page("runs").run()
    assert any("![](//host/p)" in text.value for text in app.text)
    assert not any("//host/p" in element.value for element in (*app.markdown, *app.info, *app.caption))


def test_ones_own_unreadable_run_can_be_deleted_and_brought_back(lab_home: Path) -> None:
    store = Store()
    app = page("runs").run()
    run_id = store.enqueue(three_arms(), app.session_state["visitor_id"])
    store.finish(run_id, "failed")
    with sqlite3.connect(lab_home / "lab.sqlite") as raw:
        raw.execute("UPDATE runs SET spec = '[]' WHERE id = ?", (run_id,))
    app.run().button(key=f"delete-{run_id}").click().run()
    assert store.unreadable() == []
    app.button(key=f"undo-{run_id}").click().run()
    assert not app.exception
    assert [row.id for row in store.unreadable()] == [run_id]


def test_no_visitor_sees_where_the_lab_lies() -> None:
    assert config.get_option("client.showErrorDetails") == "none"


def test_a_run_whose_store_cannot_be_written_is_said_to_go_on(
    lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "_LONG", 0.0)
    claim = Store().begin(three_arms(), "someone")
    app = page("distill", run=claim.run_id).run()
    assert "its process is held up" in said(app)
    with sqlite3.connect(lab_home / "lab.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "database is locked" in said(app.run())
        assert "The run goes on meanwhile" in said(app)
        other.execute("ROLLBACK")
    monkeypatch.undo()
    claim.beat()
    app.run()
    assert "held up" not in said(app)
    assert "meanwhile" not in said(app)


def test_a_sixth_launch_says_what_to_do(lab_home: Path) -> None:
    app = page("distill").run()
    app.button(key="launch").click().run()
    (first,) = Store().list_runs()
    for epochs in range(1, 5):
        Store().enqueue(three_arms(epochs=epochs), first.owner)
    app.button(key="preset-Digits").click().run()
    app.button(key="launch").click().run()
    assert len(Store().list_runs()) == 5
    assert "You have 5 runs" in said(app)
    assert "stop one on the Runs page" in said(app)


def test_a_resumed_run_that_waits_says_from_where_it_goes_on(lab_home: Path) -> None:
    store = Store()
    claim = store.begin(three_arms(), "someone")
    store.command(claim.run_id, "someone", "pause")
    claim.acknowledge("pause", "paused")
    claim.add_points([], step=120)
    claim.release()
    store.command(claim.run_id, "someone", "resume")
    steps = three_arms().total_steps
    told = " ".join(text.value for text in page("distill", run=claim.run_id).run().markdown)
    assert f"paused at step 120 of {steps:,}; place 1 of 1 in the queue: it goes on from there" in told
