"""What a teacher makes of an endpoint that fails: it waits, or stops with a sentence, and loses nothing."""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import Endpoint, EndpointError
from kdlab.models.endpoint_faults import retry_after
from tests.models import loopback_endpoint as server_side
from tests.models.loopback_endpoint import (
    CLASSES,
    RIGHT,
    START,
    TEXTS,
    Clock,
    Loopback,
    answer,
    by_position,
    error,
    labels,
    loopback,
    plain,
    refuses,
    says,
)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"retry_after_ms": "2500", "retry_after": "9"}, 2.5),
        ({"retry_after": email.utils.formatdate(START + 30, usegmt=True)}, 30.0),
    ],
    ids=["seconds", "milliseconds", "date"],
)
def test_throttling_waits_as_long_as_it_is_told(
    headers: dict[str, str], least: float, server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    server.script.append(error(429, "slow down", "rate_limit_exceeded", **headers))
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert sum(clock.slept) == pytest.approx(least)
    assert asking.progress.queries == 1 + len(TEXTS), "what was turned away is not charged"


def test_how_long_the_endpoint_wants_to_be_left_alone_is_told_while_it_lasts(
    server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(asking.progress.waits)
        clock.sleep(seconds)

    asking = teacher(sleep=sleep)
    server.script.append(error(429, "slow down", retry_after="7"))
    asking.probe()
    assert waits == [pytest.approx(7)]
    assert asking.progress.waits == 0


def test_throttling_without_a_word_backs_off_further_each_time(
    server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    server.script.extend([error(429, "slow down")] * 4)
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert len(clock.slept) == 4
    for waited, about in zip(clock.slept, (1, 2, 4, 8), strict=True):
        assert 0.7 * about < waited < 1.3 * about


def test_throttling_for_ever_ends_with_a_sentence(
    server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    server.usually = error(429, "slow down", retry_after="0")
    with pytest.raises(EndpointError, match=r"turns requests away.*go on later"):
        teacher().probe()
    assert len(server.received) == 8
    assert min(clock.slept) >= 1


def test_a_throttled_thread_holds_the_others_back(
    server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    asleep, over = threading.Semaphore(0), threading.Event()

    def sleep(seconds: float) -> None:
        asleep.release()
        over.wait()
        clock.sleep(seconds)

    asking = teacher(concurrency=2, sleep=sleep)
    asking.probe()
    server.script.append(error(429, "slow down", retry_after="60"))
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: labels(asking.ask(TEXTS)))
        both = [asleep.acquire(timeout=60) for _ in range(2)]  # while texts are left, who is not held asks about them
        over.set()
        assert both == [True, True]
        assert found.result() == RIGHT


def test_a_long_retry_after_parks_and_says_when_to_go_on(
    server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    server.script.extend([answer(), error(429, "daily limit", retry_after="900")])
    with pytest.raises(EndpointError, match=r"pause of 15 minutes.*is kept") as parked:
        list(asking.ask(TEXTS))
    assert clock.slept == []
    assert asking.progress.note == str(parked.value)
    assert labels(teacher().ask(TEXTS)) == RIGHT
    assert server.texts.count(TEXTS[0]) == 1


@pytest.mark.parametrize("status", [429, 402, 403])
def test_an_account_without_credit_stops_at_once(
    status: int, server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    server.usually = error(status, "You exceeded your current quota", "insufficient_quota")
    with pytest.raises(EndpointError, match=r"no credit left.*Add credit"):
        teacher().probe()
    assert len(server.received) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    "fault",
    [plain(500, "oops"), plain(503, "", retry_after="3"), plain(502, "<html>", "text/html"), server_side.cut],
    ids=["500", "503", "502", "cut"],
)
def test_a_passing_fault_is_tried_again(
    fault: server_side.Turn, server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    server.script.extend([answer(), fault, fault])
    assert labels(asking.ask(TEXTS)) == RIGHT
    assert len(clock.slept) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (plain(500, "oops"), "is in trouble.*Go on later"),
        (server_side.cut, "cannot be reached, or cut the connection.*go on"),
        (server_side.floods, "cut the connection.*go on"),
    ],
    ids=["500", "cut", "flood"],
)
def test_a_lasting_fault_ends_after_four_tries(
    fault: server_side.Turn, words: str, server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = fault
    with pytest.raises(EndpointError, match=words):
        teacher().probe()
    assert len(server.received) == 4


@pytest.mark.parametrize("fault", [server_side.silence, server_side.drips], ids=["silent", "dripping"])
def test_an_endpoint_that_does_not_answer_in_time_is_given_up_and_each_try_may_be_charged(
    fault: server_side.Turn, server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.usually = fault
    asking = teacher(timeout=0.2)
    with pytest.raises(EndpointError, match="did not answer in time"):
        asking.probe()
    assert asking.progress.queries == 4


def test_headers_that_come_letter_by_letter_are_not_waited_for(server: Loopback, teacher: Callable[..., ApiTeacher]):
    whole: list[bool] = []

    def drips(handler: server_side.Handler, _: dict[str, Any]) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        for _letter in range(300):
            handler.server.released.wait(0.01)
            handler.wfile.write(b"x")
        whole.append(True)

    server.usually = drips
    with pytest.raises(EndpointError, match="did not answer in time"):
        teacher(timeout=0.2).probe()
    assert whole == []


@pytest.mark.parametrize(
    ("fault", "charged"),
    [(server_side.cut, 1), (plain(504, "gateway timeout"), 1), (plain(502, "bad gateway"), 0), (error(429, "slow"), 0)],
    ids=["cut", "504", "502", "429"],
)
def test_what_was_sent_and_has_no_known_outcome_may_have_been_charged(
    fault: server_side.Turn, charged: int, server: Loopback, teacher: Callable[..., ApiTeacher]
):
    server.script.append(fault)
    asking = teacher()
    asking.probe()
    assert asking.progress.queries == 1 + charged


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:{}/v1", "cannot be reached"), ("http://nobody.invalid:{}/v1", "No machine called")],
    ids=["nobody listens", "no such name"],
)
def test_what_was_never_sent_is_an_error_in_words_and_not_charged(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path: Path
):
    monkeypatch.setenv("KDLAB_API_PRIVATE", "yes")
    with loopback() as gone:
        url = url.format(gone.server_port)
    asking = ApiTeacher(Endpoint(url, "m"), CLASSES, tmp_path, budget=9, now=clock.now, sleep=clock.sleep)
    with pytest.raises(EndpointError, match=words):
        asking.probe()
    assert asking.progress.queries == 0


def test_a_server_without_tls_is_never_sent_the_question(server: Loopback, clock: Clock, tmp_path: Path):
    endpoint = Endpoint(server.url.replace("http:", "https:"), "m")
    asking = ApiTeacher(endpoint, CLASSES, tmp_path, budget=9, now=clock.now, sleep=clock.sleep)
    with pytest.raises(EndpointError, match="cannot be reached"):
        asking.probe()
    assert (asking.progress.queries, server.received) == (0, [])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (plain(200, "<!DOCTYPE html><html>Welcome", "text/html"), "a web page where a chat completion"),
        (plain(404, "<html>Not found", "text/html"), "most addresses end in /v1"),
        (plain(200, "[1, 2"), "something else where a chat completion"),
        (plain(200, "{}"), "something else"),
        (plain(200, '{"choices": []}'), "something else"),
        (plain(200, "[" * 50_000), "something else"),
        (plain(200, '{"error": {"message": "upstream is away"}}'), "upstream is away"),
        (plain(204, ""), "something else"),
        (error(404, "no such model", "model_not_found"), "knows no model model-1"),
        (error(400, "invalid model", param="model"), "knows no model model-1"),
        (error(401, "wrong key"), "does not accept the key"),
        (plain(418, "teapot", "text/plain"), "something else"),
    ],
    ids=[
        "html",
        "404",
        "cut-json",
        "empty",
        "no-choice",
        "nested",
        "error-in-200",
        "204",
        "wrong-model",
        "wrong-model-400",
        "key",
        "teapot",
    ],
)
def test_an_answer_that_no_retry_changes_is_one_sentence(
    fault: server_side.Turn, words: str, server: Loopback, clock: Clock, teacher: Callable[..., ApiTeacher]
):
    server.usually = fault
    with pytest.raises(EndpointError, match=words):
        teacher().probe()
    assert clock.slept == []
    assert len(server.received) <= 2


def test_a_redirect_is_not_followed(server: Loopback, teacher: Callable[..., ApiTeacher]):
    with loopback() as elsewhere:
        server.usually = plain(307, "", location=f"{elsewhere.url}/chat/completions")
        with pytest.raises(EndpointError, match="sends on to another address"):
            teacher().probe()
        assert elsewhere.received == []


def test_a_text_that_is_refused_has_no_label_stops_nothing_and_is_not_asked_again(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    refused = [error(400, "content filter"), answer(), error(413, "too long"), *[answer()] * 8, error(403, "unsafe")]
    server.script.extend(refused)
    expected = [None, RIGHT[1], None, *RIGHT[3:11], None]
    assert labels(asking.ask(TEXTS)) == expected
    asked = len(server.received)
    again = by_position(teacher().ask(TEXTS))
    assert ([found.label for found in again], {found.kept for found in again}) == (expected, {True})
    assert len(server.received) == asked


def test_refusals_on_disk_are_no_refusals_in_a_row(server: Loopback, teacher: Callable[..., ApiTeacher]):
    one_and_two_refused = [answer(), *[error(400, "content filter")] * 2]
    for first in (0, 3):
        asking = teacher()
        asking.probe()
        server.script.extend(one_and_two_refused)
        list(asking.ask(TEXTS[first : first + 3]))
    server.script.extend([answer(), *one_and_two_refused])
    assert labels(teacher().ask(TEXTS)) == [right if i % 3 == 0 or i > 8 else None for i, right in enumerate(RIGHT)]


@pytest.mark.parametrize("stopped", [False, True], ids=["two are left", "stopped after two"])
def test_a_key_that_is_refused_takes_no_text_from_whoever_has_a_good_one(
    stopped: bool, server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    server.script.extend([error(403, "wrong key")] * 2)
    answers = asking.ask(TEXTS if stopped else TEXTS[:2])
    assert [next(answers).label for _ in range(2)] == [None, None]
    if stopped:
        asking.stop()
    list(answers)
    assert labels(teacher().ask(TEXTS)) == RIGHT


def test_logprobs_that_are_refused_after_the_probe_close_the_rung_and_cost_no_text(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    assert asking.probe().top_k > 0
    server.script.extend([answer(), refuses("logprobs", message="logprobs are not supported")])
    server.usually = answer(logprobs=False)
    found = by_position(asking.ask(TEXTS))
    assert [one.label for one in found] == RIGHT
    assert [one.captured_mass > 0 for one in found] == [True] + [False] * (len(TEXTS) - 1)
    assert asking.probed is not None
    assert asking.probed.rungs.top_k == 0
    assert "then refused" in asking.probed.rungs.note
    assert len(server.received) == 1 + len(TEXTS) + 1
    assert "logprobs" not in server.received[-1]


def test_of_an_answer_no_more_is_kept_than_an_answer_needs(
    server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path
):
    many = {f"{k} {'x' * 5_000}": 1e-3 for k in range(100)}
    server.usually = says("A" + " and so on" * 10_000, {"A": 0.4, **many})
    assert len(by_position(teacher().ask(TEXTS[:2]))) == 2
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) < 2 * 4000


def test_an_endpoint_that_refuses_one_text_after_another_is_an_error_and_not_the_texts_fault(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    asking = teacher()
    asking.probe()
    server.usually = error(400, "not any more")
    with pytest.raises(EndpointError, match="not any more"):
        list(asking.ask(TEXTS))
    assert len(server.received) == 1 + 3
    server.usually = answer()
    assert labels(teacher().ask(TEXTS)) == RIGHT


def test_what_was_on_its_way_at_a_fault_is_kept_and_handed_out(
    server: Loopback, teacher: Callable[..., ApiTeacher]
):
    arrived = threading.Event()

    def slow(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        arrived.wait()
        answer()(handler, payload)

    def fatal(handler: server_side.Handler, payload: dict[str, Any]) -> None:
        error(401, "expired")(handler, payload)
        arrived.set()

    asking = teacher(concurrency=2)
    asking.probe()
    server.script.extend([slow, fatal])
    server.usually = error(401, "expired")
    found = []
    with pytest.raises(EndpointError, match="does not accept the key"):
        found.extend(asking.ask(TEXTS))
    assert len(found) == 1
    server.usually = answer()
    again = by_position(teacher().ask(TEXTS))
    assert [a.position for a in again if a.kept] == [found[0].position]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "5"}, 5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "x", "retry-after": "4"}, 4),
        ({"retry-after": email.utils.formatdate(START - 50, usegmt=True)}, 0),
        ({"retry-after": "Mon, 99 Foo 2026 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_or_ignored(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers, START) == seconds
