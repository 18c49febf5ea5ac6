"""A fault that may pass: said once when it comes and once when it has gone, not at every try."""

from __future__ import annotations

import logging
from types import TracebackType

_log = logging.getLogger("kdlab")


class Spell:
    """A context that holds back errors of a kind and logs the first of each spell.

    doing: what does not work while it lasts. plain: kinds whose message says enough; others are logged with
    their traceback. An error that is not of the kind `caught` passes through and changes nothing.
    """

    def __init__(
        self,
        doing: str,
        caught: type[Exception] | tuple[type[Exception], ...],
        plain: tuple[type[Exception], ...] | None = None,
    ) -> None:
        self._doing, self._caught = doing, caught
        self._plain = plain or (caught if isinstance(caught, tuple) else (caught,))
        self._lasts = False

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if error is None:
            if self._lasts:
                _log.warning("%s works again.", self._doing)
            self._lasts = False
            return False
        if not isinstance(error, self._caught):
            return False
        if not self._lasts:
            trace = None if isinstance(error, self._plain) else error
            _log.error("%s does not work for now: %s", self._doing, error or type(error).__name__, exc_info=trace)
        self._lasts = True
        return True
