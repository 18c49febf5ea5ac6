"""The page Teachers: the lesson's systems and the lab's own, by size, by what they open, beside this machine's memory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kdlab.lessons.systems import PUBLISHED, RUNGS, SYSTEMS, System
from kdlab.models.machine import Memory, memory
from kdlab.ui.addresses import ADDRESSES
from kdlab.ui.teachers.catalogue import named_models, own_kept, own_models, rungs_table
from kdlab.ui.teachers.catalogue_charts import Line, by_size, kept_figure, sizes_figure
from kdlab.ui.teachers.machine import Card, card, fits

MAIN = str(Path(__file__).parents[2] / "kdlab" / "main.py")
GB = 10**9


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return tmp_path


def system(name: str) -> System:
    return next(one for one in SYSTEMS if one.name == name)


def test_the_page_shows_every_system_with_its_size_and_whether_it_fits_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kdlab.ui.teachers.machine.memory", lambda: Memory(16 * GB, 9 * GB))
    app = AppTest.from_file(MAIN, default_timeout=180).run().switch_page("../pages/teachers.py").run()
    assert not app.exception
    cards = {head.value.split(" :small")[0]: text.value for head, text in zip(app.subheader, _cards(app), strict=True)}
    assert set(cards) == {one.name for one in SYSTEMS}
    assert "Not published" in cards["GPT-4"]
    assert "Nothing to hold" in cards["GPT-4"]
    assert "140.0 GB" in cards["LLaMA-2-70B"]
    assert "8.8 times this machine's memory" in cards["LLaMA-2-70B"]
    assert "Fits: 9.0 GB" in cards["BERT"]
    assert "GLUE 79.5 → 77.0" in cards["DistilBERT"]
    assert "It cannot be had" in cards["PaLM"]


def _cards(app: AppTest) -> list:
    return [block for block in app.markdown if block.value.startswith("**Size**")]


def test_whether_weights_fit_goes_by_the_card_then_by_what_is_free_then_by_all() -> None:
    there, gpu = Memory(16 * GB, 9 * GB), Card("A card", 24 * GB)
    assert fits(20 * GB, there, gpu) == "Fits the card here (A card, 24.0 GB)."
    assert fits(9 * GB, there, None).startswith("Fits: 9.0 GB of this machine's memory are free")
    assert "not what is free" in fits(10 * GB, there, None)
    assert fits(40 * GB, there, gpu) == "Does not fit: it needs 2.5 times this machine's memory, 16.0 GB."
    assert "cannot be told" in fits(None, there, gpu)
    assert "does not say" in fits(GB, Memory(None, None), None)
    assert fits(10 * GB, Memory(16 * GB, None), None).startswith("Fits this machine's 16.0 GB")


def test_the_machines_memory_is_told() -> None:
    total, free = memory()
    assert total is not None
    assert total > 2**28
    assert free is None or 0 < free <= total


def test_a_card_is_what_the_worker_wrote_down(lab_home: Path) -> None:
    assert card() is None
    told = lab_home / "device.json"
    told.write_text(json.dumps({"name": "H100", "device": "cuda", "memory_gib": 80.0}), encoding="utf-8")
    assert card() == Card("H100", 80 * 2**30)
    for none in (json.dumps({"name": "x86_64 CPU", "memory_gib": None}), "[]", "{", "7"):
        told.write_text(none, encoding="utf-8")
        assert card() is None


def test_the_picture_has_a_row_for_every_model_and_a_line_for_every_memory() -> None:
    models = [*named_models(), *own_models()]
    figure = sizes_figure(models, [Line("memory", 16 * GB), Line("card", 24 * GB)])
    assert len(figure["data"]) == len(models) - 1  # GPT-4 has no place on the axis
    said = " ".join(label["text"] for label in figure["layout"]["annotations"])
    assert "GPT-4 · size not published" in said
    assert "DistilBERT · 132.0 MB" in said
    assert "MiniLM-L6 · 45.1 MB" in said
    assert "BERT, 2 × 384" in said
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [16 * GB, 24 * GB]
    ordered = [model.bytes for model in by_size(models)]
    assert ordered[0] is None
    assert ordered[1:] == sorted(ordered[1:], reverse=True)


def test_every_rung_of_every_system_is_a_sign_that_is_read_out() -> None:
    table = rungs_table()
    assert len(re.findall("aria-label", table)) == len(RUNGS) * (len(SYSTEMS) + 1)
    assert [system("GPT-4").rung(rung) for rung in RUNGS[:4]] == ["open", "perhaps", "perhaps", "closed"]
    assert {system("PaLM").rung(rung) for rung in RUNGS} == {"closed"}
    assert {system("TinyBERT").rung(rung) for rung in RUNGS} == {"open"}


def test_every_number_of_a_system_has_its_source() -> None:
    for one in SYSTEMS:
        for text in (one.size_source, one.published):
            if re.search(r"\d", text):
                assert re.search(r"arXiv \d{4}\.\d{5}|github\.com/", text), one.name


def test_what_students_keep_is_drawn_published_beside_ours() -> None:
    own = own_kept()
    assert len(own) >= 2
    assert all(0.5 < one.kept.mean < 1.1 for one in own)
    figure = kept_figure(PUBLISHED, own)
    assert [trace["marker"]["symbol"].endswith("-open") for trace in figure["data"]] == [False] * len(PUBLISHED) + [True] * len(own)


def test_every_link_of_a_system_says_what_its_page_understands() -> None:
    linked = [one for one in SYSTEMS if one.page is not None]
    assert {one.name for one in linked} == {"GPT-4", "BERT", "DistilBERT", "TinyBERT"}
    for one in linked:
        assert one.page is not None
        assert set(one.query) <= ADDRESSES[one.page].names, one.name
