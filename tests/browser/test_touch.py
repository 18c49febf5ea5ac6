"""A finger on a phone: a swipe scrolls the page, wherever it begins, and changes nothing; a drag sideways steers."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.rest import at_rest, open_all

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Locator, Page

pytestmark = pytest.mark.browser

CONTROLS = (
    "[role=slider], input, [role=combobox], [role=radio], [role=tab], .kdlab-plot, .tiles button, "
    ".stMain [data-testid=stButtonGroup] button"
)
STEERED = ("/soft-targets", "/loss", "/distill", "/access")
MAIN = "document.querySelector('[data-testid=stMain]')"
SCROLLED = f"{MAIN}.scrollTop"
AT_REST = f"""
() => new Promise((done) => {{
  let last, still = 0;
  const look = () => {{
    still = last === (last = {SCROLLED}) ? still + 1 : 0;
    still > 4 ? done() : requestAnimationFrame(look);
  }};
  look();
}})
"""
# All that a visitor may have set, as the page shows it.
SET = """
() => {
  const found = [location.search];
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) walk(node.shadowRoot);
      const said = ["aria-valuetext", "aria-pressed", "aria-checked", "aria-selected"].map((name) => node.getAttribute(name));
      if (said.some((value) => value !== null)) found.push(said.join());
      if (node.tagName === "INPUT") found.push(node.value + node.checked);
      if (node._fullLayout) found.push(JSON.stringify([node._fullLayout.xaxis?.range, node._fullLayout.yaxis?.range]));
    }
  };
  walk(document);
  return found.join("|");
}
"""


def _ready(page: Page, path: str) -> None:
    """The page with every part open and every figure drawn."""
    page.goto(path)
    if path in STEERED:
        expect(page.get_by_role("slider").first).to_be_visible()
    open_all(page)


def _swipe(finger: CDPSession, x: float, y: float, dx: float = 0, dy: float = 0) -> None:
    """A finger that goes this far from there, in steps as a hand does."""
    point = lambda part: [{"x": x + part * dx, "y": y + part * dy}]
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point(0)})
    for step in range(1, 13):
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": point(step / 12)})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("path", ["/", *STEERED, "/teachers", "/runs"])
def test_a_swipe_from_any_control_scrolls_and_changes_nothing(phone: Page, path: str):
    _ready(phone, path)
    finger = phone.context.new_cdp_session(phone)
    controls = [control for control in phone.locator(CONTROLS).all() if control.is_visible()]
    assert path not in STEERED or len(controls) > 10
    before = phone.evaluate(SET)
    for control, along in zip(controls, cycle((0.5, 0.2)), strict=False):
        _swipe_over(phone, finger, control, along)
    assert phone.evaluate(SET) == before


def _swipe_over(phone: Page, finger: CDPSession, control: Locator, along: float) -> None:
    control.evaluate("node => node.scrollIntoView({block: 'center', behavior: 'instant'})")
    # What the last swipe has set going must have come to rest: a page on its way back would undo this one.
    phone.evaluate(AT_REST)
    box, start = control.bounding_box(), phone.evaluate(SCROLLED)
    assert box is not None
    x, y = box["x"] + box["width"] * along, min(max(box["y"] + box["height"] / 2, 150), 600)
    if not 0 <= x < 390:  # in a row that scrolls sideways
        return
    if phone.evaluate(f"{MAIN}.scrollHeight - {MAIN}.clientHeight < 150"):  # all of it is in sight
        return
    down = phone.evaluate(f"{MAIN}.scrollHeight - {MAIN}.clientHeight - {MAIN}.scrollTop > 150")
    _swipe(finger, x, y, dy=-100 if down else 100)
    phone.wait_for_function(f"start => Math.abs({SCROLLED} - start) > 20", arg=start)


def test_a_finger_that_goes_sideways_steers_the_slider_and_the_bars(phone: Page):
    _ready(phone, "/loss")
    finger = phone.context.new_cdp_session(phone)
    for name, address in (("Temperature", "temperature="), ("Student, ", "zs=")):
        control = phone.get_by_role("slider", name=name).first
        control.evaluate("node => node.scrollIntoView({block: 'center', behavior: 'instant'})")
        before, box = control.get_attribute("aria-valuetext"), control.bounding_box()
        assert before
        assert box
        _swipe(finger, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, dx=60, dy=3)
        phone.wait_for_url(lambda url, address=address: address in url)
        assert control.get_attribute("aria-valuetext") != before


def test_a_tap_on_the_rail_moves_nothing_and_what_is_touched_is_large_enough(phone: Page):
    _ready(phone, "/loss")
    slider = phone.get_by_role("slider", name="Temperature").first
    before, box = slider.get_attribute("aria-valuetext"), slider.bounding_box()
    assert box
    phone.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    at_rest(phone)
    assert slider.get_attribute("aria-valuetext") == before
    assert box["height"] >= 24
    assert slider.evaluate("node => parseFloat(getComputedStyle(node).getPropertyValue('--thumb'))") >= 24
    for touched in (phone.locator(".lane").first, phone.locator(".reset").first):
        size = touched.bounding_box()
        assert size
        assert min(size["width"], size["height"]) >= 24


def test_the_menu_closes_by_its_own_button_and_after_a_choice(phone: Page):
    _ready(phone, "/loss")
    menu, close = phone.get_by_test_id("stSidebar"), phone.get_by_test_id("stSidebarCollapseButton")
    phone.get_by_role("button", name="Pages").tap()
    expect(phone.get_by_role("button", name="Copy link")).to_be_hidden()
    close.tap()  # what lies over it would take the tap, and this would wait for ever
    expect(menu).to_have_attribute("data-collapsed", "true")
    expect(phone.get_by_role("button", name="Copy link")).to_be_visible()
    phone.get_by_role("button", name="Pages").tap()
    phone.get_by_role("link", name="Soft targets", exact=True).tap()
    expect(phone.get_by_role("heading", name="Soft targets", level=1)).to_be_visible()
    expect(menu).to_have_attribute("data-collapsed", "true")
