"""Whatever an address asks for, it is text: nothing is fetched, linked, coloured or set for it, and nothing breaks."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from kdlab.ui.addresses import ADDRESSES

pytestmark = pytest.mark.browser

HOST = "else.test"
# As short as a notice shows them whole.
TEXTS = (f"![](//{HOST}):red[x]", f"[x](//{HOST}) $x$ `", "`:material/home::smile:", f"<img src=//{HOST}>", "\0")
PARAMETERS = {f"/{page.path}": address.names | set(address.also) for page, address in ADDRESSES.items()}
NEEDS = {
    "/soft-targets": {
        "numbers": {"data": "own", "p": "2,7,10"},
        "p": {"data": "own"},
        "text": {"data": "languages"},
    },
    "/loss": {"numbers": {"data": "own", "p": "2,7,10"}},
}
ANSWERS = dict.fromkeys(("/soft-targets", "/loss", "/distill"), "The link asked for") | {"/runs": "The run"}


def _open(page: Page, path: str, query: dict[str, str]) -> None:
    page.goto(f"{path}?{urlencode(query)}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("path", PARAMETERS)
def test_no_parameter_becomes_markup(browser_page: Page, path: str):
    asked: list[str] = []
    browser_page.on("request", lambda request: asked.append(request.url))
    for text in TEXTS:
        _open(browser_page, path, dict.fromkeys(PARAMETERS[path], text) | {text: text, "compare": f"{text},x"})
        expect(browser_page.get_by_text("which this page does not know")).to_be_attached()
        if path in ANSWERS and text != "\0":
            expect(browser_page.get_by_text(f"{ANSWERS[path]} “{text}”").first).to_be_attached()
        notices = browser_page.get_by_test_id("stMarkdownContainer").filter(has_text="“")
        markup = notices.locator("a, img, .katex, [class*=stMarkdownColored], [data-testid=stIconMaterial]")
        expect(markup).to_have_count(0)
        expect(browser_page.locator(f"a[href*='{HOST}'], img[src*='{HOST}']")).to_have_count(0)
    for name, needed in NEEDS.get(path, {}).items():
        _open(browser_page, path, {**needed, name: TEXTS[0]})
    assert [url for url in asked if HOST in url.split("?")[0]] == []
