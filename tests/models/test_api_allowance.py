"""What all visitors together may send to the endpoint of the lab's owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kdlab.models.api_allowance import Allowance
from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import EndpointError
from tests.models.loopback_endpoint import TEXTS, Loopback, error


def test_visitors_share_it_whatever_budget_each_has(server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path):
    shared = Allowance(5, tmp_path)
    first, second = (teacher(model=name, allowance=shared) for name in ("model-1", "model-2"))
    assert len(list(first.ask(TEXTS[:2]))) == 2  # and the probe
    assert shared.left == 2
    assert len(list(second.ask(TEXTS))) == 1
    assert "5 times a day, by all visitors together" in second.progress.note
    assert (len(server.received), shared.left) == (5, 0)
    # What is on disk costs nothing.
    assert len(list(first.ask(TEXTS[:2]))) == 2


def test_a_probe_that_it_does_not_allow_says_so(server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path):
    with pytest.raises(EndpointError, match="0 times a day"):
        teacher(allowance=Allowance(0, tmp_path)).probe()
    assert server.received == []


def test_what_is_not_charged_does_not_count(server: Loopback, teacher: Callable[..., ApiTeacher], tmp_path: Path):
    server.usually = error(401, "Wrong key.")
    shared = Allowance(5, tmp_path)
    with pytest.raises(EndpointError):
        teacher(allowance=shared).probe()
    assert (len(server.received), shared.left) == (1, 5)


def test_each_day_has_its_own_and_a_restart_does_not_renew_it(tmp_path: Path):
    noon = 1_700_000_000.0
    shared = Allowance(2, tmp_path, lambda: noon)
    assert [shared.take(), shared.take(), shared.take()] == [True, True, False]
    assert not replace(shared).take()
    assert Allowance(2, tmp_path, lambda: noon + 86_400).take()


def test_threads_take_no_more_than_there_are(tmp_path: Path):
    shared = Allowance(20, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: shared.take(), range(60)))
    assert sum(taken) == 20


@pytest.mark.parametrize("content", ["", "[]", '{"day": 3}', "{"])
def test_a_damaged_count_begins_anew(tmp_path: Path, content: str):
    (tmp_path / "lab-queries.json").write_text(content, encoding="utf-8")
    assert Allowance(2, tmp_path).left == 2


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "answers").write_text("a file", encoding="utf-8")
    with pytest.raises(EndpointError, match="nothing is asked"):
        Allowance(2, tmp_path / "answers").take()


@pytest.mark.parametrize("told", ["many", "-3", "1e4", "²"])
def test_a_budget_that_is_no_number_closes_the_labs_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str):
    monkeypatch.setenv("KDLAB_API_BUDGET", told)
    with pytest.raises(EndpointError, match="KDLAB_API_BUDGET"):
        Allowance.from_environment(tmp_path)


def test_without_a_limit_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KDLAB_API_BUDGET", raising=False)
    assert Allowance.from_environment(tmp_path) is None
    monkeypatch.setenv("KDLAB_API_BUDGET", "5000")
    assert Allowance.from_environment(tmp_path) == Allowance(5000, tmp_path)
