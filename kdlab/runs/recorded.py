"""The runs that a first visit shows: real ones, recorded whole. ``python -m kdlab.runs.recorded RUN_ID`` makes one."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from kdlab.models.kept_files import read_arrays, write_whole
from kdlab.runs import artifacts
from kdlab.runs.inside_kept import InsideKept, read_inside
from kdlab.runs.recipes import read_spec
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run, Store
from kdlab.runs.stored import read_result
from kdlab.runs.text_recipes import Race

OWNER = "recorded"
_FOLDER = Path(__file__).with_name("recorded_runs")
_FIELDS = ("id", "state", "created", "started", "ended", "step", "steps")


def recording_of(recipe: str, dataset: str) -> str:
    """The name of the recipe's run on this data where one is recorded, else of its run on other data."""
    own = f"{recipe}_{dataset}"
    return own if _path(own).exists() else recipe


def is_recorded(name: str) -> bool:
    """Whether a run of this name is recorded."""
    return _path(name).exists()


@cache
def recorded_run(name: str = "three_arms") -> tuple[Run, list[tuple[int, str, dict[str, Any]]], np.ndarray | None]:
    """The recorded run of this name (`recording_of`), its rows as `Store.points` gives them, and its answers (arms, seeds, N);
    language models have none."""
    kept = json.loads(gzip.decompress(_path(name).read_bytes()))
    run = Run(
        **{name: kept[name] for name in _FIELDS},
        spec=read_spec(kept["spec"]),
        owner=OWNER,
        heartbeat=None,
        message="",
        command="",
        steering={},
        result=read_result(kept["result"]),
    )
    return run, [(n, kind, payload) for n, kind, payload in kept["rows"]], _unpacked(kept)


@cache
def recorded_inside(name: str) -> InsideKept | None:
    """What the recorded run of this name kept of its students' inside; None where it kept nothing."""
    return read_inside(read_arrays(_inside_path(name)))


def record(run_id: str, store: Store) -> Path:
    """Writes a finished run of the store as its recipe's recorded one, on its data where that is not the recipe's own.

    Raises ValueError for a run that is not done.
    """
    run, answers = store.get(run_id), artifacts.load_answers(run_id)
    if run is None or run.state != "done" or (answers is None and isinstance(run.spec, RunSpec)):
        raise ValueError(f"{run_id} is not a finished run of this lab")
    kept = {name: getattr(run, name) for name in (*_FIELDS, "result")} | {
        "spec": run.spec.model_dump(),
        "rows": store.points(run_id),
    }
    if answers is not None:
        kept["answers"] = base64.b64encode(zlib.compress(answers.tobytes(), 9)).decode()
        kept["answers_shape"] = answers.shape
    name = name_of(run)
    path = _path(name)
    path.write_bytes(gzip.compress(json.dumps(kept).encode(), mtime=0))
    _inside_path(name).unlink(missing_ok=True)  # another run's
    if artifacts.load_inside(run_id) is not None:
        shutil.copyfile(artifacts.inside_path(run_id), _inside_path(name))
    if run.spec.recipe.name == Race.recipe:
        _keep_students(run, name)
    return path


def _keep_students(run: Run, name: str) -> None:
    """The race's students stand beside their teacher on the page Language: one an arm, as float16, half as large."""
    for arm in run.spec.arms:
        weights = {key: array.astype(np.float16) for key, array in load_file(artifacts.student_path(run.id, arm.key, 0)).items()}
        write_whole(student_path(name, arm.key), save(weights))


def _unpacked(kept: dict[str, Any]) -> np.ndarray | None:
    if "answers" not in kept:
        return None
    packed = zlib.decompress(base64.b64decode(kept["answers"]))
    return np.frombuffer(packed, dtype=np.uint8).reshape(kept["answers_shape"])


def name_of(run: Run) -> str:
    """What a run is called as a recording: by its recipe, and by its data where these are not the recipe's own."""
    own = run.spec.dataset == type(run.spec).model_fields["dataset"].default
    return run.spec.recipe.name if own else f"{run.spec.recipe.name}_{run.spec.dataset}"


def student_path(name: str, arm: str) -> Path:
    """Where a recorded run of language models keeps the student of an arm, by the arm's key, as float16 (safetensors)."""
    return _FOLDER / f"{name}.{arm}.safetensors"


def _path(name: str) -> Path:
    return _FOLDER / f"{name}.json.gz"


def _inside_path(name: str) -> Path:
    return _FOLDER / f"{name}.inside.npz"


if __name__ == "__main__":
    print(record(sys.argv[1], Store()))
