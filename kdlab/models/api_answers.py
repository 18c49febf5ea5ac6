"""What an endpoint was paid for, on disk: one line an answer, only ever added to."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from kdlab.models.endpoint import EndpointError
from kdlab.models.multiple_choice import Reply

_CLAIMS = 64
_FORM = TypeAdapter(Reply)


@lru_cache(12)
def kept_answers(folder: Path, **about: str | float | None) -> KeptAnswers:
    """The same for all who ask the same: a slider that moves makes teachers, and each would read thousands of lines."""
    return KeptAnswers(folder, about)


class KeptAnswers:
    """The answers of one model to one prompt under one set of parameters, by the text's SHA-256.

    ``about`` names the three and is part of every line, whose file is named after it. Threads and processes share
    a file: each sees what the others add. A line that was cut off, or is damaged, is as good as none.
    Raises EndpointError, in words, where the disk does not take or give them.
    """

    def __init__(self, folder: Path, about: Mapping[str, str | float | bool | None]) -> None:
        self._about = dict(about)
        self.path = (
            folder / f"{sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()[:24]}.jsonl"
        )
        self._answers: dict[str, Reply] = {}
        self._read_to = 0
        self._lock = threading.Lock()

    def read(self) -> None:
        """Takes in what others have added."""
        with self._lock, self._trouble_in_words():
            self._read_what_is_new()

    def known(self, text: str) -> Reply | None:
        """The answer for the text of this SHA-256, as of the last `read`; None where there was none."""
        return self._answers.get(text)

    def get(self, text: str) -> Reply | None:
        """The answer for the text of this SHA-256, whoever was given it; None where there is none."""
        if text not in self._answers:
            self.read()
        return self.known(text)

    def add(self, text: str, reply: Reply) -> None:
        """Keeps an answer; it is on the disk when this returns."""
        line = json.dumps({**self._about, "text": text, "reply": asdict(reply)}).encode() + b"\n"
        with self._trouble_in_words():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"), self.path.open("a+b") as file:
                if file.tell() and self._last_byte(file.fileno()) != b"\n":
                    line = b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        with self._lock:
            self._answers[text] = reply

    @contextmanager
    def claim(self, text: str) -> Iterator[bool]:
        """Whether this text is the caller's to ask while the block lasts: no other thread or process then asks it.

        A process that dies gives its claims up. Texts share 64 claims, so that few files lie about.
        """
        lock = FileLock(self.path.with_suffix(f".claim-{int(text[:8], 16) % _CLAIMS:02}"), thread_local=False)
        with self._trouble_in_words():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(Timeout):
                lock.acquire(blocking=False)
        try:
            yield lock.is_locked
        finally:
            lock.release()

    @contextmanager
    def _trouble_in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EndpointError(
                f"Answers cannot be kept in {self.path.parent} ({error.strerror or error}), so nothing further is "
                "asked. Free some space or make the folder writable, then go on."
            ) from None

    def _last_byte(self, file: int) -> bytes:
        os.lseek(file, -1, os.SEEK_END)
        return os.read(file, 1)

    def _forget(self) -> None:
        self._answers.clear()
        self._read_to = 0

    def _read_what_is_new(self) -> None:
        try:
            size = self.path.stat().st_size
            if size == self._read_to:
                return
            if size < self._read_to:  # it is another file than before
                self._forget()
            with self.path.open("rb") as file:
                file.seek(self._read_to)
                new = file.read()
        except FileNotFoundError:
            self._forget()
            return
        whole = new[: new.rfind(b"\n") + 1]  # the rest is being written, or was cut off
        self._read_to += len(whole)
        for line in whole.splitlines():
            try:
                row = json.loads(line)
                if {name: row.get(name) for name in self._about} == self._about:
                    self._answers.setdefault(row["text"], _FORM.validate_python(row["reply"]))
            except (ValueError, KeyError, TypeError, AttributeError, ValidationError, RecursionError):
                continue
