"""The slider and the figure under the hand, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


def _open(page: Page) -> tuple[Locator, Locator]:
    page.goto("/soft-targets")
    bars = page.get_by_role("img", name="Hard label and soft targets")
    expect(bars).to_have_attribute("data-state", "drawn")
    return page.get_by_role("slider", name="Temperature T"), bars


def _draws(figure: Locator) -> int:
    return int(figure.get_attribute("data-draws") or 0)


def test_a_drag_redraws_one_node_many_times_and_writes_the_url_when_it_ends(browser_page: Page):
    slider, bars = _open(browser_page)
    bars.evaluate("node => { node.mark = 'the same'; }")
    before, box = _draws(bars), slider.bounding_box()
    assert box
    browser_page.mouse.move(box["x"] + box["width"] * 0.56, box["y"] + box["height"] / 2)
    browser_page.mouse.down()
    for step in range(80):
        browser_page.mouse.move(box["x"] + box["width"] * (0.5 - 0.005 * step), box["y"] + box["height"] / 2)
        browser_page.wait_for_timeout(15)
    assert _draws(bars) - before > 5
    assert "T=" not in browser_page.url
    value = slider.get_attribute("aria-valuetext")
    browser_page.mouse.up()
    expect(browser_page).to_have_url(re.compile(rf"[?&]T={float(value or 'nan'):g}($|&)"))
    expect(slider).to_have_attribute("aria-valuetext", value or "")
    assert bars.evaluate("node => node.mark") == "the same"


def test_keys_move_the_slider_by_its_grain_and_to_its_ends(browser_page: Page):
    slider, bars = _open(browser_page)
    browser_page.keyboard.press("Tab")
    slider.focus()
    assert slider.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    for key, value in (
        ("ArrowRight", "4.1"),
        ("ArrowDown", "4.0"),
        ("Home", "0.5"),
        ("ArrowUp", "0.6"),
        ("End", "20.0"),
    ):
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuetext", value)
    expect(browser_page).to_have_url(re.compile(r"[?&]T=20($|&)"))
    expect(bars).to_contain_text("T = 20")


def test_a_late_answer_does_not_take_back_a_key_that_waits_to_be_told(browser_page: Page):
    slider, bars = _open(browser_page)
    # The first key is told at once; the second one's own timer is stretched until the first one's answer has come.
    slider.evaluate(
        """async (node) => {
          const press = (key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
          press("Home");
          await new Promise((told) => setTimeout(told, 5));
          const real = window.setTimeout;
          window.setTimeout = (call, ms, ...rest) => real(call, ms < 40 ? 5000 : ms + 2000, ...rest);
          press("End");
          window.setTimeout = real;
        }"""
    )
    expect(browser_page).to_have_url(re.compile(r"[?&]T=20($|&)"))
    expect(slider).to_have_attribute("aria-valuetext", "20.0")
    expect(bars).to_contain_text("T = 20")


def test_the_back_button_brings_the_value_of_before(browser_page: Page):
    slider, _ = _open(browser_page)
    slider.press("End")
    expect(browser_page).to_have_url(re.compile("T=20"))
    browser_page.go_back()
    expect(slider).to_have_attribute("aria-valuetext", "4.0")


def test_help_and_units_are_there_for_a_screen_reader(browser_page: Page):
    slider, bars = _open(browser_page)
    described = slider.get_attribute("aria-describedby")
    assert "softmax" in (
        slider.evaluate(f"node => node.getRootNode().getElementById('{described}').textContent")
    )
    assert bars.get_attribute("aria-label")
    expect(browser_page.get_by_role("group", name="Examples").get_by_role("button").first).to_have_attribute(
        "aria-pressed", "true"
    )


def test_ink_follows_the_theme_in_the_same_node(browser_page: Page):
    browser_page.emulate_media(color_scheme="light")
    _, bars = _open(browser_page)
    ink = "node => getComputedStyle(node.querySelector('.ytick text')).fill"
    assert bars.evaluate(ink) == "rgb(27, 32, 39)"
    bars.evaluate("node => { node.mark = 'the same'; }")
    browser_page.emulate_media(color_scheme="dark")
    browser_page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.kdlab-plot .ytick text')).fill === 'rgb(232, 234, 237)'"
    )
    assert bars.evaluate("node => node.mark") == "the same"


def test_nothing_is_fetched_from_another_server(browser_page: Page):
    asked: set[str] = set()
    browser_page.on("request", lambda request: asked.add(request.url))
    _open(browser_page)
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(browser_page.url).netloc}
    assert any("plotly.min.js" in url for url in asked)
