"""The soft-targets page as a visitor uses it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from kdlab.ui.examples.own_vector import LONGEST_VECTOR
from kdlab.ui.examples.subjects import showcase, woken_by_heat
from kdlab.ui.examples.subjects import test_subject as subject_of
from kdlab.ui.examples.typed_text import LONGEST_TEXT
from kdlab.ui.examples.words import percent

pytestmark = pytest.mark.browser

MEGABYTE = 1_000_000


def _open(page: Page, query: str = "") -> Locator:
    page.goto(f"/soft-targets{query}")
    bars = page.get_by_role("img", name="Hard label and soft targets")
    expect(bars).to_have_attribute("data-state", "drawn")
    return bars


def _view(page: Page) -> dict[str, str | None]:
    """What the page says, to be compared between two visits."""
    return {
        "temperature": page.get_by_role("slider").get_attribute("aria-valuetext"),
        "facts": page.locator(".kd-facts").inner_text(),
        "picture": page.locator(".kd-portrait").get_attribute("src"),
        "hint": page.get_by_text("together have").inner_text(),
        "behind": page.get_by_role("group", name="Examples behind the cell").inner_text(),
        "bars": page.get_by_role("img", name="Hard label and soft targets").inner_text(),
    }


def test_the_page_teaches_without_a_click_and_heat_moves_all_of_it(browser_page: Page):
    bars = _open(browser_page)
    slider = browser_page.get_by_role("slider", name="Temperature T")
    for seen in (bars, slider, browser_page.get_by_text("where a hard label gives them 0 %")):
        box = seen.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 800
    facts = browser_page.locator(".kd-facts")
    warm_facts = facts.inner_text()
    expect(bars).to_contain_text("T = 4")
    slider.press("End")
    hot = 1 - subject_of("fashion", woken_by_heat("fashion")).soft_targets(20.0).max()
    expect(browser_page.get_by_text("together have")).to_contain_text(percent(hot))
    # The sentence, the facts and the bars are drawn one after the other.
    expect(bars).to_contain_text("T = 20")
    expect(facts).not_to_have_text(warm_facts, use_inner_text=True)
    slider.press("Home")
    expect(browser_page.get_by_text(re.compile("times likelier"))).to_be_visible()
    expect(bars).to_contain_text("T = 0.5")


def test_a_link_reproduces_the_view(browser_page: Page, browser: Browser):
    _open(browser_page)
    browser_page.get_by_role("group", name="Examples", exact=True).get_by_role(
        "button", name="Sneaker"
    ).first.click()
    expect(browser_page).to_have_url(re.compile("example="))
    browser_page.get_by_role("slider").press("ArrowRight")
    expect(browser_page).to_have_url(re.compile("temperature=4.1"))
    chooser = browser_page.get_by_role("combobox", name="Examples of")
    chooser.click()
    chooser.press_sequentially("Coat", delay=20)
    expect(browser_page.get_by_role("option", name="Coat")).to_be_visible()
    chooser.press("Enter")
    expect(browser_page).to_have_url(re.compile("of=Coat"))
    expect(browser_page.locator(".kd-facts")).to_contain_text("Sneaker")
    seen = _view(browser_page)
    other = browser.new_page(viewport={"width": 1280, "height": 800})
    other.goto(browser_page.url)
    expect(other.locator(".kd-facts")).to_contain_text("Sneaker")
    expect(other.get_by_role("img", name="Hard label")).to_have_attribute("data-state", "drawn")
    assert _view(other) == seen
    other.close()


def test_values_of_a_link_that_do_not_fit_are_named_and_replaced(browser_page: Page):
    _open(browser_page, "?data=hats&example=-7&T=nan&of=Hat")
    for said in ("“hats”", "“-7”", "“nan”", "“Hat”"):
        expect(browser_page.get_by_text("The link asked for").filter(has_text=said)).to_be_visible()
    expect(browser_page.get_by_role("slider")).to_have_attribute("aria-valuetext", "4.0")
    default = subject_of("fashion", showcase("fashion")[0])
    expect(browser_page.locator(".kd-facts")).to_contain_text(default.classes[default.label or 0])


def test_a_click_on_a_cell_shows_its_examples_and_one_of_them_goes_under_the_slider(browser_page: Page):
    _open(browser_page)
    heat = browser_page.get_by_role("img", name="Mean soft targets by true class")
    heat.scroll_into_view_if_needed()
    expect(heat).to_have_attribute("data-state", "drawn")
    spot = heat.evaluate(
        "node => { const l = node._fullLayout, b = node.getBoundingClientRect();"
        "return [b.x + l._size.l + l.xaxis.l2p(2), b.y + l._size.t + l.yaxis.l2p(4)]; }"
    )
    browser_page.mouse.click(*spot)
    expect(browser_page).to_have_url(re.compile("of=Coat.*as=Pullover|as=Pullover.*of=Coat"))
    behind = browser_page.get_by_role("group", name="Examples behind the cell")
    expect(behind.get_by_role("button", name=re.compile("^Coat, ")).first).to_be_visible()
    before = browser_page.locator(".kd-portrait").get_attribute("src")
    behind.get_by_role("button").first.click()
    expect(browser_page).to_have_url(re.compile("example="))
    expect(browser_page.locator(".kd-facts")).to_contain_text("Coat")
    assert browser_page.locator(".kd-portrait").get_attribute("src") != before


def test_typed_text_is_classified_as_it_is_typed(browser_page: Page):
    _open(browser_page, "?data=languages")
    field = browser_page.get_by_label("Type in any language")
    quote = browser_page.locator(".kd-quote")
    expect(quote).to_be_visible()
    field.press_sequentially("kde je nádraží", delay=30)
    expect(browser_page.get_by_text(re.compile(r"^Czech, but"))).to_be_visible()
    expect(quote).to_have_count(0)
    field.fill("где вокзал")
    expect(browser_page.get_by_text("Latin letters")).to_be_visible()
    expect(quote).to_be_visible()
    field.fill("")
    expect(browser_page.get_by_text("Latin letters")).to_have_count(0)
    expect(quote).to_be_visible()
    # The field says how much it takes; what is longer never travels to the server.
    field.fill("wo ist der Bahnhof " * (5 * MEGABYTE // 19))
    expect(browser_page.get_by_text(f"up to {LONGEST_TEXT} characters")).to_be_visible()
    expect(field).to_have_value("")
    field.fill("wo ist der Bahnhof")
    expect(browser_page.get_by_text(re.compile(r"^German, but"))).to_be_visible()


def test_the_lessons_vectors_and_ones_own(browser_page: Page):
    bars = _open(browser_page, "?data=own")
    expect(bars).to_contain_text("43 %")
    browser_page.get_by_role("button", name="[.99 .01]").click()
    expect(bars).to_contain_text("76 %")
    expect(bars).to_contain_text("24 %")
    expect(browser_page).to_have_url(re.compile("p=0.99"))
    field = browser_page.get_by_label("The teacher's answer")
    field.fill("soup, bread")
    expect(browser_page.get_by_text("These are not all numbers")).to_be_visible()
    field.fill("1 1 1 1")
    expect(browser_page.locator(".kd-facts")).to_contain_text("2.00 of 2.00 bits")
    field.fill("0,5 0,3 0,2")
    expect(browser_page.get_by_text("Read as 3 probabilities: A 0.5; B 0.3; C 0.2.")).to_be_visible()
    expect(browser_page.get_by_text("What are they?")).to_have_count(0)
    field.fill("1 " * (5 * MEGABYTE // 2))
    expect(browser_page.get_by_text(f"up to {LONGEST_VECTOR} characters")).to_be_visible()
    expect(field).to_have_value("0,5 0,3 0,2")
    heads = [
        browser_page.get_by_role("heading", name=name)
        for name in ("How undecided", "The same answer, heated")
    ]
    tops = [(head.bounding_box() or {"y": float("nan")})["y"] for head in heads]
    assert tops[0] == pytest.approx(tops[1], abs=1.5)
    browser_page.get_by_text("Fashion-MNIST").first.click()
    expect(browser_page.locator(".kd-portrait")).to_be_visible()
    expect(browser_page).not_to_have_url(re.compile(r"[?&]p="))


def test_logits_of_ones_own_are_asked_for_and_stand_in_the_link(browser_page: Page, browser: Browser):
    bars = _open(browser_page, "?data=own&T=1")
    field = browser_page.get_by_label("The teacher's answer")
    field.fill("cat 2, dog 7, fox 10")
    expect(bars).to_contain_text("53 %")
    browser_page.get_by_role("radio", name="Logits").click()
    expect(bars).to_contain_text("95 %")
    expect(bars).to_contain_text("fox")
    expect(browser_page).to_have_url(re.compile("numbers=logits"))
    other = browser.new_page(viewport={"width": 1280, "height": 800})
    other.goto(browser_page.url.replace("/soft-targets", "/loss"))
    expect(other.get_by_text("Read as 3 logits: cat 2; dog 7; fox 10.")).to_be_visible()
    teacher = other.get_by_role("slider", name="Teacher, fox")
    expect(teacher).to_have_attribute("aria-valuetext", "3.7")  # centred: 10 − 19/3
    other.close()
    field.fill("-1; 2; 0")
    expect(browser_page.get_by_text("Read as 3 logits: A −1; B 2; C 0.")).to_be_visible()
    expect(browser_page.get_by_text("What are they?")).to_have_count(0)
