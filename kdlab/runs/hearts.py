"""The watch over runs at work: a heart has stopped once its value stood still for long enough under one's own eyes.

No wall clock is compared: clocks jump, lids close, processes are held. A watcher that was itself away begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from kdlab.runs.stored import Run

_AWAY = 3.0  # seconds between two looks after which the watcher itself was held up


class Watch:
    """Times are of the caller's monotonic clock, in seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen: dict[str, tuple[float | None, float]] = {}
        self._looked: float | None = None

    def silent(self, runs: Iterable[Run], now: float) -> list[Run]:
        """Those of the runs whose heartbeat has had one value for longer than the patience."""
        if self._looked is not None and now - self._looked > _AWAY:
            self._seen = {}
        self._looked = now
        seen = {}
        for run in runs:
            value, since = self._seen.get(run.id, (run.heartbeat, now))
            seen[run.id] = (run.heartbeat, since if value == run.heartbeat else now)
        self._seen = seen
        return [run for run in runs if now - seen[run.id][1] > self._patience]

    def begin_anew(self) -> None:
        self._seen = {}
