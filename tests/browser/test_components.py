"""The slider and the figure under the hand, in a real browser."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.rest import all_drawn

pytestmark = pytest.mark.browser

UNDER_THE_HAND = ("live_slider", "live_bars", "live_plot", "tiles")


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
    assert "temperature=" not in browser_page.url
    value = slider.get_attribute("aria-valuetext")
    browser_page.mouse.up()
    expect(browser_page).to_have_url(re.compile(rf"[?&]temperature={float(value or 'nan'):g}($|&)"))
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
    expect(browser_page).to_have_url(re.compile(r"[?&]temperature=20($|&)"))
    expect(bars).to_contain_text("T = 20")


def test_a_slider_that_stands_at_one_has_its_unit_in_the_singular(browser_page: Page):
    browser_page.goto("/distill?epochs=1")
    slider = browser_page.get_by_role("slider", name="Epochs")
    expect(slider).to_have_attribute("aria-valuetext", "1 pass")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "2 passes")


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
    expect(browser_page).to_have_url(re.compile(r"[?&]temperature=20($|&)"))
    expect(slider).to_have_attribute("aria-valuetext", "20.0")
    expect(bars).to_contain_text("T = 20")


def test_a_figure_that_left_and_came_back_before_the_browser_told_is_drawn(browser: Browser, app_server: Any):
    page = browser.new_page(base_url=app_server.url)
    # A busy browser tells that a figure was out of sight and is in sight again in one message.
    page.add_init_script(
        """window.IntersectionObserver = class extends IntersectionObserver {
          constructor(told, how) {
            super((sights) => told([{ isIntersecting: !sights.at(-1).isIntersecting }, ...sights]), how);
          }
        };"""
    )
    _open(page)
    page.close()


def test_a_turned_phone_does_not_scroll_sideways_for_a_picture_out_of_sight(browser_page: Page):
    browser_page.set_viewport_size({"width": 844, "height": 390})
    browser_page.goto("/access")
    all_drawn(browser_page)
    browser_page.set_viewport_size({"width": 390, "height": 844})
    browser_page.wait_for_function(
        """() => {
          const pictures = [...document.querySelectorAll(".kdlab-plot")];
          const old = (picture) => picture.clientWidth < picture.querySelector(".main-svg").getBoundingClientRect().width - 1;
          return pictures.every((picture) => picture.clientWidth <= 390) && pictures.some(old);
        }"""
    )
    main = browser_page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth - node.clientWidth") == 0


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


def test_a_launching_button_that_is_off_can_still_be_read(browser_page: Page):
    browser_page.goto("/teachers")
    off = browser_page.get_by_role("button", name="Ask", exact=True)
    expect(off).to_be_disabled()
    for scheme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 16, 20)")):
        browser_page.emulate_media(color_scheme=scheme)
        ink = "node => getComputedStyle(node.querySelector('p')).color"
        expect(off).to_be_visible()
        assert off.evaluate(ink) != ground


def test_nothing_is_fetched_from_another_server(browser_page: Page):
    asked: set[str] = set()
    browser_page.on("request", lambda request: asked.add(request.url))
    _open(browser_page)
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(browser_page.url).netloc}
    assert any("plotly.min.js" in url for url in asked)


def _hold_back(page: Page, script: str) -> Callable[[], None]:
    """Keeps a component's code from coming; the function that is returned lets it come."""
    held: list[Route] | None = []

    def meet(route: Route) -> None:
        if held is None:
            route.continue_()
        else:
            held.append(route)

    def let_come() -> None:
        nonlocal held
        waiting, held = held or [], None
        for route in waiting:
            route.continue_()

    page.route(f"**/components/*/{script}", meet)
    return let_come


def _overtake(page: Page, script: str, newer: Callable[[int], None], times: int = 20) -> None:
    """Newer data comes again and again before the component's code is there, as on a slow line."""
    let_come = _hold_back(page, script)
    page.goto(page.url)
    for number in range(times):
        newer(number)
    let_come()


def test_a_slider_that_newer_data_overtook_still_tells_its_moves(browser_page: Page):
    _open(browser_page)

    def pick_another(number: int) -> None:
        tile = browser_page.get_by_role("group", name="Examples").get_by_role("button").nth(1 + number % 2)
        tile.click()
        expect(tile).to_have_attribute("aria-pressed", "true")

    _overtake(browser_page, "live_slider.js", pick_another)
    slider = browser_page.get_by_role("slider", name="Temperature T")
    expect(slider).to_have_attribute("aria-valuetext", "4.0")
    slider.press("End")
    expect(browser_page).to_have_url(re.compile(r"[?&]temperature=20($|&)"))
    slider.press("Home")
    expect(browser_page).to_have_url(re.compile(r"[?&]temperature=0.5($|&)"))


def test_a_figure_that_newer_data_overtook_is_drawn(browser_page: Page):
    slider, _ = _open(browser_page)

    def move(number: int) -> None:
        slider.press("End" if number % 2 else "Home")
        expect(browser_page).to_have_url(re.compile(r"[?&]temperature=20($|&)" if number % 2 else r"[?&]temperature=0.5($|&)"))

    _overtake(browser_page, "live_plot.js", move)
    bars = browser_page.get_by_role("img", name="Hard label and soft targets")
    expect(bars).to_have_attribute("data-state", "drawn")
    expect(bars).to_contain_text("T = 20")
    slider.press("Home")
    expect(bars).to_contain_text("T = 0.5")


def test_bars_that_newer_data_overtook_still_tell_their_moves(browser_page: Page):
    browser_page.goto("/loss")
    temperature = browser_page.get_by_role("slider", name="Temperature").first
    expect(temperature).to_have_attribute("aria-valuetext", re.compile("."))

    def move(number: int) -> None:
        temperature.press("End" if number % 2 else "Home")
        expect(browser_page).to_have_url(re.compile(r"[?&]temperature=20($|&)" if number % 2 else r"[?&]temperature=0.5($|&)"))

    _overtake(browser_page, "live_bars.js", move)
    bar = browser_page.get_by_role("slider", name=re.compile("^Student, ")).first
    bar.press("End")
    expect(browser_page).to_have_url(re.compile(r"[?&]zs=12"))


def test_the_end_of_an_overtaken_call_leaves_what_stands_alone(browser_page: Page):
    slider, bars = _open(browser_page)
    told = slider.evaluate(
        """async (input) => {
          const parentElement = input.getRootNode();
          const { default: draw } = await import(parentElement.querySelector("link").href.replace(/css$/, "js"));
          const data = { label: "T", value: 4, taken: 0, min: 0.5, max: 20, step: 0.1, log: true };
          return new Promise((answer) => {
            const setStateValue = (_, move) => move.settled && answer(move.value);
            const ends = Array.from({ length: 20 }, () => draw({ data, parentElement, setStateValue }));
            ends.reverse().forEach((end) => end());
            input.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
            ends.forEach((end) => end());
          });
        }"""
    )
    assert told == 20
    assert bars.evaluate(
        """async (node) => {
          const parentElement = node.closest("figure").parentElement;
          const { default: draw } = await import(parentElement.querySelector("link").href.replace(/css$/, "js"));
          const data = { figure: "{\\"data\\": [], \\"layout\\": {}}", title: "", sentence: "", caption: "", alt: "" };
          draw({ data, parentElement })();
          return Boolean(node._fullLayout);
        }"""
    )


def test_what_a_move_sends_is_numbers_no_reference_no_code_no_picture(browser_page: Page):
    frames: list[bytes] = []

    def keep(payload: bytes | str) -> None:
        frames.append(payload if isinstance(payload, bytes) else payload.encode())

    browser_page.on("websocket", lambda socket: socket.on("framereceived", keep))
    slider, _ = _open(browser_page)
    frames.clear()
    for key, value in (("End", "20"), ("Home", "0.5"), ("End", "20"), ("Home", "0.5")):
        slider.press(key)
        expect(browser_page).to_have_url(re.compile(rf"[?&]temperature={value}($|&)"))
    messages = [ForwardMsg.FromString(frame) for frame in frames]
    # A reference to what the browser has just forgotten ends the connection for good.
    assert "ref_hash" not in {message.WhichOneof("type") for message in messages}
    components = [
        message.delta.new_element.bidi_component
        for message in messages
        if message.delta.new_element.WhichOneof("type") == "bidi_component"
    ]
    ours = [one for one in components if one.component_name in {f"kdlab.{name}" for name in UNDER_THE_HAND}]
    assert {one.component_name.removeprefix("kdlab.") for one in ours} >= {"live_slider", "live_plot", "tiles"}
    assert all(len(one.js_content) + len(one.css_content) + len(one.html_content) < 1500 for one in ours)
    assert not any(b"data:image" in frame for frame in frames)


def test_a_move_made_while_the_server_was_away_is_told_when_it_is_back(
    browser: Browser, start_app: Callable[[], AbstractContextManager[Any]]
):
    with start_app() as server:
        page = browser.new_page(base_url=server.url)
        slider, bars = _open(page)
        slider.press("End")
        expect(page).to_have_url(re.compile(r"[?&]temperature=20($|&)"))
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        slider.press("Home")
        expect(slider).to_have_attribute("aria-valuetext", "0.5")
    with start_app():
        expect(page).to_have_url(re.compile(r"[?&]temperature=0.5($|&)"))
        expect(bars).to_contain_text("T = 0.5")
        expect(slider).to_have_attribute("aria-valuetext", "0.5")
    page.close()
