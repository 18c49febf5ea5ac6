"""The loss page as a visitor uses it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from kdlab.ui.examples import subjects

pytestmark = pytest.mark.browser

ZERO = "0.0"


def _open(page: Page, query: str = "") -> Locator:
    page.goto(f"/loss{query}")
    arrows = page.get_by_role("img", name="Where each term pushes")
    expect(arrows).to_have_attribute("data-state", "drawn")
    return arrows


def _only(name: str, logit: str) -> str:
    """Logits in a link that moves one class of the page's first example: its classes stand in the teacher's order."""
    first = subjects.test_subject("fashion", subjects.hesitant("fashion"))
    return "_".join(logit if first.classes[k] == name else "" for k in first.order())


def _formula(page: Page) -> Locator:
    return page.locator(".kd-formula")


def _triangle(page: Page) -> Locator:
    figure = page.get_by_role("img", name="The loss over all distributions")
    figure.scroll_into_view_if_needed()
    expect(figure).to_have_attribute("data-state", "drawn")
    return _rested(figure)


def _rested(figure: Locator) -> Locator:
    """The figure once nothing is drawn any more."""
    drawn = ""
    while drawn != (drawn := figure.get_attribute("data-draws") or ""):
        figure.page.wait_for_timeout(400)
    return figure


def _points(figure: Locator) -> list[list[float]]:
    """Where the triangle's marks lie: the student, the label, the teacher twice, the optimum."""
    return _rested(figure).evaluate(
        "node => node._fullData.filter((t) => t.mode?.includes('markers')).map((t) => [t.x[0], t.y[0]])"
    )


def _arrows(figure: Locator) -> list[list[float]]:
    return _rested(figure).evaluate(
        "node => node._fullData.filter((t) => t.type === 'bar').map((t) => [...t.x])"
    )


def _bar(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def test_the_hero_is_seen_without_scrolling_and_teaches_without_a_click(browser_page: Page):
    _open(browser_page)
    seen = [_formula(browser_page), browser_page.get_by_role("group", name="Logits of teacher and student")]
    seen += [browser_page.get_by_role("slider", name=name) for name in ("Temperature T", "KD weight w")]
    for part in seen:
        box = part.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 800
    expect(browser_page.get_by_text(re.compile(r"term pulls .* as hard as the other"))).to_be_visible()


def test_a_dragged_bar_moves_formula_arrows_and_triangle_and_stands_in_the_link(
    browser_page: Page, browser: Browser
):
    arrows = _open(browser_page)
    triangle = _triangle(browser_page)
    bar = _bar(browser_page, "Student, T-shirt")
    bar.scroll_into_view_if_needed()
    before = (_formula(browser_page).get_attribute("aria-label"), _arrows(arrows), _points(triangle))
    box = bar.bounding_box()
    assert box
    arrows.evaluate("node => { node.mark = 'the same'; }")
    draws = int(arrows.get_attribute("data-draws") or 0)
    y = box["y"] + box["height"] / 2
    browser_page.mouse.move(box["x"] + box["width"] * 0.5, y)
    browser_page.mouse.down()
    for step in range(40):
        browser_page.mouse.move(box["x"] + box["width"] * (0.5 + 0.005 * step), y)
        browser_page.wait_for_timeout(15)
    assert "zs=" not in browser_page.url
    assert int(arrows.get_attribute("data-draws") or 0) - draws > 3
    browser_page.mouse.up()
    value = bar.get_attribute("aria-valuetext") or ""
    assert float(value) > 3
    expect(browser_page).to_have_url(re.compile(rf"[?&]zs={_only('T-shirt', f'{float(value):g}')}($|&)"))
    formula = _formula(browser_page).get_attribute("aria-label") or ""
    triangle = _triangle(browser_page)
    now = (formula, _arrows(arrows), _points(triangle))
    assert all(one != other for one, other in zip(before, now, strict=True))
    student, label, *_ = range(5)
    assert now[2][student] != before[2][student]
    assert now[2][label] == before[2][label]
    assert arrows.evaluate("node => node.mark") == "the same"

    other = browser.new_page(viewport={"width": 1280, "height": 800})
    other.goto(browser_page.url)
    expect(_formula(other)).to_have_attribute("aria-label", formula)
    expect(_bar(other, "Student, T-shirt")).to_have_attribute("aria-valuetext", value)
    other.close()

    browser_page.get_by_role("button", name="Reset", exact=True).click()
    expect(browser_page).not_to_have_url(re.compile("zs="))
    expect(_formula(browser_page)).to_have_attribute("aria-label", before[0] or "")
    expect(bar).to_have_attribute("aria-valuetext", ZERO)


def test_keys_move_a_bar_and_another_example_forgets_it(browser_page: Page):
    _open(browser_page)
    bar = _bar(browser_page, "Teacher, Pullover")
    was = float(bar.get_attribute("aria-valuenow") or "nan")
    said = _formula(browser_page).get_attribute("aria-label") or ""
    bar.focus()
    assert bar.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    bar.press("ArrowLeft")
    expect(bar).to_have_attribute("aria-valuenow", f"{was - 0.5:.1f}")
    bar.press("Shift+ArrowRight")
    expect(bar).to_have_attribute("aria-valuenow", f"{was - 0.4:.1f}")
    bar.press("End")
    expect(bar).to_have_attribute("aria-valuetext", "12.0")
    expect(browser_page).to_have_url(re.compile(rf"[?&]zt={_only('Pullover', '12')}($|&)"))
    expect(_formula(browser_page)).not_to_have_attribute("aria-label", said)
    browser_page.get_by_role("group", name="Examples", exact=True).get_by_role(
        "button", name="Sneaker"
    ).first.click()
    expect(_bar(browser_page, "Student, Sneaker")).to_have_attribute("aria-valuetext", ZERO)
    expect(browser_page).not_to_have_url(re.compile("zt="))
    # The former example comes back with its moves.
    browser_page.go_back()
    expect(browser_page).not_to_have_url(re.compile("example="))
    expect(_bar(browser_page, "Teacher, Pullover")).to_have_attribute("aria-valuetext", "12.0")


def test_the_optimum_slides_from_the_label_to_the_teacher_as_the_weight_moves(browser_page: Page):
    _open(browser_page)
    weight = browser_page.get_by_role("slider", name="KD weight w")
    weight.press("Home")
    expect(browser_page.get_by_text("only the label counts")).to_be_visible()
    _, label, teacher, _, optimum = _points(_triangle(browser_page))
    assert optimum == pytest.approx(label, abs=1e-3)
    weight.press("End")
    expect(browser_page.get_by_text("only the teacher counts")).to_be_visible()
    _, _, teacher, _, optimum = _points(_triangle(browser_page))
    assert optimum == pytest.approx(teacher, abs=1e-3)


def test_without_t_squared_the_soft_term_fades(browser_page: Page):
    arrows = _open(browser_page)
    soft = _arrows(arrows)[0][10]
    browser_page.get_by_text("Factor T² in the soft term").click()
    expect(_formula(browser_page)).to_have_attribute("aria-label", re.compile(r"0.50 times 1 times"))
    expect(browser_page).to_have_url(re.compile("square=0"))
    assert _arrows(arrows)[0][10] == pytest.approx(soft / 16, rel=1e-5)  # six digits are sent


def test_values_of_a_link_that_do_not_fit_are_told_and_huge_ones_are_cut(browser_page: Page):
    _open(browser_page, "?zs=nan_________&zt=1_2&w=soup")
    expect(browser_page.get_by_text("as student logits: not 10 numbers")).to_be_visible()
    expect(browser_page.get_by_text("as teacher logits")).to_be_visible()
    expect(browser_page.get_by_role("slider", name="KD weight w")).to_have_attribute("aria-valuetext", "0.50")
    _open(browser_page, f"?zs={_only('T-shirt', '1e99')}")
    expect(_bar(browser_page, "Student, T-shirt")).to_have_attribute("aria-valuetext", "12.0")
    expect(browser_page.get_by_text("beyond ±12")).to_be_visible()


def test_the_race_runs_and_stops_at_its_end(browser_page: Page):
    _open(browser_page)
    browser_page.get_by_role("button", name="Play").click()
    expect(browser_page.get_by_text(re.compile(r"Step \d+ of 80"))).to_be_visible()
    expect(browser_page.get_by_role("button", name="Stop")).to_be_visible()
    expect(browser_page.get_by_role("slider", name="Step")).to_have_attribute("aria-valuetext", "80")
    expect(browser_page.get_by_role("button", name="Play")).to_be_visible()
    expect(browser_page.get_by_text("cover both humps")).to_be_visible()
    assert "step" not in browser_page.url


def test_the_jump_is_folded_and_its_picture_drawn_once_it_is_opened_or_a_link_points_to_it(
    browser_page: Page,
):
    _open(browser_page)
    jump = browser_page.get_by_role("img", name="The JSD of its student against β")
    title = browser_page.get_by_text("The jump at the ends of β")
    title.scroll_into_view_if_needed()
    expect(jump).to_have_count(0)
    title.click()
    jump.scroll_into_view_if_needed()
    expect(jump).to_have_attribute("data-state", "drawn")
    _open(browser_page, "?beta=0.3")
    jump.scroll_into_view_if_needed()
    expect(jump).to_have_attribute("data-state", "drawn")
    expect(jump).to_have_attribute("aria-label", re.compile("at β = 0.3"))


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("lib", ["keras_default", "distilbert", "distillkit"])
def test_a_phone_never_scrolls_the_page_sideways(phone: Page, width: int, lib: str):
    page = phone
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"/loss?lib={lib}&beta=0.3")
    for name in ("Where each term pushes", "The library's loss beside ours", "The JSD of its student"):
        figure = page.get_by_role("img", name=name)
        figure.scroll_into_view_if_needed()
        expect(figure).to_have_attribute("data-state", "drawn")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth") <= width
    # What is wider than its own box scrolls inside it at the most; nothing that one reads stands outside.
    outside = """nodes => nodes.filter((n) => n.getBoundingClientRect().right > innerWidth).map((n) => n.textContent)"""
    assert page.locator(".kd-formula *, .katex-html, .kd-note, .kd-conventions").evaluate_all(outside) == []


def test_a_finger_drags_a_bar_at_phone_width(phone: Page):
    page = phone
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/loss")
    bar = _bar(page, "Student, Pullover")
    bar.scroll_into_view_if_needed()
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = bar.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 16):
        touch.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 4 * step, "y": y}]}
        )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page).to_have_url(re.compile("zs="))
    assert float(bar.get_attribute("aria-valuenow") or 0) > 2
