"""A teacher's signal on disk: what it reveals of many rows, asked once, in shards that are mapped into memory.

Training reads signals, never the teacher. A signal belongs to one teacher, one list of rows, one access and one form;
another of these is another folder. A shard is written whole or not at all, checked when it is first read, and made again where it
is missing or damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np

from kdlab.distill.access import Access
from kdlab.models.kept_files import write_whole

Parts = tuple[np.ndarray, ...]
_FORM = 1
"""Raised with every change of what is kept of a teacher, of its rows or of an access that its name does not tell: what an
older lab kept is then not read, but made anew."""


class TeacherSignal:
    """What a teacher reveals of ``count`` rows.

    ask: the teacher's answer on a slice of the rows, as arrays of which each has a row for a row; it is called for the
    shards that are not there. teacher and rows: what tells this teacher and these rows from all others, such as hashes
    of the weights and of the data.
    """

    def __init__(
        self,
        cache: Path,
        *,
        teacher: str,
        rows: str,
        access: Access,
        count: int,
        ask: Callable[[slice], Parts],
        shard_rows: int = 4096,
    ) -> None:
        about = json.dumps([_FORM, teacher, rows, *astuple(access), count, shard_rows])
        self.folder = cache / hashlib.sha256(about.encode()).hexdigest()[:32]
        self._count, self._ask, self._shard_rows = count, ask, shard_rows
        self._open: dict[int, Parts] = {}

    def __len__(self) -> int:
        return self._count

    def whole(self) -> Parts:
        """All rows, in memory."""
        shards = [self._shard(number) for number in range(-(-self._count // self._shard_rows))]
        return tuple(np.concatenate(part) for part in zip(*shards, strict=True))

    def __getitem__(self, rows: np.ndarray) -> Parts:
        """These rows (B,), in their order, read from the shards that hold them."""
        number, place = np.divmod(np.asarray(rows), self._shard_rows)
        found: list[np.ndarray] = []
        for shard in np.unique(number):
            here = number == shard
            parts = self._shard(int(shard))
            if not found:
                found = [np.empty((len(number), *part.shape[1:]), part.dtype) for part in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[here] = part[place[here]]
        return tuple(found)

    def _shard(self, number: int) -> Parts:
        if number not in self._open:
            self._open[number] = self._read(number) or self._make(number)
        return self._open[number]

    def _read(self, number: int) -> Parts | None:
        """The shard's parts, mapped into memory; None where it is missing or not what was written."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            checks = json.loads(self._path(number).read_text(encoding="utf-8"))["checks"]
            paths = [self._path(number, part) for part in range(len(checks))]
            if all(zlib.crc32(path.read_bytes()) == check for path, check in zip(paths, checks, strict=True)):
                return tuple(np.load(path, mmap_mode="r") for path in paths)
        return None

    def _make(self, number: int) -> Parts:
        start = number * self._shard_rows
        parts = self._ask(slice(start, min(start + self._shard_rows, self._count)))
        with contextlib.suppress(OSError):  # a full disk costs time, not the answer
            checks = []
            for part, array in enumerate(parts):
                packed = io.BytesIO()
                np.save(packed, array)
                write_whole(self._path(number, part), packed.getvalue())
                checks.append(zlib.crc32(packed.getvalue()))
            # Last: a shard counts as written once it says what its parts must be.
            write_whole(self._path(number), json.dumps({"checks": checks}).encode())
        return self._read(number) or parts

    def _path(self, number: int, part: int | None = None) -> Path:
        return self.folder / (f"{number:05d}.json" if part is None else f"{number:05d}-{part}.npy")
