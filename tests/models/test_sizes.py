"""How many parameters students have, told without building them."""

from __future__ import annotations

import pytest

from kdlab.data.registry import DATASETS
from kdlab.models.catalogue import students_for
from kdlab.models.networks import build_student
from kdlab.models.sizes import student_parameters


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_students_parameters_are_those_of_the_network(dataset: str) -> None:
    for shape in students_for(dataset):
        built = sum(parameter.numel() for parameter in build_student(shape.name, dataset).parameters())
        assert student_parameters(shape.name, dataset) == built, shape.name


def test_a_student_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        student_parameters("cnn-small", "languages")
