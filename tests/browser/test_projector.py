"""The projector view and the link that leaves it out."""

from __future__ import annotations

import re
import threading
from itertools import product
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import AppServer
    from playwright.sync_api import Browser, Locator, Page, Route

pytestmark = pytest.mark.browser


def switch(page: Page) -> Locator:
    return page.get_by_role("button", name="Projector")


def letters(page: Page) -> float:
    return float(page.evaluate("() => parseFloat(getComputedStyle(document.documentElement).fontSize)"))


def shown_large(page: Page) -> None:
    expect(switch(page)).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => parseFloat(getComputedStyle(document.documentElement).fontSize) > 20")


def copied_link(page: Page) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    return str(page.evaluate("() => navigator.clipboard.readText()"))


def test_a_button_switches_the_projector_view_on_for_every_page_and_off_again(browser_page: Page):
    browser_page.goto("/")
    expect(switch(browser_page)).to_have_attribute("aria-pressed", "false")
    usual = letters(browser_page)
    switch(browser_page).click()
    shown_large(browser_page)
    browser_page.get_by_role("link", name="Loss", exact=True).click()
    expect(browser_page.get_by_role("heading", name="Loss", exact=True)).to_be_visible()
    shown_large(browser_page)
    switch(browser_page).click()
    expect(switch(browser_page)).to_have_attribute("aria-pressed", "false")
    browser_page.wait_for_function(
        "usual => parseFloat(getComputedStyle(document.documentElement).fontSize) === usual", arg=usual
    )


def test_a_reload_keeps_the_projector_view_and_the_address_does_not_carry_it(browser_page: Page):
    browser_page.goto("/soft-targets?data=languages&projector=1")
    shown_large(browser_page)
    expect(browser_page).to_have_url(re.compile(r"/soft-targets\?data=languages$"))
    browser_page.reload()
    shown_large(browser_page)
    expect(browser_page).to_have_url(re.compile(r"/soft-targets\?data=languages$"))


def test_the_back_button_leads_out_of_the_projector_view_s_pages(browser_page: Page):
    browser_page.goto("/?projector=1")
    shown_large(browser_page)
    browser_page.get_by_role("link", name="Loss", exact=True).click()
    expect(browser_page.get_by_role("heading", name="Loss", exact=True)).to_be_visible()
    shown_large(browser_page)
    browser_page.go_back()
    expect(browser_page.get_by_role("heading", name="A small model learns")).to_be_visible()
    shown_large(browser_page)


@pytest.mark.parametrize(
    "address", ["/", "/soft-targets?data=own&p=0.7, 0.2, 0.1&T=9", "/loss", "/distill", "/access", "/teachers", "/runs"]
)
def test_a_copied_link_shows_the_view_to_others_and_says_nothing_of_the_projector(
    browser_page: Page, browser: Browser, address: str
):
    browser_page.goto(address + ("&" if "?" in address else "?") + "projector=1")
    shown_large(browser_page)
    link = copied_link(browser_page)
    assert "projector" not in link
    assert link.split("?")[0].endswith(address.split("?")[0])
    if "T=9" in address:
        expect(browser_page.get_by_text("T = 9").first).to_be_visible()
        other = browser.new_page()
        other.goto(link)
        expect(other.get_by_role("button", name="Projector")).to_have_attribute("aria-pressed", "false")
        slider = other.get_by_role("slider", name="Temperature")
        expect(slider).to_have_attribute("aria-valuetext", re.compile("^9"))
        other.close()


def test_a_link_is_copied_where_the_browser_keeps_its_clipboard_from_plain_addresses(
    browser: Browser, app_server: AppServer
):
    browser_page = browser.new_page(base_url=app_server.url)
    browser_page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    browser_page.goto("/loss")
    browser_page.evaluate(
        "() => document.addEventListener('copy', () => (window.taken = document.activeElement.value))"
    )
    browser_page.get_by_role("button", name="Copy link").click()
    expect(browser_page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    assert browser_page.evaluate("() => window.taken") == browser_page.url
    browser_page.close()


CAN_BE_PRESSED = """() => {
  const found = [];
  const look = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) look(node.shadowRoot);
      const ours = node.getRootNode() !== document || node.closest(".kdlab-figure");
      if (ours && node.checkVisibility() && node.matches("button:enabled, input:enabled")) found.push(node.textContent || node.type);
    }
  };
  look(document);
  return found;
}"""


def test_what_is_pressed_before_its_script_has_come_is_not_lost(browser: Browser, app_server: AppServer):
    browser_page = browser.new_page(base_url=app_server.url)
    held: list[Route] = []
    ready = threading.Event()

    def hold(route: Route) -> None:
        if ready.is_set():
            route.continue_()
        else:
            held.append(route)

    browser_page.route(re.compile(r"/components/.*\.js$"), hold)
    browser_page.goto("/loss")
    expect(browser_page.get_by_role("button", name="Copy link")).to_be_visible()
    expect(browser_page.get_by_role("slider", name="Temperature")).to_have_count(0)
    expect(browser_page.get_by_role("button", name="Save picture")).not_to_have_count(0)
    assert browser_page.evaluate(CAN_BE_PRESSED) == []
    ready.set()
    for route in held:
        route.continue_()
    browser_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    browser_page.get_by_role("button", name="Copy link").click()
    expect(browser_page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    browser_page.close()


SMALL = """(least) => {
  const small = [], cut = [];
  for (const plot of document.querySelectorAll(".kdlab-plot")) {
    if (!plot.checkVisibility()) continue;
    const frame = plot.getBoundingClientRect();
    for (const text of plot.querySelectorAll("svg text")) {
      const { left, right, top, bottom, width } = text.getBoundingClientRect();
      if (!text.textContent.trim() || !width) continue;
      const said = `${plot.ariaLabel.slice(0, 40)}: “${text.textContent}”`;
      if (parseFloat(getComputedStyle(text).fontSize) < least) small.push(`${said} ${getComputedStyle(text).fontSize}`);
      if (left < frame.left - 2 || right > frame.right + 2 || top < frame.top - 2 || bottom > frame.bottom + 2)
        cut.push(`${said} ${[left - frame.left, right - frame.right, top - frame.top, bottom - frame.bottom].map(Math.round)}`);
    }
  }
  const numbers = [];
  const look = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) look(node.shadowRoot);
      const words = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data).join("");
      if (!/\\d/.test(words) || !node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      if (node.closest("svg, style, script, sub, sup, .katex") || !node.getBoundingClientRect().width) continue;
      if (parseFloat(getComputedStyle(node).fontSize) < least) numbers.push(`${node.tagName} “${words.slice(0, 40)}” ${getComputedStyle(node).fontSize}`);
    }
  };
  look(document.querySelector("[data-testid=stMain]"));
  return { small, cut, numbers };
}"""


@pytest.mark.parametrize(
    ("size", "path"), product([(1280, 720), (1920, 1080)], ["/soft-targets", "/loss", "/distill", "/access", "/teachers"])
)
def test_figures_and_numbers_on_the_projector_are_read_from_the_last_row_and_not_cut(
    browser_page: Page, size: tuple[int, int], path: str
):
    browser_page.set_viewport_size({"width": size[0], "height": size[1]})
    browser_page.goto(f"{path}?projector=1")
    shown_large(browser_page)
    every_figure_drawn(browser_page)
    found = browser_page.evaluate(SMALL, 0.025 * size[1] - 0.05)
    assert found == {"small": [], "cut": [], "numbers": []}


CUT_WORDS = """() => [...document.querySelectorAll("[data-testid=stMain] button")]
  .filter((button) => button.checkVisibility())
  .filter((button) => [button, ...button.querySelectorAll("p, div")].some((part) => part.scrollWidth > part.clientWidth + 1
    && getComputedStyle(part).overflowX !== "visible" && getComputedStyle(part).display !== "inline"))
  .map((button) => button.innerText)"""


@pytest.mark.parametrize("path", ["/soft-targets", "/loss", "/distill", "/access", "/teachers", "/runs"])
def test_buttons_on_the_projector_have_room_for_their_words(browser_page: Page, path: str):
    browser_page.set_viewport_size({"width": 1280, "height": 900})
    browser_page.goto(f"{path}?projector=1")
    shown_large(browser_page)
    every_figure_drawn(browser_page)
    assert browser_page.evaluate(CUT_WORDS) == []


def every_figure_drawn(page: Page) -> None:
    """A figure out of sight waits: brings each into view."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    for plot in page.locator(".kdlab-plot").all():
        if plot.is_visible():
            plot.scroll_into_view_if_needed()
            expect(plot).to_have_attribute("data-state", "drawn")


def test_figures_grow_when_the_browser_is_made_full_screen(browser_page: Page):
    browser_page.set_viewport_size({"width": 1280, "height": 720})
    browser_page.goto("/soft-targets?projector=1")
    shown_large(browser_page)
    every_figure_drawn(browser_page)
    browser_page.set_viewport_size({"width": 1280, "height": 900})
    browser_page.wait_for_function(
        "() => parseFloat(getComputedStyle(document.querySelector('.kdlab-plot .xtick text')).fontSize) >= 22.4"
    )


def test_the_verdict_is_read_at_the_race_without_scrolling(browser_page: Page):
    browser_page.set_viewport_size({"width": 1280, "height": 720})
    browser_page.goto("/distill?projector=1")
    shown_large(browser_page)
    verdict = browser_page.get_by_text("Take the student of the teacher's answers").first
    expect(verdict).to_be_in_viewport(ratio=1)
