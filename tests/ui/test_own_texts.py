"""A visitor's own texts and teacher on the pages: what is offered to whom, and what is said where something is wrong."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest
from tokenizers import Tokenizer

from kdlab.data import visitor_sets
from kdlab.data.labelled_csv import LabelledTexts
from kdlab.data.registry import get_dataset
from kdlab.distill import asking
from kdlab.distill.asking import Asking
from kdlab.models.added_teachers import folder_of, give_to, name_of, visitor_mark
from kdlab.models.catalogue import teacher_logits
from kdlab.models.kept_files import write_arrays, write_whole
from kdlab.models.profile import Profile
from kdlab.runs import artifacts
from kdlab.runs.execute import execute
from kdlab.runs.pretrained_folder import pretrained_zip
from kdlab.runs.recipes import three_arms
from kdlab.runs.recorded import recorded_run
from kdlab.runs.store import Run, Store
from kdlab.ui.examples.subjects import showcase
from kdlab.ui.own import texts_hidden_because
from kdlab.ui.url_state import as_it_is
from tests.tiny_classifier import tiny_classifier

MAIN = Path(__file__).parents[2] / "kdlab" / "main.py"
TEXTS = [(f"a fine word {i}", "good") for i in range(30)] + [(f"an awful thing {i}", "bad") for i in range(30)]
CSV = "\n".join(["text,label", *(f"{text},{label}" for text, label in TEXTS)]).encode()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    st.cache_resource.clear()
    return tmp_path


def section() -> None:
    from kdlab.ui.teachers.own_texts import own_texts

    own_texts()


def open_section(visitor: str = "ann") -> AppTest:
    app = AppTest.from_function(section, default_timeout=60)
    app.session_state["visitor_id"] = visitor
    return app.run()


def words(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.error, *app.info, *app.caption, *app.subheader))


def own_set() -> str:
    return visitor_sets.keep(LabelledTexts(*zip(*TEXTS, strict=True)), "mine.csv", "ann")


def teacher_of(data: str) -> str:
    """A teacher that is right on everything, as the process that asks one leaves it."""
    fingerprint = get_dataset(data).fingerprint()
    name = name_of("sha", fingerprint)
    splits = get_dataset(data).load().splits()
    logits = {split: 4 * np.eye(2, dtype=np.float32)[y] for split, (_, y) in splits.items()}
    about = {"dataset_fingerprint": np.array(fingerprint), "weights_sha256": np.array("sha")}
    write_arrays(folder_of(name) / f"{name}.logits.npz", **logits, **about)
    shares = {f"{split}_accuracy": 1.0 for split in splits}
    card = {
        "title": "tiny",
        "dataset": data,
        "how": "Made here.",
        "data": "what, nobody knows.",
        "parameters": 10,
        "weights_sha256": "sha",
        **shares,
        "test_size": 12,
        "calibration_error": 0.0,
        "soft_target_entropy": 0.1,
        "profile": asdict(Profile(10, 20, 0.1, 1.0, 500.0, 40, 0.2)),
    }
    write_whole(folder_of(name) / f"{name}.json", json.dumps(card).encode())
    give_to(name, visitor_mark("ann"))
    return name


def test_a_file_becomes_a_data_set_that_asks_for_a_teacher_and_can_be_taken_away() -> None:
    app = open_section()
    app.file_uploader[0].set_value(("my <b>file.csv", CSV, "text/csv")).run()
    assert not app.exception
    (name,) = visitor_sets.sets_of("ann")
    assert "`my <b>file.csv`" in words(app)
    assert "2 classes: bad, good" in words(app)
    assert "It has no teacher yet" in words(app)
    app.button(key=f"away-{name}").click().run()
    assert visitor_sets.sets_of("ann") == {}
    assert "no teacher" not in words(app)


def test_a_bad_file_is_told_with_what_to_do_and_nothing_is_kept() -> None:
    app = open_section()
    app.file_uploader[0].set_value(("bad.csv", b"text,class\nx,![y](http:z)", "text/csv")).run()
    assert "no column label" in words(app)
    assert "rename your columns" in words(app)
    assert visitor_sets.sets_of("ann") == {}


def test_markup_of_a_file_stands_for_itself() -> None:
    assert as_it_is("![x](http://y) <b> $a$ :red[b]") == r"\!\[x\]\(http\:\/\/y\) \<b\> \$a\$ \:red\[b\]"


def test_a_source_that_may_not_be_read_is_refused_where_it_was_typed() -> None:
    name = own_set()
    app = open_section()
    app.text_input(key=f"source-of-{name}").input("../../etc")
    app.button(key=f"ask-{name}").click().run()
    assert not app.exception
    assert "neither a folder that the lab may read" in words(app)


def test_the_labs_own_texts_may_have_another_teacher_too(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("kdlab.ui.teachers.own_texts.start", lambda *asked: started.append(asked))
    app = open_section()
    app.segmented_control(key="classifier-for").set_value("glosses").run()
    assert "Its classes: " + ", ".join(get_dataset("glosses").classes) in words(app)
    app.text_input(key="source-of-glosses").input("tiny")
    app.button(key="ask-glosses").click().run()
    assert not app.exception
    assert started == [("tiny", "glosses", "ann")]


def test_how_far_a_teacher_is_and_why_it_was_refused_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    name, mark = own_set(), visitor_mark("ann")
    monkeypatch.setattr(asking.JOBS, "at_work", lambda _: True)
    asking.JOBS.write(mark, Asking("tiny", name, state="working", words="The teacher answers", done=20, total=60))
    assert "The teacher answers: 20 of 60 texts" in [bar.proto.text for bar in open_section().get("progress")]
    asking.JOBS.write(mark, Asking("tiny", name, state="refused", words="It has no tokenizer."))
    app = open_section()
    assert "It has no tokenizer" in words(app)
    assert app.text_input(key=f"source-of-{name}").value == "tiny"


def test_another_visitor_sees_none_of_it() -> None:
    own_set()
    assert "mine.csv" in words(open_section())
    assert "mine.csv" not in words(open_section("bob"))


def open_page(page: str, visitor: str, **query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=60)
    app.session_state["visitor_id"] = visitor
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(f"../pages/{page}.py").run()


def open_distill(visitor: str, **query: str) -> AppTest:
    return open_page("distill", visitor, **query)


@pytest.mark.parametrize("page", ["loss", "access"])
def test_own_texts_with_a_teacher_are_asked_about_by_who_brought_them(page: str) -> None:
    data = own_set()
    teacher_of(data)
    app = open_page(page, "ann", data=data)
    assert not app.exception
    assert (app.segmented_control(key="data").value, app.session_state["teacher"]) == (data, teacher_of(data))
    assert "Teacher: **tiny**, 10 parameters" in words(app)
    assert "not here to be asked about another" in words(app)
    other = open_page(page, "bob", data=data)
    assert not other.exception
    assert other.segmented_control(key="data").value == "fashion"


def test_the_gallery_has_texts_of_every_class_also_of_one_whose_texts_are_short() -> None:
    texts = [(f"a {text} of some length" if label == "good" else text, label) for text, label in TEXTS]
    data = visitor_sets.keep(LabelledTexts(*zip(*texts, strict=True)), "mine.csv", "ann")
    teacher, labels = teacher_of(data), get_dataset(data).load().y_test
    right = teacher_logits(teacher).test.argmax(axis=1) == labels
    assert {int(labels[i]) for i in showcase(teacher) if right[i]} == set(labels[right].tolist())


def test_a_ladder_on_own_texts_has_the_rungs_of_the_black_box_and_says_why_no_more() -> None:
    data = own_set()
    teacher = teacher_of(data)
    app = open_page("access", "ann", data=data, labels="6", transfer="20", epochs="2", seeds="2")
    assert not app.exception
    assert "is closed. This teacher answered once, read the texts with a tokenizer of its own" in words(app)
    app.button(key="launch").click().run()
    (run,) = Store().list_runs()
    assert (run.spec.dataset, run.spec.teacher) == (data, teacher)
    assert {arm.access.rung for arm in run.spec.arms} == {"nothing", "label", "logits"}  # two classes
    claim = Store().begin(run.spec, "ann")
    assert execute(claim, Store())
    ended = open_page("access", "ann", data=data, run=claim.run_id)
    assert not ended.exception
    assert "What this run shows" in [header.value for header in ended.header]


def test_distill_offers_own_texts_with_a_teacher_to_who_brought_them() -> None:
    data = own_set()
    assert data not in open_distill("ann").selectbox(key="dataset").options
    teacher = teacher_of(data)
    app = open_distill("ann", dataset=data, teacher=teacher)
    assert not app.exception
    assert app.selectbox(key="dataset").value == data
    assert app.selectbox(key="teacher").value == teacher
    app.button(key="launch").click().run()
    assert not app.exception
    (run,) = Store().list_runs()
    assert (run.spec.dataset, run.spec.teacher, run.spec.student) == (data, teacher, "embedding-bag")
    assert run.spec.labels + run.spec.transfer <= get_dataset(data).train_size
    other = open_distill("bob", dataset=data)
    assert other.selectbox(key="dataset").value == "fashion"
    for _ in range(2):
        seen = open_distill("bob", run=run.id)
        assert not seen.exception
        assert f"Own texts {data[4:8]}" in words(seen)
        assert "mine.csv" not in words(seen)
        visitor_sets.take_away(data, "ann")


def test_a_model_folder_is_offered_as_a_student_of_texts_and_a_bad_one_says_why(home: Path) -> None:
    tiny_classifier(home / "models" / "tiny")
    (home / "models" / "bad").mkdir()
    (home / "models" / "bad" / "config.json").write_text("{}", encoding="utf-8")
    app = open_distill("ann", dataset="languages", student="folder:tiny")
    assert not app.exception
    assert app.selectbox(key="student").value == "folder:tiny"
    assert "`bad` cannot be a student. It has no weights" in words(app).replace("\\", "")
    assert "folder:tiny" not in open_distill("ann", dataset="fashion").selectbox(key="student").options


def offered_to(visitor: str, run: Run) -> list[str]:
    """The students of a run that this visitor can take away."""

    def downloads() -> None:
        import streamlit as st

        from kdlab.ui.run.downloads import student_download

        student_download(st.session_state["run"], st.session_state["run"].spec.arm("soft_targets"))

    app = AppTest.from_function(downloads, default_timeout=60)
    app.session_state["visitor_id"], app.session_state["run"] = visitor, run
    return [button.proto.label for button in app.run().get("download_button")]


def test_a_bert_student_leaves_with_a_tokenizer_that_numbers_as_it_learned() -> None:
    from kdlab.distill.cohort import fresh_student

    data = own_set()
    teacher_of(data)
    spec = three_arms(dataset=data, student="bert-1x64", labels=4, transfer=20)
    run = replace(recorded_run()[0], id="abc123", spec=spec)
    path = artifacts.student_path(run.id, "soft_targets", 0)
    path.parent.mkdir(parents=True)
    save_file(fresh_student("bert-1x64", data, 0).state_dict(), path)
    with zipfile.ZipFile(io.BytesIO(pretrained_zip(run, "soft_targets", 0))) as folder:
        tokenizer = Tokenizer.from_str(folder.read("tokenizer.json").decode())
        assert "Trained on: what, nobody knows." in folder.read("README.md").decode()
    assert offered_to("ann", run) == ["Soft-targets student (transformers folder)"]
    assert offered_to("bob", run) == ["Soft-targets student (safetensors)"]  # without the pieces of the texts
    arrays = get_dataset(data).load()
    for ids, text in zip(arrays.x_train, arrays.text_train, strict=True):
        assert tokenizer.encode(text).ids == ids[ids != 0].tolist()


def test_texts_are_shown_to_who_brought_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = own_set()
    monkeypatch.setattr("kdlab.ui.own.visitor_id", lambda: "bob")
    assert "to nobody else" in (texts_hidden_because(data) or "")
    assert texts_hidden_because("glosses") is None
    monkeypatch.setattr("kdlab.ui.own.visitor_id", lambda: "ann")
    assert texts_hidden_because(data) is None
    visitor_sets.take_away(data, "ann")
    assert "taken away" in (texts_hidden_because(data) or "")
