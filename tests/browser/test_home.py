"""The home page: its picture, its links, and both teaching pages on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

LINKS = {
    "Start with soft targets": (r"/soft-targets$", "Soft targets"),
    "Look at soft targets": (r"/soft-targets$", "Soft targets"),
    "Launch a distillation": (r"/distill", "Distill"),
    "Heat a sharp teacher": (r"/soft-targets\?(?=.*data=own)(?=.*p=0\.99)(?=.*temperature=1$|.*temperature=1&)", "Soft targets"),
    "Pull at a student": (r"/loss", "Loss"),
    "See all that was launched": (r"/runs", "Runs"),
    "Climb the ladder": (r"/access", "Access"),
    "See where they come from": (r"/teachers", "Teachers"),
}


def test_home_shows_a_real_answer_the_pipeline_and_the_device(browser_page: Page):
    browser_page.goto("/")
    answer = browser_page.locator(".kd-answer")
    expect(answer).to_contain_text("The label says")
    expect(answer.locator("dl")).to_contain_text("%")
    expect(browser_page.get_by_text("picked because the teacher hesitates")).to_be_visible()
    expect(
        browser_page.get_by_role("img", name=re.compile("Examples go to a large teacher")).first
    ).to_be_visible()
    expect(browser_page.get_by_text(re.compile(r"Runs (will )?train on"))).to_be_visible()


def test_every_link_leads_to_its_page(browser_page: Page):
    browser_page.goto("/")
    for name, (address, title) in LINKS.items():
        browser_page.get_by_role("link", name=name).click()
        expect(browser_page).to_have_url(re.compile(address))
        expect(browser_page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(browser_page.get_by_test_id("stException")).to_have_count(0)
        browser_page.go_back()
    expect(browser_page.get_by_role("link", name="Runs", exact=True)).to_be_visible()


def test_the_way_on_home_shows_every_page_in_order(browser_page: Page):
    browser_page.goto("/")
    expect(browser_page.get_by_role("link", name="Climb the ladder")).to_be_visible()
    leads = (
        browser_page.get_by_test_id("stPageLink")
        .get_by_role("link")
        .evaluate_all(
            "links => links.map(link => new URL(link.href)).filter(to => !to.hash).map(to => to.pathname)"
        )
    )
    assert list(dict.fromkeys(leads)) == ["/soft-targets", "/loss", "/distill", "/access", "/teachers", "/runs"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_boxes_of_the_picture_lead_to_their_pages_by_hand_and_by_key(browser_page: Page, width: int):
    browser_page.set_viewport_size({"width": width, "height": 800})
    browser_page.goto("/")
    for box, page in (("Soft targets", "Soft targets"), ("Supervised term", "Loss"), ("Student", "Distill")):
        for act in (lambda link: link.click(), lambda link: link.press("Enter")):
            act(browser_page.get_by_role("link", name=f"{box}, on the page {page}"))
            expect(browser_page.get_by_role("heading", name=page, exact=True, level=1)).to_be_visible()
            browser_page.go_back()


def test_the_picture_is_told_with_its_numbers(browser_page: Page):
    browser_page.goto("/")
    picture = browser_page.get_by_role(
        "img", name=re.compile("largest soft targets are [\\d.]+ %, [\\d.]+ %")
    )
    expect(picture).to_have_count(1)


def test_home_says_what_a_black_box_gives_and_what_a_white_box_adds(browser_page: Page):
    browser_page.goto("/")
    station = browser_page.get_by_text(re.compile("A black box gives only what the teacher puts out"))
    expect(station).to_contain_text("its answers, or its probabilities too")
    expect(station).to_contain_text(re.compile("white box .* hidden states, attention and gradients: rung by rung"))


def test_every_page_ends_with_the_question_that_the_next_one_answers(browser_page: Page):
    browser_page.goto("/")
    expect(browser_page).to_have_title("KD Lab")
    for title in ("Soft targets", "Loss", "Distill", "Access", "Teachers", "Runs", "Soft targets"):
        link = browser_page.get_by_role("link", name="Next: ")
        expect(link).to_contain_text("?")
        link.click()
        expect(browser_page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
        expect(browser_page.get_by_test_id("stException")).to_have_count(0)
        expect(browser_page).to_have_title(f"{title} · KD Lab")


def test_a_visitor_is_known_by_a_cookie_that_scripts_cannot_read(browser_page: Page):
    browser_page.goto("/")
    (cookie,) = [c for c in browser_page.context.cookies() if c["name"] == "kdlab_visitor"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    browser_page.goto("/soft-targets")
    (kept,) = [c for c in browser_page.context.cookies() if c["name"] == "kdlab_visitor"]
    assert kept["value"] == cookie["value"]


@pytest.mark.parametrize("path", ["/", "/soft-targets", "/soft-targets?data=languages"])
def test_a_phone_scrolls_down_only(browser_page: Page, path: str):
    browser_page.set_viewport_size({"width": 390, "height": 844})
    browser_page.goto(path)
    expect(browser_page.get_by_role("heading", level=1)).to_be_visible()
    expect(browser_page.locator("[data-test-script-state=notRunning]")).to_be_visible()
    drawn = """() => [...document.querySelectorAll(".kdlab-plot")].every((plot) => plot.dataset.state === "drawn"
        || plot.getBoundingClientRect().top > innerHeight)"""
    browser_page.wait_for_function(drawn)
    overflow = browser_page.evaluate(
        "() => [...document.querySelectorAll('[data-testid=stMain], html')].map(e => e.scrollWidth - e.clientWidth)"
    )
    assert overflow == [0, 0]
