"""Every page for everybody: axe-core's rules for WCAG 2.2 AA, and what must hold on a narrow screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.rest import all_drawn, open_all

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
}
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 900}
SHORT = "/distill?dataset=digits&labels=50&transfer=100&epochs=10&seeds=2"


def settled(page: Page) -> None:
    """Everything that is coming has come, is drawn, and moves no more."""
    all_drawn(page)
    # A figure is drawn anew a moment after its room has changed. Its tools fade in under a pointer, also where
    # scrolling brings the figure to it, so it goes where there is none; then what fades must come to rest.
    page.mouse.move(0, 0)
    page.wait_for_function(
        """() => {
          const roots = [document, ...[...document.querySelectorAll("*")].map((node) => node.shadowRoot).filter(Boolean)];
          return roots.every((root) => root.getAnimations().every((moving) => moving.playState !== "running"))
            && [...document.querySelectorAll(".kdlab-plot")]
              .every((plot) => !plot.checkVisibility() || plot.scrollWidth <= plot.clientWidth + 1);
        }"""
    )


def open_every_part(page: Page) -> None:
    open_all(page)
    settled(page)


@dataclass(frozen=True)
class Visitor:
    """A visitor with a light theme, and two runs of theirs that are done."""

    page: Page
    runs: tuple[str, str]


@pytest.fixture(scope="module")
def visitor(browser: Browser, app_server: Any) -> Iterator[Visitor]:
    context = browser.new_context(base_url=app_server.url, viewport=WIDE, color_scheme="light")
    page = context.new_page()
    runs = []
    for address in (SHORT, f"{SHORT}&temperature=5"):
        page.goto(address)
        page.get_by_role("button", name="Launch").click()
        page.wait_for_url("**run=*")
        # The recorded run, on show until then, has a verdict too.
        page.locator("strong", has_text="Done").wait_for()
        page.get_by_text("What this run shows").wait_for()
        runs += re.findall(r"[?&]run=(\w+)", page.url)
    first, second = runs
    yield Visitor(page, (first, second))
    context.close()


SIGHTS = {
    "Home": "/",
    "Soft targets of a picture": "/soft-targets",
    "Soft targets of a text": "/soft-targets?data=languages",
    "Soft targets of own numbers": "/soft-targets?data=own",
    "Loss": "/loss",
    "Loss of a text": "/loss?data=languages",
    "Distill with the recorded run": "/distill",
    "A run that is done": "/distill?run={0}",
    "The ladder with the recorded run": "/access",
    "Teachers": "/teachers",
    "Runs with rows": "/runs",
    "Two runs compared": "/runs?compare={0},{1}",
}


@pytest.fixture(scope="module", params=SIGHTS)
def sight(request: pytest.FixtureRequest, visitor: Visitor) -> Page:
    """One sight of the lab after the other, narrow and dark, every part open."""
    page = visitor.page  # a tab of its own for each would cost more than the look
    page.goto("about:blank")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(NARROW)
    page.goto(SIGHTS[request.param].format(*visitor.runs))
    open_every_part(page)
    return page


def violations(page: Page) -> set[str]:
    found: dict[str, Any] = Axe().run(page, options=RULES).response
    return {
        f"{violation['id']} at {str(node['target'])[-90:]}: {node['html'][:120]} | {' '.join(node['failureSummary'].split())}"
        for violation in found["violations"]
        for node in violation["nodes"]
        if not excused(page, violation["id"], node["html"])
    }


def excused(page: Page, rule: str, html: str) -> bool:
    """The bars of ten classes' logits stand on one screen with the sliders that they answer, which rows for two
    fingers would not: where a mouse points they may be lower. Keys move them as well."""
    wide = (page.viewport_size or WIDE)["width"] > 640
    return rule == "target-size" and 'class="lane"' in html and wide


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
    overflow = sight.evaluate(
        "() => [...document.querySelectorAll('[data-testid=stMain], html')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert overflow == [0, 0]
    assert sight.evaluate(CUT_OFF) == []


def test_the_pages_are_a_named_navigation_wide_and_narrow(browser_page: Page):
    browser_page.goto("/")
    expect(browser_page.get_by_role("navigation", name="App pages")).to_be_visible()
    browser_page.set_viewport_size(NARROW)
    browser_page.get_by_role("button", name="Pages").click()
    expect(browser_page.get_by_role("navigation", name="App pages")).to_be_visible()
    assert not violations(browser_page)


def test_headings_stand_in_order(sight: Page):
    levels = sight.evaluate(
        """() => {
          const found = [];
          const look = (root) => {
            for (const node of root.querySelectorAll("*")) {
              if (/^H[1-6]$/.test(node.tagName) && node.checkVisibility() && node.textContent.trim())
                found.push(Number(node.ariaLevel ?? node.tagName[1]));
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


# Last of what looks at a sight: it leaves it wide and light.
def test_no_sight_violates_wcag_narrow_and_dark_or_wide_and_light(sight: Page):
    # Colours do not hang on the width, nor the layout on the theme: two of the four meet every rule.
    found = [f"narrow, dark: {violation}" for violation in violations(sight)]
    # Formulas are coloured where the script runs, so the page is asked for again.
    sight.emulate_media(color_scheme="light")
    sight.set_viewport_size(WIDE)
    sight.reload()
    open_every_part(sight)
    found += [f"wide, light: {violation}" for violation in violations(sight)]
    assert not found, "\n".join(sorted(found))


def test_who_wants_less_motion_gets_none(browser: Browser, app_server: Any):
    page = browser.new_page(base_url=app_server.url, reduced_motion="reduce")
    page.goto("/distill")
    settled(page)
    moving = page.evaluate(
        "() => document.getAnimations().filter((a) => a.playState === 'running').map((a) => a.effect.target.outerHTML)"
    )
    assert moving == []
    # A replay shows a few still pictures, two seconds apart, and its end.
    page.evaluate(
        """() => {
          window.drawnAt = [performance.now()];
          const race = document.querySelector(".st-key-learning-curves-area .kdlab-plot");
          new MutationObserver(() => window.drawnAt.push(performance.now()))
            .observe(race, { attributes: true, attributeFilter: ["data-draws"] });
        }"""
    )
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    settled(page)
    began, *drawn = page.evaluate("window.drawnAt")
    page.close()
    assert drawn
    assert len(drawn) <= 1 + (drawn[-1] - began) / 2000
