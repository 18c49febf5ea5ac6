"""The conventions of the libraries, as a visitor of the loss page handles them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


def _open(page: Page, query: str = "") -> Locator:
    page.goto(f"/loss{query}")
    if not query:
        page.get_by_text("Conventions: what your library calls alpha").click()
    bars = page.get_by_role("img", name="The library's loss beside ours")
    bars.scroll_into_view_if_needed()
    expect(bars).to_have_attribute("data-state", "drawn")
    return bars


def test_a_librarys_alpha_is_read_for_the_visitor_and_moves_under_the_hand(browser_page: Page):
    bars = _open(browser_page)
    expect(browser_page.get_by_text("Its alpha = 0.1 weighs cross-entropy")).to_be_visible()
    before = bars.inner_text()
    browser_page.get_by_role("slider", name="alpha", exact=True).press("End")
    expect(browser_page.get_by_text("kd_weight 0 at T = 3, times 1")).to_be_visible()
    expect(bars).not_to_have_text(before)
    expect(browser_page).to_have_url(re.compile("lib_keras_example_alpha=1"))


def test_another_library_brings_its_own_settings_and_its_link_reproduces_it(browser_page: Page):
    _open(browser_page, "?lib=torchdistill&lib_torchdistill_temperature=4&lib_torchdistill_alpha=0")
    expect(browser_page.get_by_text("times 0.0625")).to_be_visible()
    chooser = browser_page.get_by_role("combobox", name="Library")
    chooser.click()
    chooser.press_sequentially("GKD", delay=20)
    expect(browser_page.get_by_role("option", name="TRL 1.16: GKD")).to_be_visible()
    chooser.press("Enter")
    expect(browser_page.get_by_text("temperature and lmbda do not touch the loss")).to_be_visible()
    expect(browser_page).to_have_url(re.compile("lib=trl_gkd"))
    assert "torchdistill" not in browser_page.url
    browser_page.get_by_role("slider", name="beta", exact=True).press("Home")
    expect(browser_page.get_by_text("The same loss here is kd_weight 1")).to_be_visible()


def test_the_pages_own_loss_is_set_there_with_one_click(browser_page: Page):
    _open(browser_page, "?lib=keras_example&lib_keras_example_alpha=0.77")
    browser_page.get_by_role("button", name="Set to this page's T and kd_weight").click()
    expect(browser_page.get_by_text("kd_weight 0.5 at T = 4, times 1")).to_be_visible()
    expect(browser_page).to_have_url(re.compile("lib_keras_example_alpha=0.5"))


def test_the_section_is_folded_until_it_is_asked_for_and_stays_open_while_its_settings_come_and_go(
    browser_page: Page,
):
    browser_page.goto("/loss")
    title = browser_page.get_by_text("Conventions: what your library calls alpha")
    expect(title).to_be_visible()
    bars = browser_page.get_by_role("img", name="The library's loss beside ours")
    expect(bars).to_have_count(0)
    title.click()
    bars.scroll_into_view_if_needed()
    expect(bars).to_have_attribute("data-state", "drawn")
    alpha = browser_page.get_by_role("slider", name="alpha", exact=True)
    alpha.press("End")
    expect(browser_page).to_have_url(re.compile("lib_keras_example_alpha=1"))
    expect(bars).to_have_attribute("aria-label", re.compile(r"distillation term 0\.000 = "))
    alpha.press("Home")
    expect(browser_page).to_have_url(re.compile("lib_keras_example_alpha=0($|&)"))
    expect(bars).to_be_visible()
    title.click()
    expect(bars).not_to_be_visible()
