"""The ladder: which arms it has, what each asks of the teacher, what does not fit, and what a run of it leaves."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.white_box_weights import CANDIDATES, STUDENTS
from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.data.text import PADDING
from kdlab.distill.cohort import Cohort
from kdlab.distill.copy_layers import CopyLayers
from kdlab.distill.trainer import Trainer
from kdlab.distill.white_box_catalogue import CosineHidden, Gram
from kdlab.models import copied_layers
from kdlab.models.inner_layers import layers_of_student, layers_of_teacher
from kdlab.models.networks import build_student, build_teacher
from kdlab.runs import recorded, rung_costs
from kdlab.runs.build import make_trainer
from kdlab.runs.execute import execute
from kdlab.runs.ladder import ALL, INSIDE, Ladder, ladder
from kdlab.runs.recipes import read_spec
from kdlab.runs.store import Store
from kdlab.ui.run.titles import spec_title


def test_every_rung_is_an_arm_with_the_same_queries_and_is_compared_with_the_logits() -> None:
    spec = ladder()
    keys = [arm.key for arm in spec.arms]
    assert keys == [
        "labels_only",
        "label",
        "label_and_probability",
        "top_k",
        "probabilities",
        "logits",
        "hidden",
        "attention",
        "gradients",
    ]
    assert {contrast.minuend for contrast in spec.contrasts} == set(keys) - {ALL}
    assert {contrast.subtrahend for contrast in spec.contrasts} == {ALL}
    assert spec.contrasts[0].minuend == "hidden"
    by_key = {arm.key: spec.payload_bits(arm) for arm in spec.arms}
    assert by_key["label_and_probability"] == pytest.approx(math.log2(10) + 32)
    assert by_key["top_k"] == pytest.approx(3 * (math.log2(10) + 32))
    outputs = keys[: keys.index(ALL)]
    assert [by_key[key] for key in outputs] == sorted(by_key[key] for key in outputs)
    assert by_key["hidden"] == by_key[ALL] + 16 * 49 * 128
    assert by_key["attention"] == by_key[ALL] + 16 * 49
    assert by_key["gradients"] == by_key[ALL] + 16 * 10


def test_placebos_and_coarse_logits_are_arms_that_are_switched_on() -> None:
    keys = {arm.key for arm in ladder(placebos=True, coarse=True).arms} - {arm.key for arm in ladder().arms}
    assert keys == {"hidden_untrained", "hidden_shuffled", "logits_8", "logits_4", "logits_2"}
    spec = ladder(coarse=True)
    bits = {key: spec.payload_bits(spec.arm(key)) for key in ("logits_8", "logits_4", "logits_2")}
    assert bits == {"logits_8": 80 + 64, "logits_4": 40 + 64, "logits_2": 20 + 64}


@pytest.mark.parametrize(
    ("settings", "closed"),
    [
        ({"student": "mlp-64"}, {"hidden states", "attention"}),
        ({"student": "linear"}, {"hidden states", "attention"}),
        ({"dataset": "languages", "student": "ngram-linear"}, {"hidden states", "attention", "gradients"}),
        ({"dataset": "digits", "student": "mlp-16"}, {"attention"}),
    ],
)
def test_a_rung_that_does_not_fit_is_left_out_with_its_reason(settings: dict[str, str], closed: set[str]) -> None:
    chosen = Ladder.model_validate(settings)
    assert set(chosen.closed()) == closed
    assert all(why.endswith(".") and "Hint" not in why for why in chosen.closed().values())
    assert len(chosen.spec().arms) == 9 - len(closed)


def on_glosses(student: str, **settings: Any) -> Ladder:
    return Ladder.model_validate({"dataset": "glosses", "student": student, **settings})


@pytest.mark.parametrize(
    ("student", "inside"),
    [
        ("embedding-bag", ["hidden", "gradients"]),
        ("bert-2x64", ["hidden", "attention", "gradients"]),
        ("bert-2x384", ["hidden", "attention", "attention_scores", "gradients", "weights"]),
    ],
)
def test_a_ladder_of_texts_has_the_rungs_inside_a_transformer_that_fit_its_student(
    student: str, inside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", Path("anywhere"))
    chosen = on_glosses(student)
    spec = chosen.spec()
    assert [arm.key for arm in spec.arms if arm.key in INSIDE] == inside
    assert len(chosen.closed()) == 5 - len(inside)
    assert read_spec(json.loads(spec.model_dump_json())) == spec
    bits = {arm.key: spec.payload_bits(arm) - spec.payload_bits(spec.arm(ALL)) for arm in spec.arms}
    # Padding is not sent: what is charged is the mean over the training texts.
    length = (get_dataset("glosses").load().x_train != PADDING).sum(1)
    assert bits["hidden"] == pytest.approx(16 * 384 * length.mean())
    assert bits["gradients"] == 16 * 10
    if "attention" in inside:
        assert bits["attention"] == pytest.approx(16 * 3 * 384 * length.mean())
    if "attention_scores" in inside:
        assert bits["attention_scores"] == pytest.approx(16 * 2 * 12 * (length**2).mean())


def test_closed_rungs_of_texts_name_both_layers_and_both_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", Path("anywhere"))
    closed = on_glosses("bert-2x64").closed()
    assert set(closed) == {"attention scores", "copied layers"}
    for why in closed.values():
        assert "student's layer 1 has 32 positions of 64 numbers in 2 heads" in why
        assert "teacher's layer 3 has 32 positions of 384 numbers in 12 heads" in why


def test_the_papers_recipes_are_arms_that_are_switched_on_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", Path("anywhere"))
    spec = on_glosses("bert-2x384", papers=True).spec()
    distilbert, tinybert = spec.arm("distilbert"), spec.arm("tinybert")
    assert (distilbert.copy_layers, distilbert.insides) == (CopyLayers(), (CosineHidden(),))
    assert [asked.name for asked in tinybert.insides] == ["hint", "attention_scores"]
    assert tinybert.layers_first == 0.5
    assert read_spec(json.loads(spec.model_dump_json())) == spec
    small = on_glosses("bert-2x64", papers=True)
    assert {"DistilBERT's recipe", "TinyBERT's recipe"} < set(small.closed())
    assert small.spec().arms == on_glosses("bert-2x64").spec().arms


def test_without_the_teachers_model_its_inside_is_closed_with_the_command_that_opens_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", Path("anywhere"))
    stored = json.loads(on_glosses("bert-2x384").spec().model_dump_json())
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    chosen = on_glosses("bert-2x384", placebos=True)
    assert len(chosen.closed()) == 5
    assert all(word_pieces.INSTALL in why for why in chosen.closed().values())
    assert [arm.key for arm in chosen.spec().arms][-1] == ALL
    assert "weights" in [arm.key for arm in read_spec(stored).arms]  # a run of another machine is still read


def test_copied_layers_start_an_arms_students_and_are_charged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", Path("anywhere"))
    teacher = build_teacher("glosses")
    monkeypatch.setattr(copied_layers, "load_teacher", lambda name: teacher)
    spec = on_glosses("bert-2x384", labels=20, transfer=80).spec()
    asked = spec.arm("weights").copy_layers
    assert asked is not None
    pairs = asked.pairs(layers_of_student("bert-2x384", "glosses"), layers_of_teacher("glosses"))
    assert pairs == ((1, 3), (2, 6))
    copied = copied_layers.copied_layers("glosses", "bert-2x384", "glosses", pairs)
    sent = sum(tensor.numel() for tensor in copied.values())
    assert spec.payload_bits(spec.arm("weights")) - spec.payload_bits(spec.arm(ALL)) == pytest.approx(32 * sent / 100)
    assert {tensor.dtype for tensor in copied.values()} == {torch.float32}
    cohort = Cohort(
        partial(build_student, "bert-2x384", "glosses"),
        arms=2,
        seeds=1,
        group_size=2,
        learning_rate=1e-3,
        device=torch.device("cpu"),
        copied={1: copied},
    )
    plain, started = cohort.weights()
    for ours, theirs in ((0, 2), (1, 5)):
        name = "bert.encoder.layer.{}.attention.self.value.weight"
        assert torch.equal(started[name.format(ours)], teacher.state_dict()[name.format(theirs)])
        assert not torch.equal(started[name.format(ours)], plain[name.format(ours)])
    words = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(started[words], teacher.state_dict()[words][: len(plain[words])])
    assert torch.equal(started["output.weight"], plain["output.weight"])  # the classifier is the seed's own


def test_a_stored_spec_of_a_rung_that_does_not_fit_is_refused_in_words() -> None:
    stored = json.loads(ladder().model_dump_json()) | {"student": "mlp-16"}
    with pytest.raises(ValueError, match="position by position"):
        read_spec(stored)


@pytest.mark.parametrize(("dataset", "student"), [("fashion", "cnn-small"), ("glosses", "bert-2x384")])
def test_each_look_inside_has_its_weight_and_its_placebo_the_same(dataset: str, student: str) -> None:
    plain = ladder(dataset=dataset, student=student, placebos=True)
    open_rungs = Ladder.model_validate({"dataset": dataset, "student": student}).weighed()
    assert set(open_rungs) <= {"hidden_times", "attention_times", "attention_scores_times", "gradients_times"}
    for times, asked in open_rungs.items():
        weighed = ladder(dataset=dataset, student=student, placebos=True, **{times: 10})
        key = times.removesuffix("_times")
        changed = {arm.key for arm, before in zip(weighed.arms, plain.arms, strict=True) if arm != before}
        assert changed == {key} | ({"hidden_untrained", "hidden_shuffled"} if key == "hidden" else set())
        assert weighed.arm(key).white_box == asked.model_copy(update={"weight": 10 * asked.weight})
        assert read_spec(json.loads(weighed.model_dump_json())) == weighed
        assert spec_title(weighed).endswith("× 10")


@pytest.mark.parametrize("dataset", CANDIDATES)
def test_the_search_for_weights_goes_beyond_every_choice_on_both_sides(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", Path("anywhere"))
    chosen = [asked for arm in ladder(dataset=dataset, student=STUDENTS[dataset]).arms for asked in arm.insides]
    for asked in (*chosen, Gram()) if dataset == "fashion" else chosen:
        tried = [candidate.weight for candidate in CANDIDATES[dataset] if candidate.name == asked.name]
        assert min(tried) < asked.weight < max(tried), asked.name
        assert asked.weight in tried


def test_a_ladder_is_read_back_as_it_was_stored_and_its_title_says_what_differs() -> None:
    for settings in ({}, {"placebos": True, "k": 5, "seeds": 2}, {"dataset": "digits", "student": "mlp-16"}):
        spec = ladder(**settings)
        assert read_spec(json.loads(spec.model_dump_json())) == spec
    assert spec_title(ladder()) == "Ladder on Fashion-MNIST · default settings"
    assert spec_title(ladder(placebos=True, k=5, seeds=2)).endswith("top 5 · with placebos · 2 seeds")


def test_a_rung_costs_the_time_of_its_answers_and_of_its_own_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = ladder(dataset="digits", student="mlp-16", labels=50, transfer=50, epochs=2, seeds=2)
    trainer = make_trainer(spec)
    clock = [0.0]

    def takes(seconds: float) -> None:
        clock[0] += seconds

    class Network:
        def eval(self) -> Network:
            return self

        def __call__(self, x: torch.Tensor) -> None:
            takes(len(x) * 2)

    monkeypatch.setattr(rung_costs, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(rung_costs, "build_teacher", lambda name: Network())
    monkeypatch.setattr(rung_costs, "derivative", lambda network, x, along: takes(len(x) * 5))
    monkeypatch.setattr(Trainer, "step", lambda alone: takes(1 + len(alone.arms[0].insides)))
    costs = rung_costs.rung_costs(spec, trainer)
    inside = {"hidden", "gradients"}
    assert inside < set(costs)
    for key, cost in costs.items():
        assert cost["teacher_seconds"] == {"labels_only": 0, "gradients": 2 + 5}.get(key, 2)
        assert cost["student_seconds"] == (2 if key in inside else 1)


def test_a_ladder_trains_and_says_what_each_rung_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    store = Store()
    claim = store.begin(
        ladder(dataset="digits", student="mlp-16", labels=50, transfer=50, epochs=2, seeds=2, placebos=True), "ann"
    )
    assert execute(claim, store)
    run = store.get(claim.run_id)
    assert run is not None
    assert run.result is not None
    costs = run.result["costs"]
    assert set(costs) == {arm.key for arm in run.spec.arms}
    assert costs["labels_only"]["bytes"] == costs["labels_only"]["teacher_seconds"] == 0
    assert costs["hidden"]["extra_parameters"] == 256 * 16
    assert costs["logits"]["extra_parameters"] == 0
    # Recorded, it stands beside the run on the data that the lab begins with, and not in its place.
    monkeypatch.setattr(recorded, "_FOLDER", tmp_path)
    assert recorded.recording_of(Ladder.recipe, "digits") == Ladder.recipe
    assert recorded.record(claim.run_id, store).name == "ladder_digits.json.gz"
    assert recorded.recording_of(Ladder.recipe, "digits") == "ladder_digits"
    assert recorded.recording_of(Ladder.recipe, "fashion") == Ladder.recipe
    assert recorded.recorded_run("ladder_digits")[0].result == run.result
