"""A visitor's own texts in a real browser: from a file to a run's verdict, and what another visitor sees of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.tiny_classifier import tiny_classifier

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import AppServer

pytestmark = pytest.mark.browser

ROWS = [(f"a fine word number {i}", "good") for i in range(40)] + [(f"an awful thing {i}", "bad") for i in range(40)]
CSV = "\n".join(["label;text", *(f"{label};{text}" for text, label in ROWS)]).encode("utf-16")


def test_from_a_file_to_a_verdict_that_another_visitor_reads_without_the_texts(
    browser_page: Page, browser: Browser, app_server: AppServer
) -> None:
    tiny_classifier(app_server.home / "models" / "tiny")
    page = browser_page
    page.goto("/teachers")
    page.get_by_role("heading", name="Your own texts and teacher").wait_for()
    upload = page.locator(".st-key-own-texts input[type=file]")
    upload.set_input_files({"name": "reviews.csv", "mimeType": "text/csv", "buffer": CSV})
    page.get_by_text("written in UTF-16").wait_for()
    page.get_by_text("parted by semicolons").wait_for()
    page.get_by_text("It has no teacher yet").wait_for()
    page.get_by_label("A classifier", exact=True).fill("tiny")
    page.get_by_role("button", name="Have it answer").click()
    page.get_by_text("16 test texts").wait_for()
    page.get_by_role("link", name="Distill it").click()
    page.get_by_role("button", name="Launch").wait_for()
    page.wait_for_url("**/distill?*dataset=own-*")

    page.goto(f"{page.url}&labels=4&transfer=40&epochs=2&seeds=2&batch_size=8")
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url("**run=*")
    expect(page.locator(".st-key-run-head")).to_contain_text("Done")
    page.get_by_role("tab", name="Where they differ").click()
    page.get_by_text("Two students, each by the answer").wait_for()
    done = page.url
    (own,) = re.findall(r"dataset=(own-\w+)", done)
    page.goto(f"/soft-targets?data={own}")
    page.get_by_text("Teacher: tiny").wait_for()
    expect(page.get_by_role("img", name="Mean soft targets by true class")).to_be_attached()
    expect(page.get_by_test_id("stException")).to_have_count(0)

    context = browser.new_context(base_url=app_server.url)
    other = context.new_page()
    other.goto(done)
    expect(other.locator(".st-key-run-head")).to_contain_text("Done")
    other.get_by_role("tab", name="Where they differ").click()
    other.get_by_text("to who brought them, and to nobody else").wait_for()
    assert "awful" not in other.content()
    context.close()
