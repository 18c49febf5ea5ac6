"""What an objective declares is what its loss does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from torch.nn.functional import cross_entropy

from kdlab.distill import objectives
from kdlab.distill.arms import Arm
from kdlab.distill.copy_layers import CopyLayers
from kdlab.distill.objective_catalogue import OBJECTIVES, AnyObjective, ForwardKL, Given, Objective, Softened

GENERATOR = torch.Generator().manual_seed(0)
Z_S, Z_T = (3 * torch.randn(2, 6, 5, generator=GENERATOR)).unbind()
LABELS = torch.randint(0, 5, (6,), generator=GENERATOR)
TOP = torch.softmax(Z_T, -1).topk(3)
REVEALED = {"nothing": None, "label": Z_T.argmax(-1), "top_k": (TOP.values, TOP.indices), "logits": Z_T}
MASK = torch.tensor([True, True, False, True, False, True])


class Holder(BaseModel):
    objective: AnyObjective = ForwardKL()


def _given(objective: Objective | type[Objective], temperature: float = 2.0) -> Given:
    """Only what the objective says it needs."""
    labels = LABELS if objective.uses_labels else None
    return Given(Z_S, REVEALED[objective.needs], labels, temperature, MASK)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"name": "forward_kl"}, lambda: objectives.forward_kl_loss(Z_S, Z_T, 2.0, MASK)),
        (
            {"name": "forward_kl", "t_squared": False},
            lambda: objectives.forward_kl_loss(Z_S, Z_T, 2.0, MASK, False),
        ),
        ({"name": "soft_cross_entropy"}, lambda: objectives.soft_cross_entropy_loss(Z_S, Z_T, 2.0, MASK)),
        ({"name": "reverse_kl"}, lambda: objectives.reverse_kl_loss(Z_S, Z_T, 2.0, MASK)),
        (
            {"name": "generalized_jsd", "beta": 0.2, "continuous": True},
            lambda: objectives.generalized_jsd_loss(Z_S, Z_T, 0.2, 2.0, MASK, continuous=True),
        ),
        ({"name": "logit_mse"}, lambda: objectives.logit_mse_loss(Z_S, Z_T, mask=MASK)),
        (
            {"name": "dkd", "target_weight": 2.0, "non_target_weight": 3.0},
            lambda: objectives.dkd_loss(Z_S, Z_T, LABELS, 2.0, 3.0, 2.0, MASK),
        ),
        ({"name": "top_k_kl"}, lambda: objectives.top_k_kl_loss(Z_S, *TOP, 2.0, MASK)),
        ({"name": "hard_labels"}, lambda: cross_entropy(Z_S[MASK], Z_T.argmax(-1)[MASK])),
        (
            {"name": "label_smoothing", "smoothing": 0.3},
            lambda: cross_entropy(Z_S[MASK], LABELS[MASK], label_smoothing=0.3),
        ),
    ],
)
def test_stored_objective_finds_its_class_its_controls_and_its_loss(stored, expected):
    holder = Holder.model_validate_json(Holder(objective=stored).model_dump_json())
    torch.testing.assert_close(holder.objective.loss(_given(holder.objective)), expected())


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_only_a_softened_objective_moves_with_the_temperature(name):
    objective = OBJECTIVES[name]()
    cool, warm = (objective.loss(_given(objective, t)).item() for t in (1.0, 5.0))
    assert (cool != pytest.approx(warm, rel=1e-4)) is isinstance(objective, Softened)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_objective_and_every_control_says_what_it_is(name):
    objective = OBJECTIVES[name]
    assert all((objective.title, objective.what, objective.formula, objective.paper))
    for control, field in objective.model_fields.items():
        if control != "name":
            assert field.description
            assert field.json_schema_extra["title"]


def test_new_objective_is_one_class():
    from kdlab.distill import objective_catalogue

    class Nothing(Objective):
        name: str = "nothing"

    assert Nothing in objective_catalogue._all(Objective)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "unheard_of"},
        {"name": "generalized_jsd", "beta": 1.5},
        {"name": "label_smoothing", "smoothing": float("nan")},
        {"name": "forward_kl", "beta": 0.5},
    ],
)
def test_unknown_objectives_controls_and_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        Holder(objective=wrong)


def _settings(cls: type[Objective]) -> Iterator[Objective]:
    """An objective at the ends, the defaults and a middle of every control, each with each."""
    values: dict[str, list[Any]] = {}
    for control, field in cls.model_fields.items():
        if field.annotation is bool:
            values[control] = [False, True]
        elif control != "name":
            low = next(bound.ge for bound in field.metadata if isinstance(bound, Ge))
            high = next(bound.le for bound in field.metadata if isinstance(bound, Le))
            values[control] = [low, high, field.default, field.annotation((low + high) / 2)]
    for chosen in product(*values.values()):
        yield cls(**dict(zip(values, chosen, strict=True)))


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_objective_says_that_it_is_constant_just_where_no_student_gets_a_gradient(name):
    found = list(_settings(OBJECTIVES[name]))
    for objective in found:
        student_logits = Z_S.clone().requires_grad_()
        given = _given(objective)
        loss = objective.loss(Given(student_logits, given.teacher, given.labels, 2.0))
        loss.backward()
        silent = bool((student_logits.grad == 0).all())
        assert (objective.constant_because is not None) is silent, objective


def test_an_arm_is_untaught_where_its_weight_or_its_objective_is_nothing():
    asks, nothing = ForwardKL(), OBJECTIVES["generalized_jsd"](beta=0.0)
    for kd_weight, objective, untaught in ((0.0, asks, True), (0.9, asks, False), (0.9, nothing, True)):
        arm = Arm(key="arm", label="Arm", hue="0", objective=objective, kd_weight=kd_weight)
        assert (arm.untaught_because is not None) is untaught
    copied = Arm(key="arm", label="Arm", hue="0", objective=asks, kd_weight=0.0, copy_layers=CopyLayers())
    assert copied.untaught_because is None
