"""The data that were chosen on one page are those of the next, under whichever name it has them in its address."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).parents[2] / "kdlab" / "main.py"


class Visit:
    """A visitor who goes from page to page by the navigation, which leaves addresses without parameters."""

    def __init__(self) -> None:
        self.app = AppTest.from_file(MAIN, default_timeout=60).run()

    def go(self, page: str, **query: str) -> AppTest:
        self.app.query_params.clear()
        for name, value in query.items():
            self.app.query_params[name] = value
        self.app.switch_page(f"../pages/{page}.py").run()
        assert not self.app.exception
        return self.app


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Visit:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    st.cache_resource.clear()
    return Visit()


@pytest.mark.parametrize("looks", ["soft_targets", "loss", "access"])
def test_data_chosen_for_a_run_are_those_whose_examples_are_looked_at_and_the_other_way_round(visit, looks):
    visit.go("distill").selectbox(key="dataset").set_value("digits").run()
    app = visit.go(looks)
    assert app.segmented_control(key="data").value == app.query_params["data"] == "digits"
    app.segmented_control(key="data").set_value("languages").run()
    app = visit.go("distill")
    assert app.selectbox(key="dataset").value == app.query_params["dataset"] == "languages"
    app.selectbox(key="dataset").set_value("fashion").run()  # the default, which no address names
    assert visit.go(looks).segmented_control(key="data").value == "fashion"


@pytest.mark.parametrize("name", ["data", "dataset"])
def test_a_link_by_either_name_is_a_choice_for_the_next_page(visit, name):
    for page, other in (("distill", "loss"), ("loss", "distill")):
        visit.go(page, **{name: "digits"})
        assert "digits" in visit.go(other).query_params.values()
        assert not visit.app.warning


def test_what_does_not_fit_the_other_data_is_dropped_on_the_way(visit):
    visit.go("soft_targets", example="1999", of="Sneaker")
    visit.go("distill").selectbox(key="dataset").set_value("digits").run()
    app = visit.go("soft_targets")
    assert dict(app.query_params) == {"data": "digits"}
    assert app.session_state["teacher"] == "digits"
    assert not app.warning


def test_a_text_outlasts_a_way_back_to_its_data_and_no_other_data(visit):
    visit.go("soft_targets", data="languages", text="kde je")
    app = visit.go("distill")
    app.button(key="preset-Digits").click().run()
    app.button(key="preset-Languages").click().run()
    assert "text" in visit.go("soft_targets").query_params  # these data are those that it was typed for
    visit.go("distill").button(key="preset-Digits").click().run()
    assert "text" not in visit.go("loss").query_params
    visit.go("distill", dataset="languages")
    assert "text" not in visit.go("soft_targets").query_params


def test_numbers_of_ones_own_outlast_the_pages_that_train_and_other_data(visit):
    visit.go("loss", data="own", p="2,7,10", numbers="logits")
    assert visit.go("distill").selectbox(key="dataset").value == "fashion"
    now = visit.go("soft_targets").query_params
    assert {name: now[name] for name in ("data", "p", "numbers")} == {"data": "own", "p": "2,7,10", "numbers": "logits"}
    visit.go("distill").selectbox(key="dataset").set_value("digits").run()
    app = visit.go("soft_targets")
    assert dict(app.query_params) == {"data": "digits"}
    app.segmented_control(key="data").set_value("own").run()
    assert app.text_input(key="p").value == "2,7,10"
    assert app.session_state["numbers"] == "logits"


def test_a_run_that_is_opened_brings_its_data_to_the_next_page(visit):
    from kdlab.runs.recipes import three_arms
    from kdlab.runs.store import Store

    run_id = Store().enqueue(three_arms(dataset="digits", labels=50, transfer=100), "ann")
    visit.go("soft_targets", example="31")
    visit.go("distill", run=run_id)
    assert dict(visit.go("loss").query_params) == {"data": "digits"}
