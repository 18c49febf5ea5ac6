"""From every page to every other: nothing breaks, and what the pages have in common comes along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise, permutations
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page, expect

from kdlab.ui.examples.subjects import picture

pytestmark = pytest.mark.browser

TITLES = {
    "Home": "A small model learns from a large one",
    "Soft targets": "Soft targets",
    "Loss": "Loss",
    "Distill": "Distill",
    "Access": "Access",
    "Teachers": "Teachers",
    "Runs": "Runs",
}
PATHS = {name: "/" if name == "Home" else f"/{name.lower().replace(' ', '-')}" for name in TITLES}


class View(NamedTuple):
    """What a visitor has chosen, as it stands in the address and as it is seen."""

    query: str
    temperature: str = "4.0"
    example: str = ""
    text: str = ""
    numbers: str = ""


VIEWS = {
    "digits": View("?data=digits&example=5&T=6", "6.0", picture("digits", 5)),
    "fashion": View("?example=31&T=1.5", "1.5", picture("fashion", 31)),
    "languages": View("?data=languages&text=kde+je+n%C3%A1dra%C5%BE%C3%AD", text="kde je nádraží"),
    "own numbers": View("?data=own&p=0.6+0.3+0.1&T=2", "2.0", numbers="0.6 0.3 0.1"),
}


def _settled(page: Page, name: str) -> None:
    """The page is there, its script has ended, and it shows no error."""
    expect(page.get_by_role("heading", name=TITLES[name], exact=True, level=1)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"^https?://[^/]+{PATHS[name]}(\?|$)"))


def _shows(page: Page, name: str, view: View) -> None:
    """The page shows what was chosen, where it shows such things at all."""
    _settled(page, name)
    if name not in ("Soft targets", "Loss", "Access"):
        return
    if name == "Access":
        _shows_example(page, view)
        return
    slider = page.get_by_role("slider", name="Temperature T")
    expect(slider).to_have_attribute("aria-valuetext", view.temperature)
    _shows_example(page, view)
    if name == "Soft targets" and view.example:
        expect(page.locator(".kd-portrait")).to_have_attribute("src", view.example)


def _shows_example(page: Page, view: View) -> None:
    if view.text:
        expect(page.get_by_label("Type in any language")).to_have_value(view.text)
    elif view.numbers:
        expect(page.get_by_label("The teacher's", exact=False)).to_have_value(view.numbers)
    else:
        chosen = page.get_by_role("group", name="Examples", exact=True).locator("[aria-pressed=true] img")
        expect(chosen).to_have_attribute("src", view.example)
    expect(page.get_by_text("The link asked for")).to_have_count(0)


def _go(page: Page, name: str) -> None:
    page.get_by_test_id("stTopNavLink").filter(has_text=name).first.click()


def _every_pair(start: str) -> Iterator[str]:
    """A round trip over all ordered pairs of pages, each pair once, as the pages after the first."""
    left = {one: [two for first, two in permutations(TITLES, 2) if first == one] for one in TITLES}
    walk, path = [start], []
    while walk:  # Hierholzer's way to an Eulerian circuit
        if left[walk[-1]]:
            walk.append(left[walk[-1]].pop())
        else:
            path.append(walk.pop())
    yield from path[-2::-1]


def test_every_page_leads_to_every_other_by_the_bar_and_back_again(browser_page: Page):
    view = VIEWS["digits"]
    browser_page.goto(f"/soft-targets{view.query}")
    _shows(browser_page, "Soft targets", view)
    walked = ["Soft targets"]
    for name in _every_pair("Soft targets"):
        _go(browser_page, name)
        _shows(browser_page, name, view)
        walked.append(name)
    assert set(pairwise(walked)) == set(permutations(TITLES, 2))
    for name in walked[-2:-8:-1]:
        browser_page.go_back()
        _shows(browser_page, name, view)
    for name in walked[-6:]:
        browser_page.go_forward()
        _shows(browser_page, name, view)


@pytest.mark.parametrize("case", ["fashion", "languages", "own numbers"])
def test_what_was_chosen_comes_along_whatever_lies_between(browser_page: Page, case: str):
    view = VIEWS[case]
    browser_page.goto(f"/loss{view.query}")
    _shows(browser_page, "Loss", view)
    for name in ("Soft targets", "Loss", "Distill", "Soft targets", "Runs", "Loss", "Home", "Soft targets"):
        _go(browser_page, name)
        _shows(browser_page, name, view)
    for name in ("Home", "Loss", "Runs"):
        browser_page.go_back()
        _shows(browser_page, name, view)


def test_every_link_in_a_page_leads_to_a_page_and_back(browser_page: Page):
    names = {path: name for name, path in PATHS.items()}
    browser_page.goto("/")
    for name in TITLES:
        _go(browser_page, name)
        _settled(browser_page, name)
        links = browser_page.get_by_test_id("stMain").get_by_test_id("stPageLink-NavLink")
        for number in range(links.count()):
            path = urlsplit(urljoin(browser_page.url, links.nth(number).get_attribute("href") or "")).path
            links.nth(number).click()
            _settled(browser_page, names[path])
            expect(browser_page.get_by_text("The link asked for")).to_have_count(0)
            browser_page.go_back()
            _settled(browser_page, name)
