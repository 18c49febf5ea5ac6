"""What a language model takes: its numbers against the formulas written out, its pictures, and the section on the page Teachers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kdlab.lessons.language_memory import (
    STUDENTS,
    TEACHERS,
    held_while_training,
    kept_signals,
    teachers_weights,
)
from kdlab.models.machine import Memory
from kdlab.models.own_tokens import own_tokens
from kdlab.models.shipped_smollm2 import shipped_for
from kdlab.ui.teachers.language_memory import held_figure, held_words, kept_figure, kept_words

MAIN = str(Path(__file__).parents[2] / "kdlab" / "main.py")
GB = 10**9


def test_a_student_takes_sixteen_bytes_a_parameter_while_it_learns() -> None:
    held = held_while_training(1.1e9)
    assert held == {"weights": 2.2 * GB, "gradients": 2.2 * GB, "optimiser": 13.2 * GB}


def test_a_kept_signal_is_as_large_as_its_formula() -> None:
    found = kept_signals(TEACHERS["LLaMA-2-70B"])
    word = math.log2(32_000)
    assert found["One token drawn"] == pytest.approx(word)
    assert found["16 tokens drawn"] == pytest.approx(16 * word)
    assert found["The 20 likeliest"] == pytest.approx(20 * (32 + word))
    assert found["Last hidden state"] == 16 * 8_192
    assert found["All probabilities"] == 32 * 32_000
    assert list(found.values()) == sorted(found.values())


def test_behind_an_api_there_is_no_hidden_state_and_no_size() -> None:
    gpt = TEACHERS["GPT-4"]
    assert list(kept_signals(gpt)) == ["One token drawn", "16 tokens drawn", "The 20 likeliest"]
    assert teachers_weights(gpt) is None
    assert len(held_figure(gpt, "TinyLLaMA", Memory(None, None))["data"]) == 3
    assert "not published" in held_words(gpt, "TinyLLaMA", Memory(16 * GB, None))
    assert "nobody sees more" in kept_words(gpt, 1e6)


def test_the_numbers_of_the_lab_s_own_teacher_are_those_of_its_file() -> None:
    shipped = shipped_for("smollm2", "pride")
    assert shipped is not None
    assert TEACHERS["SmolLM2-135M"].width == shipped.head.shape[1]
    assert TEACHERS["SmolLM2-135M"].vocabulary > own_tokens("smollm2", "pride").teacher_ids.max()


def test_words_say_whether_both_fit_and_the_line_stands_where_it_can_be_seen() -> None:
    llama, there = TEACHERS["LLaMA-2-70B"], Memory(24 * GB, 20 * GB)
    assert "no room for both." in held_words(llama, "TinyLLaMA", there)
    assert "nor has it for the student alone" in held_words(llama, "TinyLLaMA", Memory(8 * GB, None))
    smollm = TEACHERS["SmolLM2-135M"]
    assert "has room for both" in held_words(smollm, "GPT-Neo", there)
    assert "shapes" in held_figure(llama, "TinyLLaMA", there)["layout"]
    assert "shapes" not in held_figure(smollm, list(STUDENTS)[-1], there)["layout"]


def test_bars_are_named_by_what_all_tokens_take() -> None:
    figure = kept_figure(TEACHERS["SmolLM2-135M"], 1e6)
    named = {note["y"]: note["text"] for note in figure["layout"]["annotations"]}
    assert named["Last hidden state"] == "1.2 GB"  # 576 numbers of two bytes
    assert figure["data"][0]["x"][0] == pytest.approx(1e6 * math.log2(49_152) / 8)


def test_the_page_has_the_section_and_its_address_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    app = AppTest.from_file(MAIN, default_timeout=180).run()
    app.query_params["lm_teacher"], app.query_params["lm_student"] = "GPT-4", "GPT-Neo"
    app.switch_page("../pages/teachers.py").run()
    assert not app.exception
    assert "What a language model takes" in [head.value for head in app.header]
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Teacher"], chosen["Student"]) == ("GPT-4", "GPT-Neo")
