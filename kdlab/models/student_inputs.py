"""What a student reads of a data set: the lab's own encoding, or that of the tokenizer which comes with the student."""

from __future__ import annotations

from kdlab.data.registry import Arrays, get_dataset
from kdlab.models.student_folder import is_folder_student, model_folder


def inputs_for(student: str, dataset: str) -> Arrays:
    """The data set's arrays with x as this student takes it. Raises ModelFolderError."""
    if not is_folder_student(student):
        return get_dataset(dataset).load()
    from kdlab.models.folder_student import (
        own_inputs,  # transformers takes seconds to import, and no other student needs it here
    )

    return own_inputs(student, dataset, identity_of(student))


def identity_of(student: str) -> str:
    """What tells a student's network from every other: its name, of a folder what it holds. Raises ModelFolderError."""
    return model_folder(student).sha256 if is_folder_student(student) else student
