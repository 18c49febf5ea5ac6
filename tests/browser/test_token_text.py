"""A text under the teacher in a real browser: chosen by a tap and by keys, its bars under the hand, on a phone and on a wall."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

BARS = "[role=table][aria-label*='next token']"


def opened(page: Page, query: str = "") -> tuple[Locator, Locator]:
    """The tokens and the bars."""
    page.goto(f"/language{query}")
    text = page.get_by_role("listbox", name="The text, token by token")
    bars = page.locator(BARS)
    expect(text.get_by_role("option", selected=True)).to_have_count(1)
    expect(bars.get_by_role("row")).not_to_have_count(1)
    return text, bars


def drawn(bars: Locator) -> tuple[str, int]:
    """At which temperature the bars are drawn, and how often they were."""
    box = bars.locator("xpath=..")
    return box.get_attribute("data-temperature") or "", int(box.get_attribute("data-draws") or 0)


def test_a_click_and_the_arrow_keys_choose_a_token_and_the_address_says_which(browser_page: Page):
    text, bars = opened(browser_page)
    text.get_by_role("option", name="Token 4 of").click()
    expect(browser_page).to_have_url(re.compile(r"[?&]token=4($|&)"))
    before = bars.inner_text()
    browser_page.keyboard.press("ArrowRight")
    expect(text.get_by_role("option", selected=True)).to_have_accessible_name(re.compile("^Token 5 of"))
    expect(browser_page).to_have_url(re.compile(r"[?&]token=5($|&)"))
    expect(bars).not_to_have_text(before)
    browser_page.keyboard.press("ArrowDown")
    expect(browser_page).not_to_have_url(re.compile(r"[?&]token=[45]($|&)"))
    browser_page.keyboard.press("Home")
    expect(browser_page).to_have_url(re.compile(r"[?&]token=0($|&)"))


def test_the_bars_follow_the_slider_in_the_browser_and_python_hears_when_the_hand_rests(browser_page: Page):
    _, bars = opened(browser_page, "?token=9")
    slider = browser_page.locator(".st-key-slider-at_T").get_by_role("slider")
    box, (_, before) = slider.bounding_box(), drawn(bars)
    assert box
    browser_page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    browser_page.mouse.down()
    for step in range(30):
        browser_page.mouse.move(box["x"] + box["width"] * (0.3 + 0.02 * step), box["y"] + box["height"] / 2)
        browser_page.wait_for_timeout(20)
    assert drawn(bars)[1] - before > 5
    assert "at_T=" not in browser_page.url
    at = slider.get_attribute("aria-valuetext") or ""
    browser_page.mouse.up()
    expect(browser_page).to_have_url(re.compile(rf"[?&]at_T={float(at):g}($|&)"))
    expect(bars.locator("xpath=..")).to_have_attribute("data-temperature", f"{float(at):g}")


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_nothing_sticks_out_and_a_finger_can_meet_each_token(phone: Page, width: int):
    phone.set_viewport_size({"width": width, "height": 700})
    text, bars = opened(phone)
    main = phone.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth - node.clientWidth") == 0
    for token in text.get_by_role("option").all():
        box = token.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24
        assert box["x"] + box["width"] <= width
    last = text.get_by_role("option", name=re.compile("^Token 6 of"))
    last.tap()
    expect(last).to_have_attribute("aria-selected", "true")
    below = bars.bounding_box()
    assert below
    assert below["x"] >= 0
    assert below["x"] + below["width"] <= width


def test_on_the_projector_tokens_and_numbers_are_read_from_the_last_row(browser_page: Page):
    browser_page.set_viewport_size({"width": 1920, "height": 1080})
    text, bars = opened(browser_page, "?projector=1")
    size = "node => parseFloat(getComputedStyle(node).fontSize)"
    browser_page.wait_for_function("() => parseFloat(getComputedStyle(document.documentElement).fontSize) > 20")
    for read in (text.get_by_role("option").first, bars.get_by_role("cell").first, bars.get_by_role("rowheader").first):
        assert read.evaluate(size) >= 0.025 * 1080 - 0.05
