"""The ladder: which arms it has, what each asks of the teacher, what does not fit, and what a run of it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdlab.runs.execute import execute
from kdlab.runs.ladder import ALL, Ladder, ladder
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
        ({"student": "mlp-64"}, {"Hint", "Attention transfer"}),
        ({"student": "linear"}, {"Hint", "Attention transfer"}),
        ({"dataset": "languages", "student": "ngram-linear"}, {"Hint", "Attention transfer", "Jacobian"}),
        ({"dataset": "digits", "student": "mlp-16"}, {"Attention transfer"}),
    ],
)
def test_a_rung_that_does_not_fit_is_left_out_with_its_reason(settings: dict[str, str], closed: set[str]) -> None:
    chosen = Ladder.model_validate(settings)
    assert set(chosen.closed()) == closed
    assert all(why.endswith(".") for why in chosen.closed().values())
    assert len(chosen.spec().arms) == 9 - len(closed)


def test_a_stored_spec_of_a_rung_that_does_not_fit_is_refused_in_words() -> None:
    stored = json.loads(ladder().model_dump_json()) | {"student": "mlp-16"}
    with pytest.raises(ValueError, match="position by position"):
        read_spec(stored)


def test_a_ladder_is_read_back_as_it_was_stored_and_its_title_says_what_differs() -> None:
    for settings in ({}, {"placebos": True, "k": 5, "seeds": 2}, {"dataset": "digits", "student": "mlp-16"}):
        spec = ladder(**settings)
        assert read_spec(json.loads(spec.model_dump_json())) == spec
    assert spec_title(ladder()) == "Ladder on Fashion-MNIST · default settings"
    assert spec_title(ladder(placebos=True, k=5, seeds=2)).endswith("top 5 · with placebos · 2 seeds")


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
    assert costs["gradients"]["teacher_seconds"] > costs["logits"]["teacher_seconds"] > 0
    assert costs["hidden"]["extra_parameters"] == 256 * 16
    assert costs["logits"]["extra_parameters"] == 0
    assert all(cost["student_seconds"] > 0 for cost in costs.values())
