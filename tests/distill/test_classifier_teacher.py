"""A classifier becomes a teacher of a visitor's texts, and students learn from it: from two files to a verdict."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from kdlab.data import visitor_sets
from kdlab.data.labelled_csv import LabelledTexts
from kdlab.data.registry import get_dataset
from kdlab.distill import asking, classifier_teacher
from kdlab.distill.asking import Asking
from kdlab.lessons.cards import teacher_words
from kdlab.models.added_teachers import is_of, visitor_mark
from kdlab.models.catalogue import (
    find_teacher,
    get_teacher,
    teacher_card,
    teacher_logits,
    teachers_for,
    weights_path,
)
from kdlab.models.checkpoints import CheckpointError
from kdlab.models.inner_layers import layers_of_teacher
from kdlab.models.profile import Profile
from kdlab.models.visitor_jobs import ENDED_WITHOUT_A_WORD
from kdlab.runs import execute as execute_module
from kdlab.runs.ladder import Ladder
from kdlab.runs.recipes import three_arms
from kdlab.runs.store import Store
from tests.tiny_classifier import tiny_classifier

TEXTS = [(f"a fine word number {i}", "good") for i in range(40)] + [(f"awful thing , {i}", "bad") for i in range(20)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(classifier_teacher, "profile", lambda *_: Profile(1000, 2000, 0.1, 1.0, 500.0, 40, 0.2))
    return tmp_path


def asked_for(home: Path, source: str = "tiny") -> tuple[str, Asking]:
    """The texts' set and what came of the asking, in this process."""
    data = visitor_sets.keep(LabelledTexts(*zip(*TEXTS, strict=True)), "mine.csv", "ann")
    mark = visitor_mark("ann")
    asking.JOBS.write(mark, Asking(source, data))
    asking.main(mark)
    found = asking.asking_of("ann")
    assert found is not None
    return data, found


def test_from_a_csv_and_a_folder_to_a_finished_run(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_classifier(home / "models" / "tiny")
    data, found = asked_for(home)
    assert found.state == "done", found.words
    entry = get_teacher(found.teacher)
    assert (entry.title, entry.dataset) == ("tiny", data)
    assert [teacher.name for teacher in teachers_for(data)] == [found.teacher]
    assert is_of(found.teacher, "ann")
    assert not is_of(found.teacher, "bob")
    assert layers_of_teacher(found.teacher) == ()
    assert "it may have seen these texts" in teacher_words(found.teacher)

    spec = three_arms(dataset=data, student="embedding-bag", labels=4, transfer=20, epochs=2, seeds=2, batch_size=8)
    assert spec.teacher == found.teacher
    monkeypatch.setattr(execute_module, "profile", lambda *_: Profile(10, 20, 0.1, 1.0, 900.0, 40, 0.2))
    store = Store()
    claim = store.begin(spec, "ann")
    assert execute_module.execute(claim, store)
    run = store.get(claim.run_id)
    assert run is not None, store.unreadable(claim.run_id)
    assert run.result is not None
    assert run.result["teacher_accuracy"] == pytest.approx(teacher_card(found.teacher)["test_accuracy"], abs=1e-4)
    assert run.result["profiles"]["teacher"]["throughput"] == 500.0
    ladder = Ladder(dataset=data, student="embedding-bag", labels=4, transfer=20).spec()
    assert not any(arm.white_box for arm in ladder.arms)  # its inside is closed, its outputs are open


def test_its_columns_are_the_datas_classes_and_its_rows_the_datas_texts(home: Path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_classifier(home / "models" / "tiny")
    data, found = asked_for(home)
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    texts = get_dataset(data).load().text_test
    with torch.inference_mode():
        alone = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in texts]
    assert get_dataset(data).classes == ("bad", "good")
    np.testing.assert_allclose(teacher_logits(found.teacher).test, np.stack(alone)[:, [1, 0]], atol=1e-5)


def test_it_is_asked_once_for_the_same_texts(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_classifier(home / "models" / "tiny")
    _, first = asked_for(home)
    monkeypatch.setattr(classifier_teacher, "TextClassifier", None)
    _, again = asked_for(home)
    assert (again.state, again.teacher) == ("done", first.teacher)


def test_a_head_that_was_never_trained_is_refused(home: Path):
    from safetensors.torch import load_file, save_file

    folder = tiny_classifier(home / "models" / "tiny")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "classifier" not in k}, folder / "model.safetensors", {"format": "pt"})
    _, found = asked_for(home)
    assert found.state == "refused"
    assert "was never trained" in found.words


def test_it_may_teach_the_labs_own_texts_beside_their_teacher(home: Path, monkeypatch: pytest.MonkeyPatch):
    classes = get_dataset("glosses").classes
    tiny_classifier(home / "models" / "tiny", classes)

    def some(_: object, texts: list[str], more: Callable[[int], None]) -> np.ndarray:
        return np.eye(len(classes), dtype=np.float32)[[len(text) % len(classes) for text in texts]]

    monkeypatch.setattr(classifier_teacher.TextClassifier, "logits", some)
    mark = visitor_mark("ann")
    asking.JOBS.write(mark, Asking("tiny", "glosses"))
    asking.main(mark)
    found = asking.asking_of("ann")
    assert found is not None
    assert found.state == "done", found.words
    assert [teacher.name for teacher in teachers_for("glosses")] == ["glosses", found.teacher]
    chosen = {"dataset": "glosses", "student": "embedding-bag"}
    assert three_arms(**chosen).teacher == "glosses"
    assert three_arms(**chosen, teacher=found.teacher).teacher == found.teacher
    assert teacher_logits(found.teacher).test.shape == (2000, len(classes))


def test_a_classifier_that_is_always_wrong_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_classifier(home / "models" / "tiny")

    def wrong(_: object, texts: list[str], more: Callable[[int], None]) -> np.ndarray:
        more(len(texts))
        return np.array([[label == "good", label == "bad"] for text in texts for label in [dict(TEXTS)[text]]], np.float32)

    monkeypatch.setattr(classifier_teacher.TextClassifier, "logits", wrong)
    _, found = asked_for(home)
    assert found.state == "refused"
    assert "right on none of the 12 test texts" in found.words


def test_what_is_refused_is_told_and_leaves_no_teacher(home: Path):
    tiny_classifier(home / "models" / "tiny", ("yes", "no"))
    data, found = asked_for(home)
    assert found.state == "refused"
    assert "which is which cannot be told" in found.words
    assert teachers_for(data) == []


def test_answers_that_were_lost_end_a_run_with_what_to_do(home: Path):
    tiny_classifier(home / "models" / "tiny")
    _, found = asked_for(home)
    weights_path(found.teacher).with_suffix(".logits.npz").unlink()
    teacher_logits.cache_clear()
    from kdlab.distill.signals import load_logits

    with pytest.raises(CheckpointError, match="Add it again on the page Teachers"):
        load_logits(found.teacher, home / "cache")


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_answers_that_are_damaged_are_made_anew_when_it_is_added_again(home: Path, damage: str):
    tiny_classifier(home / "models" / "tiny")
    _, found = asked_for(home)
    answers = weights_path(found.teacher).with_suffix(".logits.npz")
    whole = answers.read_bytes()
    if damage == "cut":
        answers.write_bytes(whole[:100])
    else:
        answers.unlink()
    _, again = asked_for(home)
    assert (again.state, again.teacher) == ("done", found.teacher)
    assert np.isfinite(teacher_logits(found.teacher).test).all()


def test_it_can_be_stopped_while_it_waits_and_while_it_answers(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_classifier(home / "models" / "tiny")
    data = visitor_sets.keep(LabelledTexts(*zip(*TEXTS, strict=True)), "mine.csv", "ann")
    mark = visitor_mark("ann")
    asking.JOBS.write(mark, Asking("tiny", data))
    waiting = threading.Thread(target=asking.main, args=(mark,))
    with FileLock(home / "teachers" / "asking.lock"):
        waiting.start()
        while not asking.JOBS.at_work(mark):
            time.sleep(0.01)
        asking.stop("ann")
        waiting.join()
    assert (asking.JOBS.read(mark).state, asking.JOBS.read(mark).words[:8]) == ("refused", "Stopped.")  # type: ignore[union-attr]

    def answers_until_stopped(network: object, texts: list[str], more: Callable[[int], None]) -> None:
        asking.stop("ann")
        monkeypatch.setattr(classifier_teacher, "_EVERY", 0.0)
        more(1)
        raise AssertionError("it went on")

    monkeypatch.setattr(classifier_teacher.TextClassifier, "logits", answers_until_stopped)
    asking.JOBS.stopping(mark).unlink()
    asking.JOBS.write(mark, Asking("tiny", data))
    asking.main(mark)
    assert asking.JOBS.read(mark).words[:8] == "Stopped."  # type: ignore[union-attr]
    assert teachers_for(data) == []


def test_a_process_that_died_is_not_waited_for(home: Path):
    mark = visitor_mark("ann")
    asking.JOBS.write(mark, Asking("tiny", "own-0123456789abcdef", state="working"))
    found = asking.asking_of("ann")
    assert found is not None
    assert (found.state, found.words) == ("refused", ENDED_WITHOUT_A_WORD)
    assert asking.asking_of("bob") is None


@pytest.mark.parametrize("name", ["hub-0123456789abcdef", "hub-../../x", "hub-"])
def test_a_name_that_is_no_teacher_here_finds_nothing(home: Path, name: str):
    assert find_teacher(name) is None


def test_a_card_that_is_damaged_is_no_teacher(home: Path):
    tiny_classifier(home / "models" / "tiny")
    data, found = asked_for(home)
    weights_path(found.teacher).with_suffix(".json").write_text(json.dumps({"title": "x"}), encoding="utf-8")
    assert teachers_for(data) == []
