"""What a run is taken away as: its points, and a student as weights or, where transformers has its kind, a whole folder."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import streamlit as st

from kdlab.distill.arms import Arm
from kdlab.distill.metrics import metrics_of
from kdlab.runs import artifacts
from kdlab.runs.curves import seed_table
from kdlab.runs.points import Row
from kdlab.runs.pretrained_folder import is_transformers_student, pretrained_zip
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run
from kdlab.ui.own import texts_hidden_because

_COLUMNS = ("step", "epoch", "seconds", "arm", "seed", "temperature", "kd_weight")


def points_csv(rows: Iterable[Row], spec: RunSpec) -> str:
    """Each student's numbers at each point, with a line that names them also where no point was measured."""
    table = seed_table(rows, spec)
    if table is None:
        return ",".join((*_COLUMNS, *metrics_of(spec.task))) + "\n"
    return table.to_csv(index=False, lineterminator="\n")


def student_download(run: Run, arm: Arm) -> None:
    """A button for the arm's student of the first seed; none where its weights are not kept here."""
    weights = artifacts.student_path(run.id, arm.key, 0)
    if not weights.is_file():
        return
    name = f"{arm.its_student[0].upper()}{arm.its_student[1:]}"
    # Its tokenizer tells which pieces the texts are made of.
    if run.result is not None and is_transformers_student(run.spec) and not texts_hidden_because(run.spec.dataset):
        st.download_button(
            f"{name} (transformers folder)",
            partial(pretrained_zip, run, arm.key, 0),
            f"kdlab-{run.id}-{weights.stem}.zip",
            "application/zip",
            key=f"student-{run.id}-{arm.key}",
            help=f"The {arm.its_student} of the first seed as a ZIP, for from_pretrained; a "
            "card says what it learned from and has the lines that classify with it.",
            on_click="ignore",
        )
        return
    st.download_button(
        f"{name} (safetensors)",
        weights.read_bytes,
        f"kdlab-{run.id}-{weights.name}",
        "application/octet-stream",
        key=f"student-{run.id}-{arm.key}",
        help=f"The {arm.its_student} of the first seed.",
        on_click="ignore",
    )
