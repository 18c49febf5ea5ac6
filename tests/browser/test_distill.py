"""The main path in a real browser: open, drag, launch, watch, hold, steer, stop, refresh, reopen."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

SHORT = "/distill?dataset=digits&labels=50&transfer=0&epochs=30&seeds=2"
LONG = "/distill?dataset=digits&labels=500&transfer=0&epochs=400&batch_size=8"


def learning_curves(page: Page) -> Locator:
    return page.locator(".kdlab-plot").first


def wait_for_draws(page: Page, more_than: int) -> int:
    page.wait_for_function(
        "n => Number(document.querySelector('.kdlab-plot')?.dataset.draws ?? 0) > n", arg=more_than
    )
    return int(learning_curves(page).get_attribute("data-draws") or 0)


def launch(page: Page, address: str, clicks: int = 1) -> str:
    page.goto(address)
    page.get_by_role("button", name="Launch").click(click_count=clicks)
    page.wait_for_url("**run=*")
    found = re.search(r"run=(\w+)", page.url)
    assert found
    return found[1]


@pytest.fixture
def stopped(browser_page: Page) -> Iterator[Page]:
    """A tab whose run, where it still goes on at the end, is stopped, so that the next need not wait."""
    yield browser_page
    stop = browser_page.get_by_role("button", name="Stop")
    if stop.count():
        stop.click()
        browser_page.get_by_text("Stopped").first.wait_for()


def test_a_first_visit_shows_a_recorded_run_and_replays_it(browser_page: Page) -> None:
    browser_page.goto("/distill")
    browser_page.get_by_text("A run recorded on").wait_for()
    browser_page.get_by_text("What this run shows").wait_for()
    before = wait_for_draws(browser_page, 0)
    browser_page.get_by_role("button", name="Replay").click()
    browser_page.get_by_role("progressbar").wait_for()
    wait_for_draws(browser_page, before + 3)


def test_open_drag_launch_watch_hold_steer_stop_refresh_reopen(stopped: Page) -> None:
    page = stopped
    page.goto(LONG)
    temperature = page.get_by_label("Temperature", exact=True)
    temperature.focus()
    for _ in range(3):
        temperature.press("ArrowRight")
    page.wait_for_url("**temperature=*")
    moved = float(temperature.evaluate("e => e.getAttribute('aria-valuetext') ?? e.value").split()[0])
    assert moved > 2

    page.get_by_role("button", name="Launch").click()
    page.get_by_role("button", name="Pause").wait_for()
    node = learning_curves(page).evaluate_handle("e => e")
    drawn = wait_for_draws(page, 0)
    wait_for_draws(page, drawn + 3)
    assert learning_curves(page).evaluate("(e, first) => e === first", node)
    alt = learning_curves(page).get_attribute("aria-label") or ""
    assert re.search(r"Labels only from [\d.]+% to [\d.]+%; .* The teacher [\d.]+%", alt)

    spoken = page.locator(".news")
    spoken.get_by_text("percent done").wait_for(state="attached")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused").first.wait_for()
    spoken.get_by_text("Paused at step").wait_for(state="attached")
    at = page.get_by_text(re.compile(r"step [\d,]+ of")).first.inner_text()
    page.get_by_role("button", name="One step").click()
    page.wait_for_function("old => !document.body.innerText.includes(old)", arg=at.split("\n")[0])
    page.get_by_text("Paused").first.wait_for()

    temperature.focus()
    temperature.press("ArrowLeft")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_text(re.compile(r"^T [\d.]+, w 0.9")).first.wait_for()  # the mark on the curves
    page.get_by_text("steer your run at work").wait_for()
    spoken.get_by_text("Steered to temperature").wait_for(state="attached")

    address = page.url
    page.reload()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped").first.wait_for()
    page.get_by_role("button", name="Run again").wait_for()
    spoken.get_by_text("Stopped.").wait_for(state="attached")

    page.get_by_role("link", name="Runs", exact=True).click()
    page.locator("[class*=st-key-open-]").first.click()  # a selectbox has an "Open" too
    page.wait_for_url(re.compile(re.search(r"run=\w+", address)[0]))  # type: ignore[index]
    page.get_by_text("Stopped").first.wait_for()


def test_a_finished_run_says_what_it_shows_and_can_be_taken_away(browser_page: Page) -> None:
    page = browser_page
    run_id = launch(page, SHORT)
    page.get_by_text("What this run shows").wait_for()
    page.get_by_text("Softness on top of the answers").wait_for()
    page.get_by_role("tab", name="What it costs").click()
    page.get_by_text("examples a second in batches of 256").wait_for()
    page.get_by_role("tab", name="Where they differ").click()
    page.get_by_text("only the labels-only student.").wait_for()

    page.goto("/runs")
    row = page.locator(f".st-key-run-{run_id}")
    row.get_by_text("you").wait_for()
    row.get_by_role("button", name="More").click()
    taken: dict[str, bytes] = {}
    for name in ("Points (CSV)", "Spec (JSON)", "Soft-targets student (safetensors)"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        taken[name] = download.value.path().read_bytes()
    assert taken["Points (CSV)"].startswith(b"step,epoch,seconds,arm,seed,temperature,kd_weight,accuracy")
    assert json.loads(taken["Spec (JSON)"])["dataset"] == "digits"
    from safetensors.torch import load

    assert (
        sum(tensor.numel() for tensor in load(taken["Soft-targets student (safetensors)"]).values())
        == 64 * 16 + 16 + 160 + 10
    )
    page.get_by_role("button", name="Delete").click()
    row.wait_for(state="detached")


@pytest.mark.parametrize("width", [390, 320])
def test_on_a_phone_a_launched_run_comes_into_view_and_its_sliders_stay_beside_it(
    stopped: Page, width: int
) -> None:
    page = stopped
    page.set_viewport_size({"width": width, "height": 780})
    launch(page, f"{LONG}&seeds=2")
    page.get_by_role("button", name="Pause").wait_for()
    wait_for_draws(page, 0)
    on_screen = """selector => {
      const box = document.querySelector(selector)?.getBoundingClientRect();
      return box && box.height > 0 && box.top >= 0 && box.top < innerHeight - 100;
    }"""
    for what in (".st-key-run-head", ".kdlab-plot", ".st-key-steering-hand"):
        page.wait_for_function(on_screen, arg=what)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
    page.get_by_label("Temperature", exact=True).press("ArrowRight")  # without scrolling away from the curves
    page.get_by_text(re.compile("steered to T")).first.wait_for()
    assert page.evaluate(on_screen, ".kdlab-plot")


def test_two_tabs_of_a_visitor_on_one_run_hold_the_same(stopped: Page) -> None:
    launch(stopped, LONG)
    stopped.get_by_role("button", name="Pause").wait_for()
    other = stopped.context.new_page()
    other.goto(stopped.url)
    other.get_by_text("steer your run at work").wait_for()
    stopped.get_by_label("Temperature", exact=True).press("PageUp")
    stopped.get_by_text(re.compile(r"it holds T 2\.5, ")).wait_for()
    other.get_by_text(re.compile(r"it holds T 2\.5, ")).wait_for()
    other.locator("output").get_by_text("2.5", exact=True).wait_for()
    other.close()


def test_another_visitor_sees_a_run_but_cannot_hold_it(
    browser_page: Page, browser: Browser, stopped: Page
) -> None:
    run_id = launch(stopped, LONG)
    stopped.get_by_role("button", name="Stop").wait_for()
    other = browser.new_context(base_url=stopped.url.split("/distill")[0]).new_page()
    other.goto(f"/distill?run={run_id}")
    other.get_by_text(re.compile(r"step [\d,]+ of")).first.wait_for()
    assert other.get_by_role("button", name="Stop").count() == 0
    other.goto("/runs")
    other.locator(f".st-key-run-{run_id}").get_by_text("others").wait_for()
    other.context.close()


def test_other_runs_wait_in_order_with_their_place_shown(stopped: Page) -> None:
    page = stopped
    ids = [launch(page, f"{LONG}&seeds={seeds}") for seeds in (7, 8, 9, 10)]
    assert len(set(ids)) == 4
    page.get_by_text(re.compile(r"place \d of \d in the queue")).wait_for()
    stop_all(page, 4)


@pytest.mark.parametrize("clicks", [2, 4])
def test_a_hasty_launch_is_one_run(stopped: Page, clicks: int) -> None:
    page = stopped
    launch(page, LONG, clicks)
    page.get_by_role("button", name="Pause").wait_for()
    run_id = re.search(r"run=(\w+)", page.url)
    page.get_by_role("button", name="Launch").click()  # at work: the same spec shows the same run
    page.get_by_role("button", name="Pause").wait_for()
    assert run_id
    assert run_id[1] in page.url
    stop_all(page, 1)


def stop_all(page: Page, count: int) -> None:
    """Stops what still goes on of this visitor's runs, of which there must be so many."""
    while True:
        page.goto("/runs?whose=Yours")
        rows = page.locator("[class*=st-key-run-]").filter(has=page.get_by_role("button", name="Open"))
        expect(rows).to_have_count(count)
        moving = rows.filter(has_text=re.compile("Queued|Running|Stopping"))
        if not moving.count():
            return
        moving.first.get_by_role("button", name="Open").click()
        head = page.locator(".st-key-run-head")
        stop, ended = head.get_by_role("button", name="Stop"), head.get_by_text(re.compile("Stopped|Done"))
        stop.or_(ended).first.wait_for()
        if stop.count() and stop.is_enabled():
            stop.click()
        ended.first.wait_for()


@pytest.mark.parametrize(
    "address",
    [
        "temperature=NaN&kd_weight=7&labels=-3&epochs=1e99&seeds=two",
        "dataset=imagenet&teacher=gpt-4&student=%F0%9F%90%99&device=tpu",
        "run=no-such-run&labels=" + "9" * 400,
    ],
)
def test_a_spoilt_link_gives_notices_and_the_defaults(browser_page: Page, address: str) -> None:
    browser_page.goto(f"/distill?{address}")
    browser_page.get_by_text("A run recorded on").wait_for()
    button = browser_page.get_by_role("button", name="Launch")
    button.wait_for()
    assert button.is_enabled()
    browser_page.get_by_text(re.compile("The (run in this )?link")).first.wait_for()
    assert browser_page.get_by_test_id("stException").count() == 0


def test_a_run_outlives_its_server_the_tab_finds_it_and_a_stop_at_that_moment_holds(
    browser: Browser, start_app: Callable[[], AbstractContextManager[Any]]
) -> None:
    with start_app() as first:
        context = browser.new_context(base_url=first.url)
        page = context.new_page()
        run_id = launch(page, LONG)
        page.get_by_role("button", name="Pause").wait_for()
        wait_for_draws(page, 0)
        os.killpg(first.process.pid, signal.SIGKILL)
        drawn = int(learning_curves(page).get_attribute("data-draws") or 0)  # no more come until the tab reconnects
    with start_app() as second:
        # The same tab reconnects by itself; its run goes on.
        wait_for_draws(page, drawn)
        assert run_id in page.url
        os.killpg(second.process.pid, signal.SIGKILL)
        page.get_by_role("button", name="Stop").and_(page.locator("[disabled]")).wait_for()
    with start_app() as third:
        # Clicked as soon as the tab has found its server: the run is not drawn again yet.
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped").first.wait_for()
        launch(page, f"{LONG}&seeds=3")
        page.get_by_role("button", name="Pause").wait_for()
        os.killpg(third.process.pid, signal.SIGKILL)
        page.get_by_role("button", name="Stop").and_(page.locator("[disabled]")).wait_for()
    with start_app():
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped").first.wait_for()
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_names_of_the_lines_have_the_room_that_they_need_and_no_more(browser_page: Page, width: int) -> None:
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.goto("/distill")
    plot = learning_curves(browser_page)
    plot.scroll_into_view_if_needed()
    wait_for_draws(browser_page, 0)
    ends = plot.evaluate(
        "node => [...node.querySelectorAll('.annotation-text')].map(e => e.getBoundingClientRect().right)"
    )
    edge = plot.evaluate("node => node.getBoundingClientRect().right")
    assert len(ends) == 4
    assert edge - 24 < max(ends) <= edge
