"""An endpoint on loopback, a clock that only sleeping moves, and teachers that ask the one by the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kdlab.models.api_answers import kept_answers
from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import Endpoint
from tests.models.loopback_endpoint import CLASSES, KEY, Clock, Loopback, loopback


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    for name in ("KDLAB_API", "KDLAB_API_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KDLAB_API_PRIVATE", "yes")
    with loopback() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def teacher(server: Loopback, clock: Clock, tmp_path: Path) -> Callable[..., ApiTeacher]:
    """Makes teachers that all keep their answers in one folder, and know of others' by the disk alone."""

    def make(model: str = "model-1", classes: tuple[str, ...] = CLASSES, **how: Any) -> ApiTeacher:
        kept_answers.cache_clear()
        endpoint = Endpoint(server.url, model, SecretStr(KEY))
        how = {"budget": 1000, "now": clock.now, "sleep": clock.sleep, "concurrency": 1} | how
        return ApiTeacher(endpoint, classes, tmp_path, **how)

    return make
