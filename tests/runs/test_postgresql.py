"""PostgreSQL as the lab's store: whatever is wrong with it is a sentence, and the password is never shown."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest
import streamlit as st

from kdlab.runs.backends import Ended
from kdlab.runs.dispatcher import Dispatcher
from kdlab.runs.store import Store, StoreError
from kdlab.ui.run.store import lab_store
from tests.postgresql import PASSWORD, PostgreSQL

if TYPE_CHECKING:
    from conftest import AppServer

WRONG = "another-not-to-be-seen"


@pytest.fixture
def locked_out(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab is given a wrong password."""
    monkeypatch.setenv("KDLAB_DATABASE_URL", postgresql.url(password=WRONG))


def is_a_sentence(text: str) -> bool:
    return "Traceback" not in text and PASSWORD not in text and WRONG not in text


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda server: server.url(password=WRONG), "password authentication failed"),
        (lambda server: server.url("nosuch"), 'database "nosuch" does not exist'),
        (lambda server: server.url() + "?sslkey=a&nosuch=b", "invalid connection option"),
        (lambda server: server.url().replace("127.0.0.1", "nosuch.invalid"), "failed to resolve host"),
        (lambda server: server.url().partition("@")[0] + "@127.0.0.1:1/lab", "port 1 failed: Connection refused"),
    ],
)
def test_a_server_that_does_not_let_the_lab_in_is_one_line_without_its_password(
    postgresql: PostgreSQL, spoil: Callable[[PostgreSQL], str], said: str
) -> None:
    with pytest.raises(StoreError, match="See that the database that KDLAB_DATABASE_URL names is up") as caught:
        Store(spoil(postgresql))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert is_a_sentence(str(caught.value))


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install -r requirements-postgresql\.txt") as caught:
        Store(f"postgresql+psycopg://lab:{PASSWORD}@127.0.0.1/lab")
    assert is_a_sentence(str(caught.value))


def test_a_server_that_was_away_is_used_again_at_the_first_try(own_postgresql: PostgreSQL) -> None:
    store = Store(own_postgresql.new_database())
    assert store.count() == 0
    own_postgresql.stop()
    with pytest.raises(StoreError) as caught:
        store.count()
    assert "\n" not in str(caught.value)
    own_postgresql.start()
    assert store.count() == 0


class NoWorkers:
    def submit(self, run_id: str, claim: str) -> None: ...

    def cancel(self, run_id: str) -> None: ...

    def poll(self) -> Iterator[Ended]:
        return iter(())

    def close(self) -> None: ...


def test_the_queue_logs_a_sentence_and_no_password(locked_out: None, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(backend=NoWorkers())
    with caplog.at_level(logging.DEBUG):
        dispatcher.start()
        while not caplog.records:
            time.sleep(0.02)
        dispatcher.stop()
    assert "password authentication failed" in caplog.text
    assert is_a_sentence(caplog.text)


def test_a_page_says_it_and_goes_on(locked_out: None, monkeypatch: pytest.MonkeyPatch) -> None:
    st.cache_resource.clear()
    said: list[str] = []
    monkeypatch.setattr(st, "error", lambda words, **_: said.append(words))
    assert lab_store() is None
    assert "password authentication failed" in said[0]
    assert is_a_sentence(said[0])


@pytest.mark.parametrize("command", ["doctor", "runs", "run"])
def test_the_command_line_says_it(locked_out: None, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kdlab", command], capture_output=True, text=True, check=False, env=os.environ.copy()
    )
    assert done.returncode == 1
    assert "password authentication failed" in done.stderr
    assert is_a_sentence(done.stderr + done.stdout)


def test_the_app_starts_and_logs_sentences(
    locked_out: None, monkeypatch: pytest.MonkeyPatch, start_app: Callable[..., AbstractContextManager[AppServer]]
) -> None:
    monkeypatch.setenv("KDLAB_SLOTS", "two")
    with start_app() as server:
        while "password authentication failed" not in (log := server.log.read_text(encoding="utf-8")):
            assert server.process.poll() is None
            time.sleep(0.1)
    assert "KDLAB_SLOTS is 'two', which is no whole number from 1 to 999: one run trains at a time." in log
    assert is_a_sentence(server.log.read_text(encoding="utf-8"))
