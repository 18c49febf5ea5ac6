"""Two faults of Streamlit 1.67 that a busy lab meets, mended before its first session.

Both are races between threads that a quiet machine with one visitor hardly sees.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit.runtime.app_session import AppSession, AppSessionState

if TYPE_CHECKING:
    from streamlit.runtime.scriptrunner import ScriptRunner
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

_create = AppSession._create_scriptrunner


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
