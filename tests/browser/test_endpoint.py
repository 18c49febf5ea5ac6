"""A teacher behind an API in a browser: typed, probed, asked, against a server on loopback."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from kdlab.data.registry import get_dataset
from tests.models.loopback_endpoint import KEY, knows, loopback

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def test_a_typed_endpoint_goes_from_probe_to_a_teacher_and_its_key_is_cleared(
    browser: Browser, start_app: Callable[[], AbstractContextManager[Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KDLAB_API_PRIVATE", "yes")
    glosses = get_dataset("glosses")
    data = glosses.load()
    assert data.text_train is not None
    with loopback() as endpoint, start_app() as lab:
        endpoint.usually = knows(
            dict(zip(data.text_train, (glosses.classes[k] for k in data.y_train), strict=True))
        )
        page = browser.new_page(base_url=lab.url)
        page.goto("/teachers?texts=150&budget=200")
        fill(page, "Base URL", endpoint.url)
        fill(page, "Model", "model-1")
        fill(page, "Key", KEY)
        expect(page.get_by_role("button", name="password")).to_have_count(0)
        expect(page.get_by_text("151 queries")).to_be_visible()
        assert endpoint.received == []
        page.get_by_role("button", name="Probe").click()
        # The asking's last draw may stand beside the page's next one for a moment, and no longer.
        expect(page.get_by_text("the 6 likeliest tokens were sent")).to_have_count(1)
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_text("150 of 150", exact=True)).to_have_count(1)
        expect(page.get_by_role("img", name="Known label against the teacher's answer")).to_have_count(1)
        expect(page.get_by_text("is the known label for 100.0% of 150 texts")).to_have_count(1)
        with page.expect_download() as taken:
            page.get_by_role("button", name="Answers (CSV)").click()
        rows = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
        assert (rows[0], len(rows)) == ("text,label,probability", 151)
        assert len(endpoint.received) == 1 + 150
        assert KEY not in page.url
        assert KEY not in page.locator("body").inner_text()
        page.get_by_role("button", name="Clear the key").click()
        expect(page.get_by_label("Key", exact=True)).to_have_value("")
        page.get_by_role("button", name="Make it a teacher").click()
        expect(page.get_by_text("is a teacher now: right on 100")).to_be_visible()
        expect(page.get_by_text("150 texts that model-1 answered")).to_be_visible()
        # Another tab of this visitor's finds the answers again, and no key.
        page.reload()
        expect(page.get_by_text("150 of 150", exact=True)).to_have_count(1)
        expect(page.get_by_label("Key", exact=True)).to_have_value("")
        assert KEY not in lab.log.read_text(encoding="utf-8")
        page.get_by_role("link", name="Distill it").last.click()
        page.wait_for_url("**/distill?**teacher=api-*")
        expect(page.get_by_role("combobox", name="Teacher")).to_have_value("model-1")
        expect(page.get_by_role("button", name="Launch")).to_be_enabled()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        page.close()


def fill(page: Page, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Enter")
