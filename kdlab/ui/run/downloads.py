"""What a run is taken away as: its points, and a student as weights or, where transformers has its kind, a whole folder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import streamlit as st

from kdlab.distill.arms import Arm
from kdlab.distill.metrics import metrics_of
from kdlab.runs.curves import seed_table
from kdlab.runs.points import Row
from kdlab.runs.pretrained_folder import (
    is_transformers_student,
    pretrained_zip,
    student_weights,
    why_no_folder,
)
from kdlab.runs.recorded import student_file
from kdlab.runs.spec import Spec
from kdlab.runs.store import Run
from kdlab.runs.text_spec import TextSpec
from kdlab.ui.own import text_hidden_because, texts_hidden_because
from kdlab.ui.url_state import as_it_is

_COLUMNS = ("step", "epoch", "seconds", "arm", "seed", "temperature", "kd_weight")


def points_csv(rows: Iterable[Row], spec: Spec) -> str:
    """Each student's numbers at each point, with a line that names them also where no point was measured."""
    table = seed_table(rows, spec)
    if table is None:
        return ",".join((*_COLUMNS, *metrics_of(spec.task))) + "\n"
    return table.to_csv(index=False, lineterminator="\n")


def take_a_student(run: Run) -> None:
    """A popover with the run's students; nothing where none can be taken from here."""
    if any(_can_be_taken(run, arm) for arm in run.spec.arms):
        with st.popover("Take a student", icon=":material/download:"):
            student_downloads(run, run.spec.arms)


def student_downloads(run: Run, arms: Iterable[Arm]) -> None:
    """A button for each of the arms' students, and why they leave as weights alone where they could be folders."""
    taken = [arm for arm in arms if _can_be_taken(run, arm)]
    for arm in taken:
        student_download(run, arm)
    if taken and _is_folder(run) and (why_not := why_no_folder(run.spec)):
        st.caption(as_it_is(f"Not as folders of transformers. {why_not}"))


def student_download(run: Run, arm: Arm) -> None:
    """A button for the arm's student of the first seed: as a folder where it can be one, else its weights. None where these are not kept
    here, nor for a language model that has read a text which this visitor is not shown: it writes what it has read."""
    if not _can_be_taken(run, arm):
        return
    name = f"{arm.its_student[0].upper()}{arm.its_student[1:]}"
    file, key = f"kdlab-{run.id}-{arm.key}-seed0", f"student-{run.id}-{arm.key}"
    if _is_folder(run) and why_no_folder(run.spec) is None:
        st.download_button(
            f"{name} (transformers folder)",
            partial(pretrained_zip, run, arm.key, 0),
            f"{file}.zip",
            "application/zip",
            key=key,
            help=f"The {arm.its_student} of the first seed as a ZIP, for from_pretrained; a "
            "card says what it learned from and has the lines that use it.",
            on_click="ignore",
        )
        return
    st.download_button(
        f"{name} (safetensors)",
        partial(student_weights, run, arm.key, 0),
        f"{file}.safetensors",
        "application/octet-stream",
        key=key,
        help=f"The {arm.its_student} of the first seed.",
        on_click="ignore",
    )


def _can_be_taken(run: Run, arm: Arm) -> bool:
    hidden = isinstance(run.spec, TextSpec) and text_hidden_because(run.spec.dataset) is not None
    return not hidden and student_file(run, arm.key, 0) is not None


def _is_folder(run: Run) -> bool:
    """Whether this visitor may take its students as folders, if they can be made: a tokenizer tells which pieces the texts are made of."""
    if run.result is None or not is_transformers_student(run.spec):
        return False
    return isinstance(run.spec, TextSpec) or texts_hidden_because(run.spec.dataset) is None
