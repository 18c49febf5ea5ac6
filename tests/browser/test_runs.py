"""Runs in a real browser: two rows lead to their comparison and back, a deletion is undone, rows have names."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from kdlab.runs.listing import PAGE
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Store

if TYPE_CHECKING:
    from conftest import AppServer
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def store(app_server: AppServer) -> Store:
    """The running lab's own store."""
    app_server.home.mkdir(parents=True, exist_ok=True)
    return Store(f"sqlite:///{app_server.home / 'lab.sqlite'}")


def finished(store: Store, owner: str = "someone", **values: Any) -> str:
    run, rows, _ = recorded_run()
    claim = store.begin(three_arms(**values), owner)
    claim.finish("done", result=copy.deepcopy(run.result), points=rows, step=800)
    return claim.run_id


@pytest.fixture(scope="module")
def pair(store: Store) -> tuple[str, str]:
    """Two finished runs, and enough others between them that the list is longer than any screen."""
    first = finished(store, temperature=7.0)
    for n in range(10):
        finished(store, temperature=3 + n / 10)
    return first, finished(store, temperature=9.0)


def row(page: Page, run_id: str) -> Locator:
    return page.locator(f".st-key-run-{run_id}")


def tick(page: Page, run_id: str) -> None:
    row(page, run_id).locator("label", has=page.get_by_role("checkbox")).click()


def compared(page: Page) -> None:
    """Waits until the whole comparison stands: hero, words and curves."""
    page.get_by_role("heading", name="Two runs compared").wait_for()
    page.get_by_text("What changed from A to B").wait_for()
    page.locator(".kdlab-plot[data-state=drawn]").nth(3).wait_for()


def test_two_ticks_lead_to_a_comparison_that_a_reload_keeps_and_back_leaves(
    browser_page: Page, pair: tuple[str, str]
) -> None:
    page = browser_page
    # Tall, so that every picture is in sight and drawn.
    page.set_viewport_size({"width": 1280, "height": 2000})
    page.goto("/runs")
    tick(page, pair[1])
    page.get_by_text("tick a second").wait_for()
    tick(page, pair[0])
    page.get_by_role("button", name="Compare these two").click()
    compared(page)
    assert re.search(rf"compare={pair[0]}(,|%2C){pair[1]}", page.url)
    page.reload()
    compared(page)
    page.go_back()
    page.get_by_role("heading", name="Runs", exact=True).wait_for()
    row(page, pair[0]).wait_for()
    assert "compare=" not in page.url
    page.go_forward()
    compared(page)
    page.get_by_role("link", name="All runs").click()
    row(page, pair[0]).wait_for()


def test_the_button_that_compares_is_in_sight_wherever_the_second_tick_was_set(
    browser_page: Page, pair: tuple[str, str]
) -> None:
    page = browser_page
    page.goto("/runs")
    for run_id in pair:  # the last of a long list, then the first
        tick(page, run_id)
        page.locator(".st-key-compare-bar").wait_for()
    button = page.get_by_role("button", name="Compare these two")
    button.wait_for()
    box = button.bounding_box()
    assert box
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 800


def test_every_row_is_a_heading_and_every_button_says_of_which_run(
    browser_page: Page, pair: tuple[str, str]
) -> None:
    page = browser_page
    page.goto("/runs")
    row(page, pair[0]).wait_for()
    for run_id, title in zip(pair, ("Fashion-MNIST · T 7", "Fashion-MNIST · T 9"), strict=True):
        named = f"{title}, {run_id[:4]}"
        row(page, run_id).get_by_role("heading", name=title, level=2).wait_for()
        row(page, run_id).get_by_role("button", name=f"Open {named}").wait_for()
        row(page, run_id).get_by_role("button", name=f"More {named}").wait_for()
        row(page, run_id).get_by_role("checkbox", name=f"Compare {named}").wait_for()
    names = page.locator("[class*=st-key-run-] button").evaluate_all("all => all.map(e => e.textContent)")
    assert len(names) == len(set(names))


def test_a_deleted_run_is_undone(browser_page: Page, store: Store) -> None:
    page = browser_page
    page.goto("/runs")
    page.get_by_text("Every run of this lab").wait_for()
    signed = next(c["value"] for c in page.context.cookies() if c["name"] == "kdlab_visitor")
    run_id = finished(store, owner=signed.rpartition(".")[0], temperature=11.0)
    page.reload()
    row(page, run_id).get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete").click()
    row(page, run_id).wait_for(state="detached")
    page.get_by_text("Deleted: Fashion-MNIST · T 11").wait_for()
    page.get_by_role("button", name="Undo").click()
    row(page, run_id).wait_for()
    page.get_by_text("Deleted: Fashion-MNIST · T 11").wait_for(state="detached")
    # Left alone, the offer goes by itself.
    row(page, run_id).get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted: Fashion-MNIST · T 11").wait_for()
    page.get_by_text("Deleted: Fashion-MNIST · T 11").wait_for(state="detached")
    assert store.get(run_id) is None


_WIDEST = """() => Math.max(...[...document.querySelectorAll('.stMain *')]
  .filter(e => !e.closest('[data-testid=stTooltipHoverTarget], .katex-mathml') && getComputedStyle(e).clipPath === 'none')
  .map(e => e.getBoundingClientRect().right))"""


@pytest.mark.parametrize("width", [320, 390])
def test_list_and_comparison_fit_a_phone_and_a_finger(phone: Page, width: int, pair: tuple[str, str]) -> None:
    phone.set_viewport_size({"width": width, "height": 3000})
    phone.goto("/runs")
    row(phone, pair[0]).wait_for()
    tick(phone, pair[0])
    phone.get_by_text("tick a second").wait_for()
    assert phone.evaluate(_WIDEST) <= width
    for target in (
        *phone.locator(".stMain button:visible").all(),
        row(phone, pair[0]).locator("label").first,
    ):
        box = target.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24, target.inner_text()
    phone.goto(f"/runs?compare={','.join(pair)}")
    compared(phone)
    assert phone.evaluate(_WIDEST) <= width


def test_ticks_stay_from_page_to_page_and_the_address_holds_the_page(
    browser: Browser, start_app: Callable[[], AbstractContextManager[AppServer]]
) -> None:
    with start_app() as server:
        server.home.mkdir(parents=True, exist_ok=True)
        lab = Store(f"sqlite:///{server.home / 'lab.sqlite'}")
        oldest, *_, newest = [finished(lab, epochs=n + 1) for n in range(PAGE + 1)]
        page = browser.new_page(base_url=server.url)
        page.goto("/runs")
        tick(page, newest)
        page.get_by_text("One run is ticked").wait_for()
        page.get_by_role("button", name="Page 2").click()
        row(page, newest).wait_for(state="detached")
        tick(page, oldest)
        page.get_by_role("button", name="Compare these two").wait_for()
        page.get_by_role("button", name="Page 1", exact=True).click()
        expect(row(page, newest).get_by_role("checkbox")).to_be_checked()
        page.get_by_role("button", name="Untick").click()
        expect(row(page, newest).get_by_role("checkbox")).not_to_be_checked()
        page.get_by_role("button", name="Page 2").click()
        expect(row(page, oldest).get_by_role("checkbox")).not_to_be_checked()
        assert "page=2" in page.url
        page.reload()
        row(page, oldest).wait_for()
        page.close()
