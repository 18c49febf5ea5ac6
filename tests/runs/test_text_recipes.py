"""The experiments with language models as specs: what they compare, what is refused, what is kept."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from kdlab.distill.objective_catalogue import OBJECTIVES, TEXT_OBJECTIVES, ForwardKL
from kdlab.runs.known_recipes import RECIPES, launched_with
from kdlab.runs.recipes import ThreeArms, read_spec, settings_of
from kdlab.runs.spec import RunSpec, explain
from kdlab.runs.text_recipes import TEXT_RECIPES, Economy, Prefixes, Race, TextRecipe
from kdlab.runs.text_spec import TextSpec


@pytest.mark.parametrize("recipe", TEXT_RECIPES.values(), ids=lambda one: one.recipe)
def test_an_experiment_is_kept_and_read_as_it_was(recipe: type[TextRecipe]) -> None:
    spec = recipe().spec()
    assert isinstance(spec, TextSpec)
    stored = json.loads(spec.model_dump_json())
    assert read_spec(stored) == spec
    assert settings_of(spec, recipe) == launched_with(spec) == recipe()
    assert settings_of(spec, ThreeArms) is None
    # Whatever has gone since, a run of the past is read.
    gone = stored | {"teacher": "folder:gone", "dataset": "own-0123456789ab"}
    assert read_spec(gone).teacher == "folder:gone"


@pytest.mark.parametrize("recipe", TEXT_RECIPES.values(), ids=lambda one: one.recipe)
def test_every_taught_arm_has_its_control(recipe: type[TextRecipe]) -> None:
    spec = recipe().spec()
    keys = {arm.key for arm in spec.arms}
    assert spec.arms[0].objective is None
    assert all(arm.control in keys for arm in spec.arms[1:])
    assert {arm.objective.name for arm in spec.arms[1:]} <= set(TEXT_OBJECTIVES)


def test_the_default_race_fits_its_waiting_time() -> None:
    spec = Race().spec()
    assert (len(spec.arms), spec.seeds, spec.total_steps) == (3, 2, 128)
    assert spec.arms[2].temperature == 1


def test_bytes_of_a_signal() -> None:
    spec = Economy().spec()
    sent = {arm.key: spec.payload_bits(arm) / 8 for arm in spec.arms}
    assert sent["text_only"] == 0
    assert sent["draws_1"] < 2 < sent["draws_4"] < sent["draws_16"] < 32 < sent["top_16"] < 100
    assert sent["all"] == 2 * 576  # a hidden state is less than a probability for each token
    assert Economy(teacher="pocket").spec().payload_bits(spec.arm("all")) / 8 == 2 * 256


def test_own_text_comes_from_a_warm_student() -> None:
    spec = Prefixes(warm=0.5, own_share=0.3).spec()
    assert spec.teacher == "pocket"
    for arm in spec.arms[1:]:
        assert arm.warm == 0.5
        assert arm.kd_weight == 1
    own = [arm for arm in spec.arms if arm.text == "student"]
    assert len(own) == 3
    assert {arm.own_share for arm in own} == {0.3}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dataset": "iliad"}, "no text called 'iliad'"),
        ({"teacher": "gpt-4"}, "no teacher called 'gpt-4'"),
        ({"student": "mlp-16"}, "no student called 'mlp-16'"),
        ({"tokens": 1}, "tokens must be at least 4096"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_what_there_is_not_is_refused_in_words(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Race.model_validate(settings).spec()
    assert words in " ".join(explain(caught.value))


def test_an_objective_belongs_to_its_students() -> None:
    with pytest.raises(ValidationError) as caught:
        ThreeArms(objective={"name": "sampled_kl"}).spec()
    assert "Sampled soft targets is nothing that students of this kind can be asked" in " ".join(explain(caught.value))
    with pytest.raises(ValidationError) as caught:
        Race(objective={"name": "dkd"}).spec()
    assert "Decoupled KD" in " ".join(explain(caught.value))
    assert "sampled_kl" not in OBJECTIVES
    assert isinstance(ThreeArms(objective=ForwardKL()).spec(), RunSpec)


def test_recipes_are_known_by_their_names() -> None:
    assert {name: recipe.recipe for name, recipe in RECIPES.items()} == {name: name for name in RECIPES}
    assert set(TEXT_RECIPES) < set(RECIPES)
