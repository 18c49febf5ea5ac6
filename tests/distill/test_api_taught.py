"""What a model behind an API answered becomes a data set and its teacher, and a run learns from it: with probabilities, or
from the classes that it names alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr, ValidationError

from kdlab.core.probability import softmax
from kdlab.data import visitor_sets
from kdlab.data.labelled_csv import LabelledTexts
from kdlab.data.registry import get_dataset
from kdlab.lessons.cards import teacher_words
from kdlab.models.api_asking import Asking
from kdlab.models.api_taught import TooFewAnswersError, _probabilities, make_teacher
from kdlab.models.api_teacher import Answer, ApiTeacher
from kdlab.models.catalogue import shown_by, teacher_card, teacher_logits
from kdlab.models.endpoint import Endpoint
from kdlab.models.multiple_choice import LETTERS, MultipleChoice, Reply
from kdlab.runs.execute import execute
from kdlab.runs.recipes import ThreeArms, settings_of, three_arms
from kdlab.runs.spec import explain
from kdlab.runs.store import Run, Store
from tests.models.loopback_endpoint import LOWER, OTHER, SHARES, Handler, Turn, knows, loopback, says, text_of

CLASSES = ("good", "bad", "neither")  # no alphabet's order: the set that is made has another than its source
TEXTS = {f"text {number} of its kind": CLASSES[number % 3] for number in range(66)}
SHORT = {"labels": 12, "transfer": 20, "epochs": 4, "seeds": 2, "batch_size": 8}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    monkeypatch.setenv("KDLAB_API_PRIVATE", "yes")
    return tmp_path


def asked(tmp_path: Path, turn: Turn, count: int = 1000, model: str = "org/a *model*") -> Asking:
    """An asking about the texts that students of this set train on, once it has ended."""
    own = visitor_sets.keep(LabelledTexts(tuple(TEXTS), tuple(TEXTS.values())), "mine.csv", "ann")
    data = get_dataset(own)
    texts = (data.load().text_train or ())[:count]
    with loopback() as server:
        server.usually = turn
        teacher = ApiTeacher(
            Endpoint(server.url, model, SecretStr("")), data.classes, tmp_path / "answers", budget=1000, concurrency=1
        )
        asking = Asking(teacher, own, range(len(texts)), texts)
        asking.start()
        asking.wait()
    assert not asking.fault
    return asking


def mistaken(text: str) -> str:
    """The class that the model takes the text for: one text in eleven for the next class."""
    number = int(text.split()[1])
    return CLASSES[(number + (number % 11 == 0)) % 3]


WITH_PROBABILITIES = knows({text: mistaken(text) for text in TEXTS})
LABELS_ALONE = knows({text: mistaken(text) for text in TEXTS}, logprobs=False)


def test_its_answers_are_the_teachers_logits_row_for_row(tmp_path: Path):
    asking = asked(tmp_path, WITH_PROBABILITIES)
    name = make_teacher(asking, "ann")
    card = teacher_card(name)
    data = get_dataset(card["dataset"])
    arrays, logits = data.load(), teacher_logits(name)
    assert sorted(data.classes) == sorted(CLASSES)
    assert data.train_size + data.validation_size + data.test_size == len(asking.texts)
    assert visitor_sets.sets_of("ann")[data.name] == f"{len(asking.texts)} texts that a model answered"
    right = sum(SHARES[form] for form in SHARES if form != "The") + LOWER
    for split, (_, y) in arrays.splits().items():
        texts = getattr(arrays, f"text_{split}")
        p = softmax(getattr(logits, split))
        for text, known, row in zip(texts, y, p, strict=True):
            assert data.classes[known] == TEXTS[text]
            assert data.classes[row.argmax()] == mistaken(text)
            # The other option that was shown has what was shown; the third, not shown, the most that it can have.
            shown = np.array(sorted([right, OTHER, min(LOWER, 1 - right - OTHER - SHARES["The"])]))
            np.testing.assert_allclose(np.sort(row), shown / shown.sum(), rtol=1e-5)
    assert card["test_accuracy"] == round(np.mean([mistaken(text) == TEXTS[text] for text in arrays.text_test or ()]), 4)
    assert "a *model*" not in json.dumps(card)
    assert "points apart" in teacher_words(name)


@pytest.mark.parametrize(
    ("content", "token", "top"),
    [
        ("{}", ("{}", math.log(0.4)), None),
        ("{}", ("{}", math.log(0.1)), (("The", math.log(0.5)), ("It", math.log(0.3)), ("{}", math.log(0.1)))),
        ("{}", None, (("{}", math.log(0.8)), ("x", math.log(0.001)))),
    ],
    ids=["its token alone", "rarer than other words", "sure"],
)
def test_the_class_that_it_named_is_first_and_bounds_add_up_to_what_is_left(
    content: str, token: tuple[str, float] | None, top: tuple[tuple[str, float], ...] | None
):
    question = MultipleChoice(tuple("abcdefghij"))
    letter = LETTERS[question.order("a text").index(3)]
    reply = Reply(
        content.format(letter),
        token and (token[0].format(letter), token[1]),
        top and tuple((name.format(letter), value) for name, value in top),
    )
    answer = Answer(**vars(question.read("a text", reply)))
    assert answer.label == 3
    p = _probabilities(answer)
    assert p.argmax() == 3
    assert p.sum() <= 1 + 1e-9
    assert (p[np.arange(10) != 3] > 0).all()


def test_two_models_that_answer_alike_are_two_teachers(tmp_path: Path):
    names = {make_teacher(asked(tmp_path, LABELS_ALONE, model=model), "ann") for model in ("model-1", "model-2")}
    assert {teacher_card(name)["title"] for name in names} == {"model-1", "model-2"}


def test_one_answer_without_probabilities_does_not_close_them(tmp_path: Path):
    mute = next(iter(TEXTS))

    def turn(handler: Handler, payload: dict[str, Any]) -> None:
        (LABELS_ALONE if text_of(payload) == mute else WITH_PROBABILITIES)(handler, payload)

    asking = asked(tmp_path, turn)
    name = make_teacher(asking, "ann")
    data = get_dataset(teacher_card(name)["dataset"])
    assert shown_by(name) == "probabilities"
    assert data.train_size + data.validation_size + data.test_size == len(asking.texts) - (mute in asking.texts)


def trained(name: str, **settings: object) -> Run:
    store = Store()
    claim = store.begin(three_arms(dataset=teacher_card(name)["dataset"], teacher=name, **SHORT | settings), "ann")
    assert execute(claim, store), store.get(claim.run_id)
    run = store.get(claim.run_id)
    assert run is not None
    return run


def test_a_run_learns_from_its_probabilities(tmp_path: Path):
    run = trained(make_teacher(asked(tmp_path, WITH_PROBABILITIES), "ann"))
    assert [arm["key"] for arm in run.result["arms"]] == ["labels_only", "hard_labels", "soft_targets"]  # type: ignore[index]
    assert run.result["profiles"]["teacher"] == {}  # type: ignore[index]
    assert all(np.isfinite(arm["kl"]).all() for arm in run.result["arms"])  # type: ignore[index]


def test_what_needs_the_logits_themselves_is_refused(tmp_path: Path):
    name = make_teacher(asked(tmp_path, WITH_PROBABILITIES), "ann")
    assert shown_by(name) == "probabilities"
    with pytest.raises(ValidationError) as refused:
        three_arms(dataset=teacher_card(name)["dataset"], teacher=name, objective="logit_mse", **SHORT)
    assert "learns from the logits themselves, and this teacher shows probabilities alone" in explain(refused.value)[0]


def test_of_a_teacher_that_names_a_class_two_arms_learn(tmp_path: Path):
    name = make_teacher(asked(tmp_path, LABELS_ALONE), "ann")
    assert shown_by(name) == "label"
    assert "shows no probabilities" in teacher_words(name)
    logits = teacher_logits(name)
    assert set(np.unique(softmax(logits.train))) == {0.0, 1.0}
    run = trained(name)
    assert [arm["key"] for arm in run.result["arms"]] == ["labels_only", "hard_labels"]  # type: ignore[index]
    assert [contrast.key for contrast in run.spec.contrasts] == ["answers"]
    assert all(np.isfinite(arm["kl"]).all() for arm in run.result["arms"])  # type: ignore[index]
    settings = settings_of(run.spec, ThreeArms)
    assert settings is not None
    assert settings.spec() == run.spec
    soft = run.spec.model_dump(mode="json")
    soft["arms"][1] |= {"objective": {"name": "forward_kl"}}
    with pytest.raises(ValidationError) as refused:
        type(run.spec).model_validate(soft)
    assert "this teacher shows none: it names a class" in explain(refused.value)[0]


def test_texts_without_a_class_are_left_out_and_too_few_answers_are_told(tmp_path: Path):
    asking = asked(tmp_path, says("I would rather not say."))
    with pytest.raises(TooFewAnswersError, match=r"“bad” has 0.*Ask about more texts"):
        make_teacher(asking, "ann")
    with pytest.raises(TooFewAnswersError, match="at least 5 answered texts"):
        make_teacher(asked(tmp_path, WITH_PROBABILITIES, count=12, model="model-2"), "ann")


def test_the_teacher_is_offered_to_who_asked_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from kdlab.ui import own

    name = make_teacher(asked(tmp_path, LABELS_ALONE), "ann")
    dataset = teacher_card(name)["dataset"]
    monkeypatch.setattr(own, "visitor_id", lambda: "ann")
    assert [entry.name for entry in own.teachers_on_offer(dataset)] == [name]
    monkeypatch.setattr(own, "visitor_id", lambda: "bob")
    assert own.teachers_on_offer(dataset) == []
