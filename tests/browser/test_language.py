"""The page Language in a real browser: a first visit, a race under way whose students are read while they learn, and taken away."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SHORT = "/language?tokens=4096"
LONG = "/language?tokens=1048576"
_WRITES = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
given = tokenizer("It is a truth", return_tensors="pt")
print(tokenizer.decode(model.generate(**given, max_new_tokens=8, do_sample=False)[0]))
"""


def test_a_first_visit_shows_a_recorded_race_with_what_its_students_write(browser_page: Page) -> None:
    page = browser_page
    page.goto("/language")
    page.get_by_text("A run recorded on").wait_for()
    page.get_by_text("What this run shows").wait_for()
    for arm in ("text_only", "one_token", "soft_targets"):
        expect(page.locator(f".st-key-sample-{arm}")).to_have_text(re.compile(r"\w+ \w+"))
    before = page.locator(".st-key-sample-soft_targets").inner_text()
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".st-key-sample-soft_targets")).not_to_have_text(before)


def test_students_are_read_while_they_learn_then_one_is_taken_away_and_writes_elsewhere(
    browser_page: Page, tmp_path: Path
) -> None:
    page = browser_page
    page.goto(SHORT)
    sample = page.locator(".st-key-sample-soft_targets")
    recorded = sample.inner_text()
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url("**run=*")
    expect(sample).not_to_have_text(recorded)
    page.evaluate(
        """() => {
          window.read = new Set();
          setInterval(() => {
            const sample = document.querySelector('.st-key-sample-soft_targets');
            if (sample) window.read.add(sample.innerText);
          }, 50);
        }"""
    )
    page.wait_for_function("() => window.read.size > 2")
    page.get_by_text("What this run shows").wait_for()
    run_id = re.search(r"run=(\w+)", page.url)[1]  # type: ignore[index]

    page.goto("/runs")
    row = page.locator(f".st-key-run-{run_id}")
    row.get_by_role("button", name="More").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Student of soft targets (transformers folder)").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as taken:
        taken.extractall(tmp_path)
    (folder,) = {found.parent for found in tmp_path.rglob("config.json")}
    written = subprocess.run([sys.executable, "-c", _WRITES, str(folder)], capture_output=True, text=True, check=True)
    assert "It is a truth" in written.stdout


def test_a_race_is_held_steered_and_stopped(browser_page: Page) -> None:
    page = browser_page
    page.goto(LONG)
    page.get_by_role("button", name="Launch").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_text("What they write on from").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused").first.wait_for()
    weight = page.locator(".st-key-slider-text_kd_weight").get_by_role("slider")
    weight.focus()
    weight.press("ArrowRight")
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("steer your run at work").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped").first.wait_for()
    page.get_by_role("button", name="Run again").wait_for()


def test_which_passage_colour_and_token_are_looked_at_comes_back_from_the_address(browser_page: Page) -> None:
    page = browser_page
    page.goto("/language?passage=2&colour=kl")
    text = page.get_by_role("listbox", name="The text, token by token")
    expect(text.get_by_role("option", selected=True)).to_have_count(1)
    page.get_by_text("KL to the student", exact=True).first.wait_for()
    text.get_by_role("option", name=re.compile("^Token 7 of")).click()
    page.wait_for_url(re.compile("token=7"))
    page.reload()
    expect(text.get_by_role("option", selected=True)).to_have_accessible_name(re.compile("^Token 7 of"))
