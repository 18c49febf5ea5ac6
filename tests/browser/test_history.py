"""The back button undoes what a visitor chose as a step, not every value on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Store

if TYPE_CHECKING:
    from conftest import AppServer

pytestmark = pytest.mark.browser


def _entries(page: Page) -> int:
    return page.evaluate("history.length")


def test_drags_presets_and_arrow_keys_make_no_history(browser_page: Page):
    browser_page.goto("/")
    expect(browser_page.get_by_role("heading", level=1)).to_be_visible()
    browser_page.get_by_test_id("stTopNavLink").filter(has_text="Soft targets").click()
    slider = browser_page.get_by_role("slider", name="Temperature T")
    expect(slider).to_have_attribute("aria-valuetext", "4.0")
    before = _entries(browser_page)
    for key, address in (("End", "temperature=20"), ("Home", "temperature=0.5"), ("ArrowUp", "temperature=0.6")):
        slider.press(key)
        expect(browser_page).to_have_url(re.compile(rf"[?&]{address}(&|$)"))
    box = slider.bounding_box()
    assert box
    browser_page.mouse.move(box["x"] + box["width"] * 0.06, box["y"] + box["height"] / 2)
    browser_page.mouse.down()
    browser_page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=20)
    browser_page.mouse.up()
    expect(browser_page).to_have_url(re.compile(r"[?&]temperature=3"))
    assert _entries(browser_page) == before
    browser_page.go_back()
    expect(browser_page.get_by_role("heading", name="A small model learns from a large one")).to_be_visible()


def test_presets_of_a_run_make_no_history(browser_page: Page):
    browser_page.goto("/distill")
    browser_page.get_by_role("button", name="High temperature").click()
    expect(browser_page).to_have_url(re.compile("temperature=10"))
    before = _entries(browser_page)
    browser_page.get_by_role("button", name="Tiny student").click()
    expect(browser_page).to_have_url(re.compile("student=linear"))
    browser_page.get_by_role("button", name="Few labels").click()
    expect(browser_page).not_to_have_url(re.compile("student="))
    assert _entries(browser_page) == before


def test_back_brings_the_former_example_and_the_former_data(browser_page: Page):
    browser_page.goto("/soft-targets?T=2")
    portrait = browser_page.locator(".kd-portrait")
    expect(portrait).to_be_visible()
    first = portrait.get_attribute("src") or ""
    gallery = browser_page.get_by_role("group", name="Examples", exact=True)
    gallery.get_by_role("button").nth(2).click()
    expect(browser_page).to_have_url(re.compile("example="))
    expect(portrait).not_to_have_attribute("src", first)
    second = portrait.get_attribute("src") or ""
    browser_page.get_by_role("radio", name="Handwritten digits").click()
    expect(browser_page).to_have_url(re.compile("data=digits"))
    expect(portrait).not_to_have_attribute("src", second)
    browser_page.go_back()
    expect(portrait).to_have_attribute("src", second)
    browser_page.go_back()
    expect(portrait).to_have_attribute("src", first)
    expect(browser_page.get_by_role("slider", name="Temperature T")).to_have_attribute(
        "aria-valuetext", "2.0"
    )
    browser_page.go_forward()
    expect(portrait).to_have_attribute("src", second)


def test_a_page_with_a_value_that_does_not_fit_is_left_by_one_step(browser_page: Page):
    browser_page.goto("/runs")
    expect(browser_page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    browser_page.goto("/soft-targets?T=99&data=hats")
    expect(browser_page).not_to_have_url(re.compile("T=|temperature=|data="))
    browser_page.go_back()
    expect(browser_page.get_by_role("heading", name="Runs", level=1)).to_be_visible()


def test_a_run_that_was_opened_is_left_for_the_list_by_one_step(browser_page: Page, app_server: AppServer):
    app_server.home.mkdir(parents=True, exist_ok=True)
    store = Store(f"sqlite:///{app_server.home / 'lab.sqlite'}")
    run_id = store.enqueue(three_arms(temperature=5.5), "someone")
    store.finish(run_id, "cancelled")
    browser_page.goto("/runs")
    browser_page.locator(f".st-key-run-{run_id}").get_by_role("button", name="Open").click()
    expect(browser_page.get_by_role("heading", name="Distill", level=1)).to_be_visible()
    expect(browser_page).to_have_url(re.compile(rf"/distill\?.*run={run_id}"))
    expect(browser_page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    browser_page.go_back()
    expect(browser_page.get_by_role("heading", name="Runs", level=1)).to_be_visible()


@pytest.mark.parametrize(
    "written",
    [
        ["/access", "/loss"],
        ["/access", "/loss", "/loss?data=digits"],
        ["/access", "/access?data=digits", "/loss?data=digits"],
        ["/access", "/access?data=digits", "/loss", "/loss?data=digits"],
        ["/access?data=languages", "/loss?data=languages"],
    ],
    ids=" ".join,
)
def test_whatever_streamlit_writes_while_a_page_is_left_back_leads_to_it_as_it_was(
    browser_page: Page, written: list[str]
):
    browser_page.goto("/access?against=Seconds&data=digits")
    expect(browser_page.get_by_role("heading", name="Access", exact=True)).to_be_visible()
    expect(browser_page.get_by_role("radio", name="Seconds")).to_be_checked()
    before = _entries(browser_page)
    browser_page.evaluate(
        """(written) => {
          dispatchEvent(new Event("pointerdown"));
          for (const to of written) history.pushState(null, "", to);
        }""",
        written,
    )
    assert _entries(browser_page) == before + 1
    browser_page.go_back()
    expect(browser_page).to_have_url(re.compile(r"/access\?against=Seconds&data=digits$"))


def test_back_leads_to_the_view_that_was_chosen(browser_page: Page):
    browser_page.goto("/access?data=digits")
    browser_page.get_by_text("Seconds", exact=True).first.click()
    expect(browser_page).to_have_url(re.compile("against=Seconds"))
    browser_page.get_by_role("link", name="Loss", exact=True).click()
    expect(browser_page.get_by_role("heading", name="Loss", exact=True)).to_be_visible()
    browser_page.go_back()
    expect(browser_page.get_by_role("radio", name="Seconds")).to_be_checked()
    expect(browser_page.get_by_role("radio", name="Handwritten digits")).to_be_checked()
    expect(browser_page).to_have_url(re.compile(r"/access\?against=Seconds&data=digits$"))
