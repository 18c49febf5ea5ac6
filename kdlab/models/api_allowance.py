"""What all visitors together may send to the endpoint of the lab's owner: so many queries a day."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from kdlab.models.endpoint import EndpointError
from kdlab.models.kept_files import write_whole


@dataclass(frozen=True)
class Allowance:
    """At most ``limit`` queries a day (UTC), counted in a file of ``folder`` that threads and servers share.

    Raises EndpointError, in words, where the file cannot be written.
    """

    limit: int
    folder: Path
    now: Callable[[], float] = time.time

    @classmethod
    def from_environment(cls, folder: Path) -> Allowance | None:
        """The owner's ``KDLAB_API_BUDGET``; None where it sets no limit. Raises EndpointError where it is no number."""
        told = os.environ.get("KDLAB_API_BUDGET", "").strip()
        if not told:
            return None
        if not (told.isascii() and told.isdigit()):
            raise EndpointError("Its owner has set KDLAB_API_BUDGET to something that is no whole number of queries a day.")
        return cls(int(told), folder)

    @property
    def left(self) -> int:
        """Queries that may still be sent today."""
        return max(self.limit - self._sent(), 0)

    def take(self) -> bool:
        """Whether one more may be sent; it counts from now on."""
        with self._alone():
            sent = self._sent()
            if sent >= self.limit:
                return False
            self._write(sent + 1)
            return True

    def give_back(self) -> None:
        """One that was taken costs nothing after all."""
        with self._alone():
            self._write(max(self._sent() - 1, 0))

    @property
    def _path(self) -> Path:
        return self.folder / "lab-queries.json"

    @property
    def _today(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).date().isoformat()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process counts meanwhile."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock"):
                yield
        except OSError as error:
            raise EndpointError(
                f"The lab cannot count its queries in {self.folder} ({error.strerror or error}), so nothing is asked. Free some "
                "space or make the folder writable, then go on."
            ) from None

    def _sent(self) -> int:
        try:
            kept = json.loads(self._path.read_bytes())
            return int(kept["sent"]) if kept["day"] == self._today else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _write(self, sent: int) -> None:
        write_whole(self._path, json.dumps({"day": self._today, "sent": sent}).encode())
