"""A model of one's own as a student: a folder of transformers below the one that the lab's owner names. It starts from its own
weights and reads with its own tokenizer; needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from kdlab.data.home import HomeError
from kdlab.models.classifier_sources import folders_on_offer, local_folder
from kdlab.models.model_folder import ModelFolder, ModelFolderError, read_model_folder

T = TypeVar("T")

PREFIX = "folder:"
_KEPT = 64  # folders whose look is remembered


@dataclass(frozen=True)
class FolderStudent:
    """What a page says of one."""

    name: str
    title: str
    what: str


def is_folder_student(name: str) -> bool:
    """Whether this is how a student from a folder is called."""
    return name.startswith(PREFIX)


def folder_students() -> tuple[list[FolderStudent], dict[str, str]]:
    """The folders that can be students; and the others, each with why not and what to do. None where there is no home folder."""
    return folders_that(lambda name: _told(name.removeprefix(PREFIX), model_folder(name)))


def folders_that(can: Callable[[str], T]) -> tuple[list[T], dict[str, str]]:
    """What ``can`` tells of each folder by its name here, "folder:…"; and the folders of which it raises ModelFolderError, each
    with why. None where there is no home folder."""
    found, refused = [], {}
    try:
        for folder in folders_on_offer():
            try:
                found.append(can(PREFIX + folder))
            except ModelFolderError as error:
                refused[folder] = str(error)
            except OSError as error:
                refused[folder] = f"It cannot be read ({error.strerror}). Copy the model again."
    except (HomeError, OSError):
        return [], {}
    return found, refused


def folder_title(name: str) -> str:
    """What such a student is called, whether or not its folder is still here."""
    return f"{name.removeprefix(PREFIX)} (folder)"


def find_folder_student(name: str) -> FolderStudent | None:
    """The student of this name; None where its folder is not here any more, or cannot be one."""
    try:
        return _told(name.removeprefix(PREFIX), model_folder(name)) if is_folder_student(name) else None
    except (ModelFolderError, HomeError, OSError):
        return None


def model_folder(name: str) -> ModelFolder:
    """What the folder of this name, "folder:…", holds. Raises ModelFolderError."""
    folder = local_folder(name.removeprefix(PREFIX))
    if folder is None:
        raise ModelFolderError("Its folder is not among the lab's models any more. Put it back, or take another model.")
    looked_at = _look(folder, tuple(sorted((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir())))
    if isinstance(looked_at, str):
        raise ModelFolderError(looked_at)
    return looked_at


@lru_cache(_KEPT)
def _look(folder: Path, _: tuple[tuple[str, int, int], ...]) -> ModelFolder | str:
    """What the folder holds, or why it cannot be used; looked at again when a file of it has changed."""
    try:
        return read_model_folder(folder)
    except ModelFolderError as error:
        return str(error)


def _told(folder: str, found: ModelFolder) -> FolderStudent:
    what = found.architecture or "A model of transformers"
    return FolderStudent(
        PREFIX + folder,
        folder_title(PREFIX + folder),
        f"{what} with {found.parameters:,} parameters, from the lab's folder of models: it starts from its own weights and reads "
        "with its own tokenizer.",
    )
