"""The section "A teacher behind an API" without a browser: typed, probed, asked, against a server on loopback."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdlab.data.registry import get_dataset
from kdlab.models import api_asking
from kdlab.models.api_asking import Asking, asking_of
from kdlab.models.api_cost import Estimate
from kdlab.models.api_teacher import Answer, ApiTeacher
from kdlab.models.endpoint import Endpoint, EndpointError, allowed_addresses
from kdlab.ui.teachers.endpoint_charts import NO_CLASS, answer_counts, answers_figure, mass_figure
from kdlab.ui.teachers.endpoint_words import (
    agreement_words,
    answers_csv,
    estimate_words,
    mass_words,
    money,
)
from tests.models.loopback_endpoint import KEY, Loopback, error, knows, loopback

ME = "me"
GLOSSES = get_dataset("glosses")


def section() -> None:
    from kdlab.ui.teachers.endpoint import show_endpoint
    from kdlab.ui.url_state import arrive

    arrive()
    show_endpoint()


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    for name in ("KDLAB_API", "KDLAB_API_HOSTS", "KDLAB_API_URL", "KDLAB_API_MODEL", "KDLAB_API_KEY", "KDLAB_API_BUDGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KDLAB_API_PRIVATE", "yes")
    monkeypatch.setattr(api_asking, "_askings", {})
    yield
    api_asking.stop_all()


@pytest.fixture
def server() -> Iterator[Loopback]:
    data = GLOSSES.load()
    assert data.text_train is not None
    with loopback() as running:
        running.usually = knows(dict(zip(data.text_train, (GLOSSES.classes[k] for k in data.y_train), strict=True)))
        yield running


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(section, default_timeout=180)
    app.session_state["visitor_id"] = ME
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def typed(server: Loopback, key: str = KEY, **query: str) -> AppTest:
    app = opened(**query)
    app.text_input(key="endpoint-url").set_value(server.url)
    app.text_input(key="endpoint-model").set_value("model-1")
    app.text_input(key="endpoint-key").set_value(key)
    return app.run()


def test_the_introduction_names_the_setting_that_a_refused_private_address_asks_for(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KDLAB_API_PRIVATE")
    with pytest.raises(EndpointError) as refused:
        allowed_addresses("127.0.0.1", 80)
    setting = re.search(r"KDLAB_\w+=yes", str(refused.value))
    assert setting
    assert f"`{setting[0]}`" in opened().markdown[0].value


def test_who_asks_the_labs_endpoint_sees_what_is_left_for_all_and_is_stopped_at_its_end(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"URL": server.url, "MODEL": "model-1", "KEY": KEY, "BUDGET": "8"}.items():
        monkeypatch.setenv(f"KDLAB_API_{name}", value)
    app = opened(texts="10")
    assert any(caption.value.startswith("8 of 8 queries a day are left") for caption in app.caption)
    app = press(app, "Ask")
    assert "is asked 8 times a day" in words(app)
    assert "0 of 8 queries a day are left" in words(app)
    assert len(server.received) == 8
    monkeypatch.setenv("KDLAB_API_BUDGET", "many")
    assert any("KDLAB_API_BUDGET" in warning.value for warning in opened().warning)


def press(app: AppTest, label: str) -> AppTest:
    """Presses it, and looks again once what it began has ended."""
    next(button for button in app.button if button.label == label).click().run()
    asking = asking_of(ME)
    assert asking is not None
    asking.wait()
    return app.run()


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.error, *app.info, *app.warning]
    drawn = [component.proto.json for component in app.get("bidi_component") if component.proto.json]
    return " ".join([*(part.value for part in parts), *drawn])


def test_without_an_address_nothing_can_be_asked_and_the_page_says_what_to_type() -> None:
    app = opened()
    assert not app.exception
    assert "Type the address and the model" in words(app)
    assert {button.label: button.disabled for button in app.button}["Ask"]


def test_the_estimate_comes_first_and_sends_nothing(server: Loopback) -> None:
    app = typed(server, texts="20", budget="5")
    assert "**21 queries**" in words(app)
    assert "The budget ends it after 5." in words(app)
    app.number_input(key="endpoint-price-prompts").set_value(1000.0).run()
    assert "in the provider's currency" in words(app)
    assert server.received == []


def test_a_probe_opens_rungs_then_the_answers_are_drawn_beside_the_known_labels(server: Loopback) -> None:
    app = press(typed(server, texts="20"), "Probe")
    assert not app.exception
    assert len(server.received) == 1
    assert ":material/lock_open: **Top-k and tail** the 6 likeliest tokens were sent; 85.0% of" in words(app)
    app = press(app, "Ask")
    assert not app.exception
    assert len(server.received) == 1 + 20, "what the probe showed is not asked again"
    assert "**20 of 20** texts answered" in words(app)
    assert "known label for **100.0%** of 20 texts" in words(app)
    assert "**85.0%** of the probability lay on the options" in words(app)
    assert "The lab's own teacher, MiniLM-L6" in words(app)
    app = press(app, "Ask")
    assert len(server.received) == 21
    assert "nothing is sent and nothing is charged" in words(app)


def test_the_key_is_shown_nowhere_and_goes_when_it_is_cleared(server: Loopback, tmp_path: Path) -> None:
    app = press(typed(server, texts="10"), "Ask")
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert KEY not in words(app) + json.dumps(app.query_params, default=str)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []
    next(button for button in app.button if button.label == "Clear the key").click().run()
    assert app.text_input(key="endpoint-key").value == ""
    assert not [value for value in app.session_state._state.filtered_state.values() if KEY in str(value)]


@pytest.mark.parametrize("name", ["endpoint-url", "endpoint-key", "url"])
def test_a_link_cannot_say_where_a_key_goes(name: str) -> None:
    app = opened(**{name: "https://evil.example.org/v1"})
    assert app.text_input(key="endpoint-url").value == ""


def test_a_fault_is_a_sentence_with_what_to_do_and_no_markup_of_a_stranger(server: Loopback) -> None:
    server.usually = error(400, "![x](http://evil.example.org/x.png)")
    app = press(typed(server), "Probe")
    (told,) = app.error
    assert "does not take this request" in told.value
    assert "![x](" not in told.value
    app = typed(server, key="two words")
    assert any("Copy it again" in warning.value.replace("\\", "") for warning in app.warning)


def test_the_owner_turns_endpoints_off_lists_hosts_or_lends_an_endpoint(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDLAB_API", "off")
    app = opened()
    assert "turned off in this lab" in app.info[0].value
    assert not app.text_input
    monkeypatch.delenv("KDLAB_API")
    monkeypatch.setenv("KDLAB_API_HOSTS", "api.example.com")
    assert "may not ask" in typed(server).warning[0].value
    monkeypatch.setenv("KDLAB_API_HOSTS", "api.example.com 127.0.0.1")
    monkeypatch.setenv("KDLAB_API_URL", server.url)
    monkeypatch.setenv("KDLAB_API_MODEL", "model-1")
    monkeypatch.setenv("KDLAB_API_KEY", KEY)
    app = opened(texts="10")
    assert not app.text_input
    assert "Its key comes from KDLAB_API_KEY" in words(app)
    press(app, "Ask")
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert KEY not in words(app)


def test_without_a_home_nothing_is_asked_and_the_rest_of_the_page_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "file"))
    app = opened()
    assert not app.exception
    assert "cannot write to its home folder" in app.error[0].value


def test_while_it_asks_it_can_be_paused_and_stopped_and_no_second_begins(server: Loopback) -> None:
    usually, held = server.usually, []

    def turn(handler, payload) -> None:
        held.append(payload)
        handler.server.released.wait()
        usually(handler, payload)

    app = typed(server, texts="10", at_once="1")
    server.usually = turn
    next(button for button in app.button if button.label == "Ask").click().run()
    labels = {button.label: button.disabled for button in app.button}
    assert labels["Ask"]
    assert labels["Probe"]
    next(button for button in app.button if button.label == "Pause").click().run()
    assert "Nothing is sent until you resume" in words(app)
    next(button for button in app.button if button.label == "Resume").click().run()
    next(button for button in app.button if button.label == "Stop").click().run()
    server.released.set()
    asking = asking_of(ME)
    assert asking is not None
    asking.wait()
    app.run()
    assert "Stopped" in words(app)
    assert len(server.received) <= 2


# Words and figures


def answers(*labels: int | None, p: float | None = None) -> list[Answer]:
    probabilities = None if p is None else np.array([p, 1 - p, 0.0])
    return [
        Answer(label, probabilities, None if p is None else np.array([True, True, False]), p or 0.0, position=place)
        for place, label in enumerate(labels)
    ]


def test_answers_are_counted_by_known_label_and_those_without_a_class_apart() -> None:
    counts = answer_counts([0, 0, 1, 2], [0, 1, 1, None], 3)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    figure = answers_figure(counts, ("a", "b", "c"))
    assert figure["layout"]["xaxis"]["ticktext"] == ["a", "b", "c", NO_CLASS]
    assert answers_figure(counts[:2], ("a", "b", "c")[:3])["layout"]["xaxis"]["ticktext"] == ["a", "b", "c"]
    assert sum(int(text) for text in figure["data"][1]["text"]) == 4


def test_masses_are_all_in_the_histogram_also_at_its_ends() -> None:
    assert sum(mass_figure([0.0, 0.5, 1.0])["data"][0]["y"]) == 3


def test_agreement_counts_what_got_no_class_as_wrong_and_has_an_interval() -> None:
    told = agreement_words([0, 1, 1, 2], answers(0, 1, 0, None))
    assert "**50.0%** of 4 texts" in told
    assert "15.0% to 85.0%" in told
    assert "1 got no class" in told


def test_a_class_that_was_not_shown_is_said_to_be_bounded() -> None:
    assert "In 2 of 2 answers a class was not among" in mass_words(answers(0, 1, p=0.7))
    assert mass_words(answers(0, 1)) == ""


def test_the_csv_has_text_label_and_probability_and_no_text_without_a_class() -> None:
    came = dict(enumerate(answers(0, None, 1, p=0.75)))
    rows = list(csv.DictReader(io.StringIO(answers_csv(['a "b", c', "d", "e"], ("x", "y", "z"), came))))
    assert rows == [
        {"text": 'a "b", c', "label": "x", "probability": "0.75"},
        {"text": "e", "label": "y", "probability": "0.25"},
    ]
    assert answers_csv(["a"], ("x",), dict(enumerate(answers(0)))).endswith("a,x,\n")


def test_estimates_and_money_are_said_with_enough_digits() -> None:
    assert (money(12.345), money(0.01234), money(0.0000031)) == ("12.35", "0.012", "0.000003")
    assert estimate_words(Estimate(5, 5, 0, 0, 0, None), 9).startswith("All 5 texts are answered already")
    assert "2 of the texts are answered already" in estimate_words(Estimate(5, 2, 3, 300, 3, 0.5), 9)


def answered(dataset: str) -> Asking:
    """An asking that goes on, with one answer."""
    with loopback() as running:
        teacher = ApiTeacher(Endpoint(running.url, "m"), ("x", "y"), Path("unused"), budget=1)
        asking = Asking(teacher, dataset, [0], ["a"])
    asking._answers[0] = answers(0)[0]
    return asking


def over(dataset: str) -> Asking:
    """One that has ended, with one answer."""
    asking = answered(dataset)
    asking._teacher = None
    return asking


def test_an_asking_about_a_set_that_is_gone_is_no_crash() -> None:
    def gone() -> None:
        import streamlit as st

        from kdlab.ui.teachers.endpoint_answers import watch

        watch(st.session_state["asking"], False)

    app = AppTest.from_function(gone, default_timeout=180)
    app.session_state["asking"] = over("own-0123456789abcdef")
    app.run()
    assert not app.exception


def test_an_asking_that_ends_while_its_page_is_drawn_has_the_page_drawn_again() -> None:
    def page() -> None:
        import streamlit as st

        from kdlab.ui.teachers.endpoint_answers import watch

        st.session_state["goes_on"].append(not st.session_state["goes_on"])  # as the buttons above found it
        watch(st.session_state["asking"], st.session_state["goes_on"][-1])

    app = AppTest.from_function(page, default_timeout=180)
    app.session_state["asking"], app.session_state["goes_on"] = over("own-0123456789abcdef"), []
    app.run()
    assert not app.exception
    assert app.session_state["goes_on"] == [True, False]


@pytest.mark.parametrize("ended", [True, False])
def test_what_another_tab_began_meanwhile_is_waited_for_before_it_is_offered(ended: bool) -> None:
    def page() -> None:
        import streamlit as st

        from kdlab.ui.teachers.endpoint_answers import watch

        watch(st.session_state["asking"], False)  # nothing went on when the buttons were drawn

    app = AppTest.from_function(page, default_timeout=180)
    app.session_state["asking"] = (over if ended else answered)("glosses")
    app.run()
    assert not app.exception
    assert bool(app.get("download_button")) is ended
    assert [button.label for button in app.button] == (["Make it a teacher"] if ended else [])
