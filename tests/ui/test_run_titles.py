"""What runs are called: no two settings share a title, and a title says what is not the default."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlab.data.registry import DATASETS
from kdlab.distill.objective_catalogue import OBJECTIVES
from kdlab.models.catalogue import students_for
from kdlab.runs.recipes import ThreeArms, settings_of, three_arms
from kdlab.runs.spec import RunSpec
from kdlab.ui.run.titles import spec_title


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """Round numbers, neighbours of each other, and any."""
    return st.one_of(
        st.sampled_from([low, high]),
        st.floats(low, high).map(lambda value: round(value, 2)).filter(lambda v: low <= v <= high),
        st.floats(low, high, allow_subnormal=False),
    )


def objectives() -> st.SearchStrategy[dict[str, Any]]:
    ranges = {
        "t_squared": st.booleans(),
        "beta": number(0, 1),
        "continuous": st.booleans(),
        "target_weight": number(0, 10),
        "non_target_weight": number(0, 20),
        "k": st.integers(1, 64),
        "bits": st.integers(1, 16),
        "smoothing": number(0, 1),
    }
    return st.one_of(
        *(
            st.fixed_dictionaries(
                {"name": st.just(name)}, optional={f: ranges[f] for f in cls.model_fields if f != "name"}
            )
            for name, cls in OBJECTIVES.items()
        )
    )


SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "labels": st.integers(16, 300),
    "transfer": st.integers(0, 500),
    "temperature": number(0.5, 20),
    "kd_weight": number(0, 1),
    "objective": objectives(),
    "epochs": st.integers(1, 400),
    "seeds": st.integers(1, 10),
    "learning_rate": number(1e-5, 0.1),
    "batch_size": st.integers(8, 512),
    "schedule": st.sampled_from(["constant", "cosine"]),
    "warm_up": number(0, 0.5),
    "clip_norm": number(0, 100),
    "device": st.sampled_from(["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:1", "cuda:00"]),
}


@st.composite
def specs(draw: st.DrawFn) -> RunSpec:
    dataset = draw(st.sampled_from(sorted(DATASETS)))
    student = draw(st.sampled_from([shape.name for shape in students_for(dataset)]))
    values = draw(st.fixed_dictionaries({}, optional=SETTINGS))
    return three_arms(dataset=dataset, student=student, **values)


@st.composite
def changed(draw: st.DrawFn) -> tuple[RunSpec, RunSpec]:
    """A spec, and the same with some of its settings drawn again."""
    spec = draw(specs())
    other = draw(st.fixed_dictionaries({}, optional=SETTINGS))
    settings = settings_of(spec, ThreeArms)
    assert settings is not None
    return spec, ThreeArms.model_validate(settings.model_dump() | other).spec()


def test_every_setting_that_can_differ_is_drawn() -> None:
    assert {"dataset", "teacher", "student", *SETTINGS} == set(ThreeArms.model_fields)


@given(changed())
@settings(max_examples=500)
def test_runs_with_other_settings_have_other_titles(pair: tuple[RunSpec, RunSpec]) -> None:
    first, second = pair
    assert (spec_title(first) == spec_title(second)) == (first == second)


@given(specs(), specs())
def test_any_two_runs_share_a_title_only_where_they_share_all_settings(
    first: RunSpec, second: RunSpec
) -> None:
    assert (spec_title(first) == spec_title(second)) == (first == second)


@pytest.mark.parametrize(
    ("values", "title"),
    [
        ({}, "Fashion-MNIST · default settings"),
        ({"epochs": 12, "seeds": 1}, "Fashion-MNIST · 12 epochs · 1 seed"),
        (
            {"dataset": "digits", "labels": 50, "transfer": 0, "learning_rate": 0.01, "batch_size": 32},
            "Handwritten digits · 50 labels · nothing unlabelled · learning rate 0.01 · batches of 32",
        ),
        (
            {"objective": {"name": "dkd", "target_weight": 2, "t_squared": False}, "device": "cpu"},
            "Fashion-MNIST · Decoupled KD (not times T², target weight a 2) · on CPU",
        ),
        ({"temperature": 8, "kd_weight": 0.5}, "Fashion-MNIST · T 8 · w 0.5"),
    ],
)
def test_a_title_says_what_is_not_the_default_and_nothing_else(values: dict[str, Any], title: str) -> None:
    assert spec_title(three_arms(**values)) == title
