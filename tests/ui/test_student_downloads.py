"""The students of a run of language models are taken away: as a folder or as weights, by whom, and what is said where they cannot be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kdlab.data.own_corpora import add_own, take_away
from kdlab.runs import artifacts, recorded
from kdlab.runs.store import Run
from kdlab.runs.text_recipes import Race
from tests.tiny_causal import tiny_causal

FOLDERS = [f"{name} (transformers folder)" for name in ("Text-only student", "Student of one teacher token a position", "Student of soft targets")]
WEIGHTS = [name.replace("transformers folder", "safetensors") for name in FOLDERS]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A race that is over; its students are files that nobody reads."""
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    fields = {"started": 0.0, "ended": 1.0, "heartbeat": None, "message": "", "command": "", "steering": {}, "result": {"arms": []}}
    over = Run(id="a1", spec=Race().spec(), owner="ann", state="done", created=0.0, step=1, steps=1, **fields)
    for arm in over.spec.arms:
        path = artifacts.student_path(over.id, arm.key, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return over


def section() -> None:
    import streamlit as st

    from kdlab.ui.run.downloads import take_a_student

    take_a_student(st.session_state["run"])


def opened(run: Run, visitor: str = "ann") -> AppTest:
    app = AppTest.from_function(section, default_timeout=60)
    app.session_state["visitor_id"], app.session_state["run"] = visitor, run
    app.run()
    assert not app.exception
    return app


def offered(app: AppTest) -> list[str]:
    return [button.proto.label for button in app.get("download_button")]


def on(run: Run, **spec: str) -> Run:
    return replace(run, spec=run.spec.model_copy(update=spec))


def test_each_arms_student_is_offered_as_a_folder_to_everybody(run: Run) -> None:
    assert offered(opened(run)) == offered(opened(run, "bob")) == FOLDERS
    assert not opened(run).caption
    artifacts.student_path(run.id, "one_token", 0).unlink()
    assert offered(opened(run)) == [FOLDERS[0], FOLDERS[2]]


def test_of_a_run_that_was_deleted_nothing_is_offered(run: Run) -> None:
    artifacts.delete(run.id)
    app = opened(run)
    assert offered(app) == []
    assert not app.get("popover")


def test_weights_alone_are_offered_before_a_result(run: Run) -> None:
    app = opened(replace(run, result=None))
    assert offered(app) == WEIGHTS
    assert not app.caption


def test_a_teachers_folder_that_is_gone_leaves_the_weights_and_is_told_once(run: Run, tmp_path: Path) -> None:
    tiny_causal(tmp_path / "models" / "tiny")
    taught = on(run, teacher="folder:tiny")
    assert offered(opened(taught)) == FOLDERS
    shutil.rmtree(tmp_path / "models" / "tiny")
    app = opened(taught)
    assert offered(app) == WEIGHTS
    (said,) = (caption.value.replace("\\", "") for caption in app.caption)
    assert said.startswith("Not as folders of transformers. The tokenizer is its teacher's, and that cannot be read now.")
    assert "not among the lab's models any more" in said


def test_what_has_read_a_visitors_text_leaves_with_that_visitor_alone(run: Run) -> None:
    name = add_own(("A line of a text of one's own.\n\n" * 1000).encode(), "mine.txt", "ann")
    own = on(run, dataset=name)
    assert offered(opened(own)) == FOLDERS
    other = opened(own, "bob")
    assert offered(other) == []
    assert not other.get("popover")
    take_away(name, "ann")
    assert offered(opened(own)) == []


def test_the_recorded_race_is_offered_where_its_weights_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_FOLDER", tmp_path)
    race = replace(run, owner=recorded.OWNER)
    assert offered(opened(race)) == []
    recorded.student_path("race", "soft_targets").touch()
    assert offered(opened(race)) == [FOLDERS[2]]
