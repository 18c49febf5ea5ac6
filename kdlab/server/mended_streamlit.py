"""Three faults of Streamlit 1.67 that a busy lab meets, mended before its first session.

Two are races between threads that a quiet machine with one visitor hardly sees; the third is a silence.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit.proto.ForwardMsg_pb2 import BackendOperationResponse, DeferredFileResponsePayload
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.media_file_storage import MediaFileStorageError

from kdlab.data.home import HomeError
from kdlab.data.visitor_sets import TextsGoneError
from kdlab.models.model_folder import ModelFolderError
from kdlab.models.pocket import PocketMissing
from kdlab.runs.schema import StoreError

if TYPE_CHECKING:
    from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
    from streamlit.runtime.scriptrunner import ScriptRunner
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

_create = AppSession._create_scriptrunner
_give_file = DeferredFileHandler.handle
_IN_WORDS = (HomeError, ModelFolderError, PocketMissing, StoreError, TextsGoneError)


def keep_search_path(script: Path) -> None:
    """The folder of the script that every run begins with stays in ``sys.path``, after all others.

    Streamlit puts it first while a script runs and takes it out afterwards. Whatever another thread looks for along
    the path meanwhile, such as a library that it imports when first needed, is now and then not found.
    """
    folder = str(script.parent)
    if folder not in sys.path:
        sys.path.append(folder)


def keep_whole_runs() -> None:
    """What a run of a page has made reaches the browser, also where a fragment's message comes as it ends."""
    AppSession._create_scriptrunner = _after_what_was_made  # type: ignore[method-assign]


def _after_what_was_made(session: AppSession, asked: RerunData) -> None:
    """`AppSession._create_scriptrunner`, once all that the last runner of scripts has made is in the browser's queue.

    A message for a fragment that finds the last runner ended gives the session a new one, and a session takes nothing from
    any but its newest: what the last one made and the event loop has not handed on yet would be thrown away. A run of
    the whole page makes all of it again.
    """
    last = session._scriptrunner
    if last is None or not asked.fragment_id:
        _create(session, asked)
    else:
        session._event_loop.call_soon(_go_on, session, asked, last)


def _go_on(session: AppSession, asked: RerunData, handed_on: ScriptRunner) -> None:
    """Runs the fragment, all that this ended runner made being handed on; by a newer runner where there is one."""
    now = session._scriptrunner
    if session._state == AppSessionState.SHUTDOWN_REQUESTED:
        return
    if now is None or now is handed_on:
        _create(session, asked)
    elif not now.request_rerun(asked):  # that one has ended too
        session._event_loop.call_soon(_go_on, session, asked, now)


def say_why_no_file() -> None:
    """Below a download's button stands why its file cannot be made, where the lab has words for it; Streamlit says that it failed."""
    DeferredFileHandler.handle = _with_the_reason  # type: ignore[method-assign]


async def _with_the_reason(
    handler: DeferredFileHandler, request: BackendOperationRequest, session_id: str
) -> BackendOperationResponse:
    """`DeferredFileHandler.handle`, which keeps to itself why there is no file."""
    try:
        url = await asyncio.to_thread(handler._get_media_file_mgr().execute_deferred, request.deferred_file.file_id)
    except MediaFileStorageError as error:
        if isinstance(error.__cause__, _IN_WORDS):
            return BackendOperationResponse(request_id=request.request_id, error_msg=str(error.__cause__))
        return await _give_file(handler, request, session_id)  # tries again, and logs what went wrong
    return BackendOperationResponse(request_id=request.request_id, deferred_file=DeferredFileResponsePayload(url=url))
