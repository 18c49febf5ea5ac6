"""Which teachers and students there are, and what the bundled teachers answer on their data; needs no torch."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np

from kdlab.data import word_pieces
from kdlab.data.registry import Kind, get_dataset
from kdlab.models.added_teachers import Shows, added_for, find_added, folder_of, is_added
from kdlab.models.student_folder import FolderStudent, find_folder_student, folder_students, folder_title

WEIGHTS = Path(__file__).parent / "weights"
_IN_MEMORY = 64  # teachers: visitors add them without end


@dataclass(frozen=True)
class StudentShape:
    """A shape of student, and the kind of data that it reads: "text" is any that has its texts.

    ``stacks``: whether many can train as one (`torch.func`), which dropout, running statistics and a path that
    depends on the input forbid. ``in_parts``: whether it takes a batch in parts by their length
    (`kdlab.models.bert`).
    """

    name: str
    title: str
    what: str
    kind: Kind | Literal["text"]
    stacks: bool = True
    in_parts: bool = False

    def reads(self, kind: Kind) -> bool:
        """Whether data of this kind can be shown to it."""
        return self.kind == kind or (self.kind == "text" and kind != "image")


@dataclass(frozen=True)
class TeacherEntry:
    """A teacher and the data set that it knows."""

    name: str
    title: str
    dataset: str
    what: str


@dataclass(frozen=True)
class TeacherLogits:
    """A teacher's logits on each split of its data set, in the order of `Dataset.load()`: (N, K) float32."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


STUDENTS: dict[str, StudentShape] = {
    shape.name: shape
    for shape in (
        StudentShape("linear", "Linear", "One weight for each pixel and class; no hidden layer.", "image"),
        StudentShape("mlp-16", "MLP, 16 units", "One hidden layer of 16 units.", "image"),
        StudentShape("mlp-64", "MLP, 64 units", "One hidden layer of 64 units.", "image"),
        StudentShape(
            "cnn-small", "Small CNN", "Two convolutions of 8 and 16 channels, then a linear layer.", "image"
        ),
        StudentShape(
            "ngram-linear",
            "Linear on n-grams",
            "Counts runs of 1 to 3 characters in 4,096 buckets; one weight for each bucket and class.",
            "character",
        ),
        StudentShape(
            "char-cnn-small",
            "Small character CNN",
            "Characters as 16 numbers each, one convolution of 32 channels over 5 characters, "
            "each channel's largest answer, then a linear layer.",
            "character",
        ),
        StudentShape(
            "embedding-bag",
            "Bag of embeddings",
            "Word pieces as 64 numbers each, their mean, then a linear layer; the order of words is lost.",
            "token",
        ),
        StudentShape("bert-1x64", "BERT, 1 × 64", "A transformer of one layer, 64 wide, with 2 heads.", "token", in_parts=True),
        StudentShape("bert-2x64", "BERT, 2 × 64", "A transformer of two layers, 64 wide, with 2 heads.", "token", in_parts=True),
        StudentShape("bert-2x128", "BERT, 2 × 128", "A transformer of two layers, 128 wide, with 4 heads.", "token", in_parts=True),
        StudentShape(
            "bert-2x384",
            "BERT, 2 × 384",
            "A transformer of two layers, 384 wide, with 12 heads: the teacher's width.",
            "token",
            in_parts=True,
        ),
    )
}

TEACHERS: dict[str, TeacherEntry] = {
    teacher.name: teacher
    for teacher in (
        TeacherEntry(
            "digits",
            "Digits MLP",
            "digits",
            "Two hidden layers of 256 units, trained on the students' own 800 digits, each shifted, turned and scaled a little "
            "at every sight.",
        ),
        TeacherEntry(
            "fashion",
            "Fashion CNN",
            "fashion",
            "Four convolutions up to 128 channels, trained on 54,000 pictures that no student sees, each flipped, "
            "shifted or partly covered at random.",
        ),
        TeacherEntry(
            "languages",
            "Languages n-gram network",
            "languages",
            "Looks up runs of 1 to 4 characters in a learned table, adds them up and puts a hidden layer on top; trained "
            "on every snippet of paragraphs that no student reads.",
        ),
        TeacherEntry(
            "glosses",
            "MiniLM-L6",
            "glosses",
            "A transformer of six layers, 384 wide, pretrained by others on more than a billion pairs of sentences "
            "(all-MiniLM-L6-v2) and fine-tuned here on 6,000 glosses that no student reads.",
        ),
    )
}


def students_for(dataset_name: str) -> list[StudentShape]:
    """The lab's student shapes that fit a data set, smallest first. Raises ValueError for an unknown data set."""
    kind = get_dataset(dataset_name).kind
    return [shape for shape in STUDENTS.values() if shape.reads(kind)]


def find_student(name: str) -> StudentShape | None:
    """The student of that name, a shape of the lab's or a model folder; None where there is none."""
    return STUDENTS.get(name) or _shape(find_folder_student(name))


def student_title(name: str) -> str:
    """What a student is called, also where its folder is not here any more."""
    return STUDENTS[name].title if name in STUDENTS else folder_title(name)


def own_students() -> list[StudentShape]:
    """Those from the lab's folder of models, which read any text."""
    return [shape for found in folder_students()[0] if (shape := _shape(found))]


def _shape(found: FolderStudent | None) -> StudentShape | None:
    return found and StudentShape(**vars(found), kind="text", stacks=False)


def teachers_for(dataset_name: str) -> list[TeacherEntry]:
    """The teachers that know a data set, the bundled ones first. Raises ValueError for an unknown data set."""
    get_dataset(dataset_name)
    bundled = [teacher for teacher in TEACHERS.values() if teacher.dataset == dataset_name]
    return bundled + [TeacherEntry(**vars(teacher)) for teacher in added_for(dataset_name)]


def find_teacher(name: str) -> TeacherEntry | None:
    """The teacher of that name, bundled or added by a visitor; None where there is none."""
    added = find_added(name)
    return TEACHERS.get(name) or (added and TeacherEntry(**vars(added)))


def get_teacher(name: str) -> TeacherEntry:
    """The teacher of that name. Raises ValueError with the known names."""
    found = find_teacher(name)
    if found is None:
        raise ValueError(f"There is no teacher called {name!r}. Known: {', '.join(TEACHERS)}.")
    return found


def get_student(name: str, dataset_name: str) -> StudentShape:
    """The student shape of that name. Raises ValueError where it is unknown or does not fit the data set."""
    found = find_student(name)
    if found is None or not found.reads(get_dataset(dataset_name).kind):
        reason = f"does not fit {dataset_name}" if found else "is unknown"
        fitting = ", ".join(shape.name for shape in students_for(dataset_name))
        raise ValueError(f"The student {name!r} {reason}. Students for {dataset_name}: {fitting}.")
    return found


def weights_path(name: str) -> Path:
    """Where a bundled teacher's weights lie; its card and its logits lie beside them, and so do an added teacher's."""
    return (folder_of(name) if is_added(name) else WEIGHTS) / f"{get_teacher(name).name}.safetensors"


def weights_sha256(name: str) -> str:
    """SHA-256 (hex) of a teacher's weights, of a bundled one's file as it is. Raises ValueError if it is missing."""
    if is_added(name):
        return str(teacher_card(name)["weights_sha256"])
    return hashlib.sha256(_bytes(weights_path(name))).hexdigest()


def teacher_identity(name: str) -> str:
    """What tells a teacher from every other: its name, a hash of its weights, and of the model that it is fine-tuned on.

    Errors as `weights_sha256`; ModelMissing where that model is not installed.
    """
    own = f"{name} {weights_sha256(name)}"
    return f"{own} on {_base_sha256(word_pieces.model_folder())}" if name == "glosses" else own


@lru_cache(1)
def _base_sha256(folder: Path) -> str:
    with (folder / "model.safetensors").open("rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()


@lru_cache(_IN_MEMORY)
def _card(name: str) -> str:
    return _bytes(weights_path(name).with_suffix(".json")).decode()


def teacher_card(name: str) -> dict[str, Any]:
    """The teacher's card: what it saw, how it was trained and chosen, how often it is right on what it saw and on what
    it did not, its calibration, the entropy of its soft targets.

    Raises ValueError for an unknown teacher or one whose card is missing.
    """
    return json.loads(_card(name))


def shown_by(teacher: str) -> Shows:
    """What of its answers a teacher shows; its logits, where those are of any use, with the rest. Errors as `teacher_card`."""
    return teacher_card(teacher).get("shows", "everything") if is_added(teacher) else "everything"


@lru_cache(_IN_MEMORY)
def teacher_logits(name: str) -> TeacherLogits:
    """The teacher's logits on the whole of its data set, as computed after its training.

    Raises ValueError where the file is missing, damaged, or was computed on other data or by other weights.
    """
    path = weights_path(name).with_suffix(".logits.npz")
    again = f"Run: python -m kdlab.models.train_teachers {name} --logits-only"
    if is_added(name):
        again = "Add it again on the page Teachers."
    if not path.exists():
        raise ValueError(f"The answers of the teacher {name!r} are missing. {again}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            answers = TeacherLogits(stored["train"], stored["validation"], stored["test"])
            dataset_fingerprint, weights = str(stored["dataset_fingerprint"]), str(stored["weights_sha256"])
    except (BadZipFile, EOFError, KeyError, ValueError, zlib.error) as error:
        raise ValueError(f"The stored answers of the teacher {name!r} are damaged. {again}") from error
    if dataset_fingerprint != get_dataset(get_teacher(name).dataset).fingerprint():
        raise ValueError(f"The stored answers of the teacher {name!r} were computed on other data. {again}")
    if weights != weights_sha256(name):
        raise ValueError(f"The stored answers of the teacher {name!r} come from other weights. {again}")
    for logits in (answers.train, answers.validation, answers.test):
        logits.setflags(write=False)
    return answers


def _bytes(path: Path) -> bytes:
    if not path.exists():
        raise ValueError(
            f"The teacher's file {path.name} is missing. Fetch the project again, or train the teacher."
        )
    return path.read_bytes()
