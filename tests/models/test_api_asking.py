"""Endpoints asked in the server for its visitors: one at a time each, steered from any page, the key let go at the end."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kdlab.models import api_asking
from kdlab.models.api_asking import Asking, asking_of, begin, stop_all
from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import EndpointError
from tests.models import loopback_endpoint as server_side
from tests.models.loopback_endpoint import KEY, RIGHT, TEXTS, Loopback, answer, error


@pytest.fixture(autouse=True)
def nobody_asked(monkeypatch: pytest.MonkeyPatch, server: Loopback) -> Iterator[None]:
    monkeypatch.setattr(api_asking, "_askings", {})
    yield
    server.released.set()
    stop_all()


def asked(teacher: ApiTeacher, texts: list[str] = TEXTS) -> Asking:
    return Asking(teacher, "glosses", range(len(texts)), texts)


def test_an_asking_goes_on_by_itself_and_its_answers_stand_by_their_texts(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = asked(teacher())
    begin("ann", asking)
    asking.wait()
    assert asking_of("ann") is asking
    assert (asking.goes_on, asking.fault) == (False, "")
    assert [asking.answers[place].label for place in range(len(TEXTS))] == RIGHT
    assert (asking.progress.answered, asking.progress.queries) == (12, 13)
    assert asking.probed is not None
    assert asking.probed.rungs.top_k == 6


def test_when_it_has_ended_nobody_holds_the_endpoint_and_its_key(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = asked(teacher())
    assert asking._teacher is not None
    held = weakref.ref(asking._teacher.endpoint)
    begin("ann", asking)
    asking.wait()
    gc.collect()
    assert held() is None


def test_a_probe_alone_asks_about_no_text_and_its_result_is_used_by_the_asking(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    begin("ann", asked(teacher(), []))
    asking_of("ann").wait()  # type: ignore[union-attr]
    assert len(server.received) == 1
    probed = asking_of("ann").probed  # type: ignore[union-attr]
    begin("ann", asked(teacher(probed=probed)))
    asking_of("ann").wait()  # type: ignore[union-attr]
    assert len(server.received) == 1 + len(TEXTS)
    list(teacher(model="model-2", probed=probed).ask(TEXTS))
    assert len(server.received) == 1 + len(TEXTS) + 1 + len(TEXTS), "another model is probed anew"
    again = teacher(probed=probed)
    again.forget_probe()
    again.probe()
    assert len(server.received) == 1 + len(TEXTS) + 1 + len(TEXTS) + 1


def test_a_visitor_has_one_asking_at_a_time_and_does_not_hold_up_others(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.script.append(server_side.silence)
    first = asked(teacher())
    begin("ann", first)
    with pytest.raises(EndpointError, match="Stop that first"):
        begin("ann", asked(teacher()))
    while not server.received:  # until then the silence might be ben's
        time.sleep(0.01)
    begin("ben", asked(teacher(model="model-1b")))
    asking_of("ben").wait()  # type: ignore[union-attr]
    assert len(asking_of("ben").answers) == len(TEXTS)  # type: ignore[union-attr]
    assert first.goes_on


def test_it_is_paused_resumed_and_stopped_from_outside(server: Loopback, teacher: Callable[..., ApiTeacher]):
    asking = asked(teacher())
    paused = threading.Event()

    def turn(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        asking.pause()
        paused.set()
        answer()(handler, payload)

    server.script.extend([answer(), turn])
    begin("ann", asking)
    paused.wait()
    while len(asking.answers) < 1:
        time.sleep(0.01)
    assert asking.paused
    assert asking.goes_on
    assert len(server.received) == 2
    asking.go_on()
    while len(asking.answers) < 2:
        time.sleep(0.01)
    asking.stop()
    asking.wait()
    assert not asking.paused


def test_a_pause_that_lasts_ends_it_and_lets_the_key_go(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api_asking, "LONGEST_PAUSE", 0.05)
    asking = asked(teacher())
    asking.pause()
    begin("ann", asking)
    asking.wait(30)
    assert not asking.goes_on
    assert len(server.received) <= 1


def test_a_pause_from_two_tabs_that_one_resumed_does_not_end_it(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api_asking, "LONGEST_PAUSE", 0.5)
    asking = asked(teacher())
    asking.pause()
    asking.pause()
    asking.go_on()
    began = threading.Event()

    def turn(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        began.wait(1.5)  # as long as the forgotten pause might take to end it
        answer()(handler, payload)

    server.script.append(turn)
    begin("ann", asking)
    asking.wait(30)
    assert len(asking.answers) == len(TEXTS)


def test_a_server_that_ends_leaves_no_paused_asking_behind(server: Loopback, teacher: Callable[..., ApiTeacher]):
    asking = asked(teacher())
    server.script.append(lambda handler, payload: (asking.pause(), answer()(handler, payload))[1])
    begin("ann", asking)
    while not asking.paused:
        time.sleep(0.01)
    stop_all()
    assert not asking.goes_on


def test_a_fault_is_told_and_what_was_answered_stays(server: Loopback, teacher: Callable[..., ApiTeacher]):
    server.script.extend([answer(), answer()])
    server.usually = error(401, "expired")
    asking = asked(teacher())
    begin("ann", asking)
    asking.wait()
    assert "does not accept the key" in asking.fault
    assert len(asking.answers) == 1


def test_an_error_of_the_labs_own_is_told_without_its_words(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: Any) -> None:
        raise RuntimeError(KEY)

    monkeypatch.setattr(ApiTeacher, "ask", fails)
    asking = asked(teacher())
    begin("ann", asking)
    asking.wait()
    assert "RuntimeError" in asking.fault
    assert KEY not in asking.fault


def test_of_many_askings_the_oldest_that_ended_are_forgotten(
    server: Loopback, teacher: Callable[..., ApiTeacher], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api_asking, "_MOST", 2)
    for visitor in ("ann", "ben", "cat"):
        begin(visitor, asked(teacher(), []))
        asking_of(visitor).wait()  # type: ignore[union-attr]
    assert [asking_of(visitor) is None for visitor in ("ann", "ben", "cat")] == [True, False, False]
