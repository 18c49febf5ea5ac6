"""When a page has come whole: what a test then finds, clicks or compares stands where it will stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.conftest import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Streamlit says that its script is done before the browser has drawn all that came of it.
_STILL = """(patience) => new Promise((done, never) => {
  const began = performance.now();
  let changed = began, frames = 0;
  const watch = new MutationObserver(() => { changed = performance.now(); frames = 0; });
  watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const look = () => {
    frames += 1;
    if (performance.now() - began > patience) return never(new Error("the page does not come to rest"));
    if (frames < 8 || performance.now() - changed < 250) return requestAnimationFrame(look);
    watch.disconnect();
    done();
  };
  look();
})"""
_UNDRAWN = ".kdlab-plot:visible:not([data-state=drawn])"


def at_rest(page: Page) -> None:
    """The script is at its end, and what came of it is on the page."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.evaluate(_STILL, PATIENCE)


def all_drawn(page: Page) -> None:
    """At rest, with every figure drawn that is not folded away: one out of sight waits until it is seen."""
    at_rest(page)
    while page.locator(_UNDRAWN).count():
        for plot in page.locator(".kdlab-plot:visible").all():
            plot.scroll_into_view_if_needed()
            expect(plot).to_have_attribute("data-state", "drawn")
        at_rest(page)


def open_all(page: Page) -> None:
    """Every folded section is opened, and all in it is drawn."""
    all_drawn(page)
    closed = page.locator("[data-testid=stExpander] details:not([open]) > summary")
    while left := closed.count():
        closed.first.click()
        expect(closed).to_have_count(left - 1)
        # What stands in a section may be made only once it is open; the next is opened after that.
        for section in page.locator("[data-testid=stExpander] details[open]").all():
            expect(section.get_by_test_id("stElementContainer").first).to_be_visible()
        all_drawn(page)
