"""Every page for everybody: axe-core's rules for WCAG 2.2 AA, and what must hold on a narrow screen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
}
# So high that every figure is drawn without scrolling: a figure out of sight waits.
WIDE, NARROW = {"width": 1280, "height": 6000}, {"width": 320, "height": 9000}
SHORT = "/distill?dataset=digits&labels=50&transfer=100&epochs=10&seeds=2"


def settled(page: Page) -> None:
    """Everything that is coming has come: the script is at its end, the components and figures are drawn."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_function(
        """() => [...document.querySelectorAll(".kdlab-plot")]
            .every((plot) => plot.dataset.state === "drawn" || !plot.checkVisibility())"""
    )


def open_every_part(page: Page) -> None:
    settled(page)
    closed = page.locator("[data-testid=stExpander] details:not([open]) > summary")
    while left := closed.count():
        closed.first.click()
        expect(closed).to_have_count(left - 1)


def open_the_pages(page: Page) -> None:
    page.set_viewport_size(NARROW)
    page.get_by_role("button", name="Pages").click()
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()


def finished_run(page: Page) -> None:
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url("**run=*")
    # The recorded run, on show until then, has a verdict too.
    page.locator("strong", has_text="Done").wait_for(timeout=120_000)
    page.get_by_text("What this run shows").wait_for()


def rows_of_runs(page: Page) -> None:
    finished_run(page)
    page.goto("/runs")
    expect(page.locator("[class*=st-key-run-]").first).to_be_visible()


def two_runs_compared(page: Page) -> None:
    finished_run(page)
    page.goto(f"{SHORT}&temperature=5")
    finished_run(page)
    page.goto("/runs?whose=Yours")
    ticks = page.locator("[class*=st-key-compare-] label")
    ticks.nth(0).click()
    expect(page.get_by_text("tick a second")).to_be_visible()
    ticks.nth(1).click()
    page.get_by_role("button", name="Compare these two").click()
    expect(page.get_by_role("heading", name="How they got there")).to_be_visible()


SIGHTS: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "Home": ("/", None),
    "Soft targets of a picture": ("/soft-targets", None),
    "Soft targets of a text": ("/soft-targets?data=languages", None),
    "Soft targets of own numbers": ("/soft-targets?data=own", None),
    "Loss, every part open": ("/loss", open_every_part),
    "Loss of a text": ("/loss?data=languages", None),
    "Distill with the recorded run, every part open": ("/distill", open_every_part),
    "A run that is done": (SHORT, finished_run),
    "Runs with a row": (SHORT, rows_of_runs),
    "Two runs compared": (SHORT, two_runs_compared),
}


@pytest.fixture(params=SIGHTS)
def sight(request: pytest.FixtureRequest, browser_page: Page) -> Page:
    """One sight of the lab after the other, as a new visitor has it."""
    address, prepare = SIGHTS[request.param]
    browser_page.set_viewport_size(WIDE)
    browser_page.goto(address)
    if prepare:
        prepare(browser_page)
    settled(browser_page)
    return browser_page


def violations(page: Page) -> list[str]:
    found: dict[str, Any] = Axe().run(page, options=RULES).response
    return [
        f"{violation['id']} at {node['target']}: {node['html'][:160]} | {' '.join(node['failureSummary'].split())}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def test_no_sight_violates_wcag_wide_or_narrow_light_or_dark(sight: Page):
    found = []
    for size in (WIDE, NARROW):
        sight.set_viewport_size(size)
        for scheme in ("light", "dark"):
            sight.emulate_media(color_scheme=scheme)
            sight.wait_for_function(
                "scheme => getComputedStyle(document.querySelector('.stApp')).colorScheme === scheme",
                arg=scheme,
            )
            settled(sight)
            found += [f"{size['width']} {scheme}: {violation}" for violation in violations(sight)]
    assert not found, "\n".join(found)


CUT_OFF = """() => {
  const seen = [], found = [];
  const look = (root) => {
    for (const node of root.querySelectorAll("*")) {
      seen.push(node);
      if (node.shadowRoot) look(node.shadowRoot);
    }
  };
  look(document.querySelector("[data-testid=stMain]"));
  const scrolls = (node) => {
    for (let at = node; at; at = at.parentElement ?? at.getRootNode().host)
      if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)
          && at.dataset?.testid !== "stMain" && at.scrollWidth > at.clientWidth) return true;
    return false;
  };
  for (const node of seen) {
    if (!node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const { left, right, width, height } = node.getBoundingClientRect();
    if (!words || width < 2 || height < 2 || node.closest(".katex-mathml")) continue;
    if ((right > innerWidth + 1 || left < -1) && !scrolls(node))
      found.push(`${node.tagName} “${node.textContent.trim().slice(0, 60)}” from ${left | 0} to ${right | 0}`);
  }
  return found;
}"""


def test_at_320_pixels_nothing_scrolls_sideways_and_no_words_are_cut(sight: Page):
    sight.set_viewport_size(NARROW)
    settled(sight)
    overflow = sight.evaluate(
        "() => [...document.querySelectorAll('[data-testid=stMain], html')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert overflow == [0, 0]
    assert sight.evaluate(CUT_OFF) == []


def test_the_pages_are_a_named_navigation_wide_and_narrow(browser_page: Page):
    browser_page.goto("/")
    expect(browser_page.get_by_role("navigation", name="App pages")).to_be_visible()
    open_the_pages(browser_page)
    expect(browser_page.get_by_role("navigation", name="App pages")).to_be_visible()
    assert not violations(browser_page)


def test_headings_stand_in_order(sight: Page):
    levels = sight.evaluate(
        """() => {
          const found = [];
          const look = (root) => {
            for (const node of root.querySelectorAll("*")) {
              if (/^H[1-6]$/.test(node.tagName) && node.checkVisibility() && node.textContent.trim())
                found.push(Number(node.tagName[1]));
              if (node.shadowRoot) look(node.shadowRoot);
            }
          };
          look(document.querySelector("[data-testid=stMain]"));
          return found;
        }"""
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def test_who_wants_less_motion_gets_none(browser: Browser, app_server: Any):
    page = browser.new_page(base_url=app_server.url, reduced_motion="reduce")
    page.goto("/distill")
    settled(page)
    moving = page.evaluate(
        "() => document.getAnimations().filter((a) => a.playState === 'running').map((a) => a.effect.target.outerHTML)"
    )
    page.close()
    assert moving == []
