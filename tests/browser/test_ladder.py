"""The ladder in a browser: from launch to verdict, and what a picked example reveals."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SHORT = "/access?data=digits&student=mlp-16&labels=50&transfer=50&epochs=2&seeds=2"


def test_a_ladder_goes_from_launch_to_its_verdict_and_answers_the_claims(browser_page: Page) -> None:
    browser_page.goto(SHORT)
    browser_page.get_by_role("button", name="Launch").click()
    browser_page.wait_for_url("**run=*")
    expect(browser_page.locator(".st-key-run-head")).to_contain_text("Done")
    expect(browser_page.get_by_role("heading", name="What this run shows").first).to_be_visible()
    expect(browser_page.get_by_text("On top of its softened logits")).to_be_visible()
    expect(browser_page.get_by_text("Against logits, measured here")).to_be_visible()
    figure = browser_page.get_by_role("img", name=re.compile("Test accuracy of each rung's students at the last point. Labels only"))
    expect(figure).to_be_attached()
    browser_page.get_by_role("radio", name="Bytes a query").or_(
        browser_page.get_by_role("button", name="Bytes a query")
    ).first.click()
    expect(browser_page.get_by_text("Payload of one answer")).to_be_visible()
    browser_page.get_by_role("radio", name="At equal time").or_(
        browser_page.get_by_role("button", name="At equal time")
    ).first.click()
    expect(browser_page.get_by_text("paired over seeds: ").or_(browser_page.get_by_text("no arm is shown to differ")).first).to_be_visible()
    expect(browser_page).to_have_url(re.compile("at=At"))
    expect(browser_page.get_by_text("Student before: 16 channels")).to_be_visible()
    run = browser_page.url
    browser_page.reload()
    expect(browser_page.locator(".st-key-run-head")).to_contain_text("Done")
    assert re.search(r"run=(\w+)", run).group(1) in browser_page.url  # type: ignore[union-attr]
    # Distill has a run of its own on show.
    browser_page.get_by_test_id("stTopNavLink").filter(has_text="Distill").first.click()
    expect(browser_page.get_by_text("A run recorded on")).to_be_visible()


def test_a_picked_example_shows_its_own_inside(browser_page: Page) -> None:
    browser_page.goto("/access")
    attention = browser_page.locator(".kd-rung").filter(has=browser_page.get_by_role("heading", name="Attention"))
    expect(attention).to_contain_text("a map of 7 by 7")
    before = attention.get_by_role("img").last.get_attribute("src")
    browser_page.get_by_role("group", name="Examples", exact=True).get_by_role("button").nth(4).click()
    browser_page.wait_for_url("**example=*")
    expect(attention.get_by_role("img").last).not_to_have_attribute("src", str(before))
    browser_page.goto("/access?example=1")
    expect(browser_page.get_by_text("those of the gallery show")).to_be_visible()
    expect(attention).to_have_count(0)
