"""Streamlit's faults that the lab mends: each is brought about here, and is seen not to happen."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner.exec_code import modified_sys_path
from streamlit.runtime.scriptrunner.script_cache import ScriptCache

from kdlab.server.mended_streamlit import keep_search_path, keep_whole_runs

PAGE = """
import streamlit as st

@st.fragment
def part():
    st.write("part")

part()
st.write("whole")
"""


@pytest.fixture
def as_streamlit_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test mends is as before after it."""
    monkeypatch.setattr(AppSession, "_create_scriptrunner", AppSession._create_scriptrunner)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("as_streamlit_has_it")
@pytest.mark.parametrize(
    ("late", "written"),
    [
        (["part"], ["whole", "part"]),  # the part as its own message made it anew
        (["part", "part"], ["whole", "part"]),
        (["part", "page"], ["part", "whole"]),  # the fragment's message comes into the run of the page, and asks no more
        (["page", "part"], ["whole", "part"]),
    ],
    ids=" then ".join,
)
def test_a_page_that_is_asked_again_as_it_ends_comes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: list[str], written: list[str]
):
    keep_whole_runs()
    # Where a server keeps files of a session: this page has none.
    monkeypatch.setattr("streamlit.runtime.get_instance", MagicMock())
    script = tmp_path / "page.py"
    script.write_text(PAGE, encoding="utf-8")
    with ThreadPoolExecutor(1) as elsewhere:  # a browser's tests keep an event loop in this thread
        found = elsewhere.submit(asyncio.run, written_after(script, late)).result()
    assert sorted(found) == sorted(written)


async def written_after(script: Path, late: list[str]) -> list[str]:
    """What reaches the browser where messages come as a run has ended, before any of what it made was handed on.

    late: what each asks to be run, the "part" or the whole "page".
    """
    session = AppSession(ScriptData(str(script), True), MemoryUploadedFileManager(""), ScriptCache(), None, {})
    queue: ForwardMsgQueue = session._browser_queue
    try:
        session.request_rerun(ClientState())
        runner = session._scriptrunner
        assert runner is not None
        assert runner._script_thread is not None
        runner._script_thread.join()  # the event loop is held up: it hands nothing on while the script runs to its end
        (fragment,) = session._fragment_storage._fragments
        asks = {"part": ClientState(fragment_id=fragment, is_auto_rerun=True), "page": ClientState()}
        for message in late:
            session.request_rerun(asks[message])
        for _ in range(1_000):
            await asyncio.sleep(0.01)
            if session._scriptrunner is None:
                break
        return [
            message.delta.new_element.markdown.body
            for message in queue.flush()
            if message.delta.new_element.HasField("markdown")
        ]
    finally:
        session.shutdown()


@pytest.mark.usefixtures("as_streamlit_has_it")
def test_a_script_leaves_the_search_path_as_it_is(tmp_path: Path):
    script = tmp_path / "page.py"
    script.touch()
    keep_search_path(script)
    paths = [list(sys.path)]
    with modified_sys_path(str(script)):
        paths.append(list(sys.path))
    paths.append(list(sys.path))
    assert paths == [paths[0]] * 3


def test_the_lab_mends_both():
    import app

    assert AppSession._create_scriptrunner.__module__ == "kdlab.server.mended_streamlit"
    before = list(sys.path)
    with modified_sys_path(str(app.app.script_path)):
        assert sys.path == before
