"""A spec takes what fits and says in words what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from kdlab.data.registry import DATASETS
from kdlab.models.catalogue import students_for, teachers_for
from kdlab.runs.contrasts import Contrast
from kdlab.runs.recipes import ThreeArms, read_spec, settings_of, three_arms
from kdlab.runs.spec import RunSpec, explain


def faults(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        three_arms(**values)
    return " ".join(explain(caught.value))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"temperature": 0}, "temperature must be at least 0.5"),
        ({"temperature": 1e9}, "temperature must be at most 20"),
        ({"temperature": "nan"}, "temperature: 'nan' does not fit"),
        ({"temperature": float("inf")}, "temperature: inf does not fit"),
        ({"kd_weight": "much"}, "kd_weight: 'much' does not fit"),
        ({"labels": 12.5}, "labels: 12.5 does not fit"),
        ({"dataset": "imagenet"}, "no dataset called 'imagenet'; choose one of digits, fashion, languages, glosses"),
        ({"student": "gpt-4"}, "no student called 'gpt-4'; choose one of linear, mlp-16, mlp-64, cnn-small."),
        (
            {"student": "gpt-4", "dataset": "languages"},
            "no student called 'gpt-4'; choose one of ngram-linear, char-cnn-small.",
        ),
        ({"student": "char-cnn-small", "dataset": "glosses"}, "does not read tokens; choose one of bert-1x64"),
        ({"teacher": "gpt-4"}, "no teacher called 'gpt-4'; choose one of fashion."),
        ({"teacher": "digits"}, "knows 'digits', not 'fashion'"),
        ({"student": "ngram-linear"}, "does not read images; choose one of"),
        ({"labels": 9}, "Fashion-MNIST has 10 classes; give at least 10 labels"),
        ({"labels": 5000, "transfer": 1}, "ask for 5,001 examples, but Fashion-MNIST has 5,000"),
        ({"device": "tpu"}, "device must be auto, cpu, cuda"),
        ({"objective": "mse"}, "no such objective; choose one of forward_kl"),
        ({"objective": '{"name": "dkd"'}, "is not JSON; write its name alone"),
        ({"objective": {"name": "dkd", "target_weight": 99}}, "objective.target_weight must be at most 10"),
        ({"objective": {"name": "dkd", "beta": 1}}, "This objective has no setting called 'beta'"),
        ({"colour": "blue"}, "no setting called 'colour'; `python -m kdlab run --help` lists them"),
    ],
)
def test_what_does_not_fit_is_said_in_words(values: dict[str, Any], words: str) -> None:
    assert words in faults(**values)


def test_every_fault_is_named_at_once() -> None:
    said = faults(temperature=0, seeds=99, colour=1)
    assert all(word in said for word in ("temperature", "seeds", "colour"))


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_student_and_teacher_of_a_dataset_makes_a_spec(dataset: str) -> None:
    for teacher in teachers_for(dataset):
        for student in students_for(dataset):
            spec = three_arms(
                dataset=dataset, teacher=teacher.name, student=student.name, labels=20, transfer=100
            )
            assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_an_objective_is_named_or_written_as_json_with_its_settings() -> None:
    assert three_arms(objective="reverse_kl").arms[2].objective.title == "Reverse KL"
    spec = three_arms(objective='{"name": "dkd", "target_weight": 2}')
    assert spec.arms[2].objective.model_dump()["target_weight"] == 2
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        three_arms().seeds = 2  # type: ignore[misc]


def test_no_arm_without_its_controls() -> None:
    assert [arm.key for arm in three_arms().arms] == ["labels_only", "hard_labels", "soft_targets"]


def test_an_epoch_is_a_pass_over_the_larger_of_labels_and_transfer_set() -> None:
    assert three_arms(labels=200, transfer=1000, epochs=3, batch_size=64).total_steps == 3 * 16
    assert three_arms(labels=200, transfer=0, epochs=3, batch_size=64).total_steps == 3 * 4


@pytest.mark.parametrize("field", ThreeArms.model_fields)
def test_every_setting_carries_its_title_and_help(field: str) -> None:
    info = ThreeArms.model_fields[field]
    assert info.description
    assert dict(info.json_schema_extra or {})["title"]  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{" * 9, '{"a":' * 100_000, '{"name": ' + "[" * 100_000])
def test_an_objective_that_is_no_json_is_a_sentence(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        three_arms(objective=text)
    (sentence,) = explain(caught.value)
    assert "is not JSON; write its name alone" in sentence


def test_a_spec_keeps_the_settings_that_made_it() -> None:
    settings = ThreeArms(dataset="digits", temperature=3.5, kd_weight=0.4, objective={"name": "dkd", "target_weight": 2})
    stored = read_spec(json.loads(settings.spec().model_dump_json()))
    assert settings_of(stored, ThreeArms) == settings
    assert stored == settings.spec()


def test_a_spec_of_before_arms_were_stored_is_read() -> None:
    stored = {"dataset": "digits", "teacher": "digits", "student": "mlp-16", "labels": 40, "transfer": 0}
    spec = read_spec(stored | {"temperature": 8.0, "kd_weight": 0.5, "objective": {"name": "reverse_kl"}})
    assert spec == three_arms(**stored, temperature=8.0, kd_weight=0.5, objective="reverse_kl")


def test_a_spec_of_another_version_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="another KD Lab"):
        read_spec(three_arms().model_dump() | {"spec_version": 99})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": ()}, "at least 1"),
        ({"arms": three_arms().arms[:1] * 2, "contrasts": ()}, "have the same key"),
        ({"contrasts": three_arms().contrasts[:1] * 2}, "Two contrasts"),
        ({"arms": three_arms().arms[:2]}, "none of its arms"),
        ({"arms": three_arms().arms[1:], "contrasts": three_arms().contrasts[2:]}, "none of its arms"),
        ({"contrasts": three_arms().contrasts[:1]}, "none of its contrasts"),
        ({"contrasts": (Contrast(key="c", minuend="soft_targets", subtrahend="labels_only", metric="charm",
                                 words="w", label="l"),)}, "does not measure"),
    ],
)
def test_an_experiment_compares_only_what_it_trains_and_measures(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RunSpec.model_validate(three_arms().model_dump() | changes)
    assert words in " ".join(explain(caught.value))


def test_the_temperature_steers_what_softens_and_the_weight_what_is_taught() -> None:
    asked = {"temperature": 9.0, "kd_weight": 0.1}
    steered = [arm.steered(asked) for arm in three_arms(temperature=2, kd_weight=0.9).arms]
    assert [(arm.temperature, arm.kd_weight) for arm in steered] == [(1, 0), (1, 0.1), (9, 0.1)]
    (*_, mse) = three_arms(temperature=2, objective="logit_mse").arms
    assert (mse.steered(asked).temperature, mse.steered(asked).kd_weight) == (2, 0.1)
    assert mse.steered({}) == mse


def test_a_run_that_drew_from_a_larger_pool_than_today_s_is_read_and_no_new_one_is_made() -> None:
    old = {"dataset": "fashion", "teacher": "fashion", "student": "mlp-16", "labels": 6000, "transfer": 0}
    spec = read_spec(old)
    assert spec.labels == 6000
    assert read_spec(json.loads(spec.model_dump_json())) == spec
    assert settings_of(spec, ThreeArms) is None
    assert "to train on; lower one of them" in faults(labels=6000, transfer=0)
