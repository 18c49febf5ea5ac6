"""Streamlit's faults that the lab mends: each is brought about here, and is seen not to happen."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner.exec_code import modified_sys_path
from streamlit.runtime.scriptrunner.script_cache import ScriptCache

from kdlab.models.model_folder import ModelFolderError
from kdlab.runs.schema import StoreError
from kdlab.server.mended_streamlit import keep_search_path, keep_whole_runs, say_why_no_file

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
    monkeypatch.setattr(DeferredFileHandler, "handle", DeferredFileHandler.handle)
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


@pytest.mark.usefixtures("as_streamlit_has_it")
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, ""),
        (ModelFolderError("Its folder is not here any more."), "Its folder is not here any more."),
        (StoreError("The store is away."), "The store is away."),
        (ZeroDivisionError("of no visitor's business"), "Failed to generate file for download"),
    ],
)
def test_below_a_downloads_button_stands_why_there_is_no_file(fault: Exception | None, said: str):
    say_why_no_file()
    storage = MemoryMediaFileStorage("/media")
    files = MediaFileManager(storage)

    def made() -> bytes:
        if fault is not None:
            raise fault
        return b"whole"

    request = BackendOperationRequest(request_id="1")
    request.deferred_file.file_id = files.add_deferred(made, "application/zip", "where it stands", "whole.zip")
    with ThreadPoolExecutor(1) as elsewhere:  # a browser's tests keep an event loop in this thread
        answer = elsewhere.submit(asyncio.run, DeferredFileHandler(lambda: files).handle(request, "visitor")).result()
    assert (answer.request_id, answer.error_msg) == ("1", said)
    assert bool(answer.deferred_file.url) == (fault is None)
    if fault is None:
        assert storage.get_file(answer.deferred_file.url.rsplit("/", 1)[1].split("?")[0]).content == b"whole"


def test_the_lab_mends_all():
    import app

    assert AppSession._create_scriptrunner.__module__ == "kdlab.server.mended_streamlit"
    assert DeferredFileHandler.handle.__module__ == "kdlab.server.mended_streamlit"
    before = list(sys.path)
    with modified_sys_path(str(app.app.script_path)):
        assert sys.path == before
