"""Two faults of Streamlit 1.67 that a busy lab meets, mended before its first session.

Both are races between threads that a quiet machine with one visitor hardly sees.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

if TYPE_CHECKING:
    from streamlit.proto.ClientState_pb2 import ClientState

_request_rerun = AppSession.request_rerun


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
    AppSession.request_rerun = _after_what_was_made  # type: ignore[method-assign]


def _after_what_was_made(session: AppSession, client_state: ClientState | None) -> None:
    """`AppSession.request_rerun`, once all that a finished runner of scripts has made is in the browser's queue.

    A message for a fragment gives the session a new runner where the last has just ended, and a session takes nothing
    from any but its newest: what the last one made and the event loop has not handed on yet was thrown away, and the
    page stood without it for ever.
    """
    runner = session._scriptrunner
    ended = runner is not None and runner._requests._state is ScriptRequestType.STOP
    if ended and client_state is not None and client_state.fragment_id:
        session._event_loop.call_soon(_request_rerun, session, client_state)
    else:
        _request_rerun(session, client_state)
