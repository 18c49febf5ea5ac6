"""What a run is called: its data, and every setting that is not the default there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from kdlab.data.registry import DATASETS
from kdlab.distill.objective_catalogue import Objective
from kdlab.models.catalogue import STUDENTS, TEACHERS
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run

STATES = {
    "queued": ("Queued", ":material/schedule:"),
    "running": ("Running", ":material/play_circle:"),
    "paused": ("Paused", ":material/pause_circle:"),
    "done": ("Done", ":material/check_circle:"),
    "failed": ("Failed", ":material/error:"),
    "cancelled": ("Stopped", ":material/stop_circle:"),
    "lost": ("Lost", ":material/help:"),
}


def run_title(run: Run) -> str:
    """The run in a line; runs whose specs differ never have the same title."""
    return " · ".join([spec_title(run.spec), *filter(None, [_steered(run)])])


def spec_title(spec: RunSpec) -> str:
    """The data set, and each setting that is not its default in a few words."""
    default = _default(spec.dataset)
    told = [setting(spec, name) for name in _SETTINGS if getattr(spec, name) != getattr(default, name)]
    return " · ".join([setting(spec, "dataset"), *(told or ["default settings"])])


def setting(spec: RunSpec, name: str) -> str:
    """One setting of the spec as it stands in a title: "50 labels", "T 8", "batches of 32"."""
    return _SETTINGS[name](getattr(spec, name))


def differing_settings(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """What is set otherwise in two runs: what it is called, and how each run has it."""
    rows = [
        (dict(info.json_schema_extra or {})["title"], setting(first.spec, name), setting(second.spec, name))  # type: ignore[arg-type]
        for name, info in RunSpec.model_fields.items()
        if getattr(first.spec, name) != getattr(second.spec, name)
    ]
    if first.steering != second.steering:
        rows.append(("Moved while it went on", _steered(first) or "nothing", _steered(second) or "nothing"))
    return rows


def state_words(run: Run) -> str:
    """The run's state with its icon."""
    words, icon = STATES[run.state]
    return f"{icon} {'Stopping' if run.active and run.command == 'cancel' else words}"


def _steered(run: Run) -> str:
    if not run.steering:
        return ""
    now = {name: run.steering.get(name, getattr(run.spec, name)) for name in ("temperature", "kd_weight")}
    return f"steered to T {_number(now['temperature'])}, w {_number(now['kd_weight'])}"


@cache
def _default(dataset: str) -> RunSpec:
    return RunSpec(dataset=dataset)


def _number(value: float) -> str:
    """As short as it can be without being another number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _objective(objective: Objective) -> str:
    set_otherwise = []
    for name, info in type(objective).model_fields.items():
        value = getattr(objective, name)
        if name == "name" or value == info.default:
            continue
        title = dict(info.json_schema_extra or {})["title"]  # type: ignore[arg-type]
        title = title[0].lower() + title[1:]
        if isinstance(value, bool):
            set_otherwise.append(title if value else f"not {title}")
        else:
            set_otherwise.append(f"{title} {_number(value)}")
    return objective.title + (f" ({', '.join(set_otherwise)})" if set_otherwise else "")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


_SETTINGS: dict[str, Callable[[Any], str]] = {
    "dataset": lambda name: DATASETS[name].title,
    "teacher": lambda name: f"taught by {TEACHERS[name].title}",
    "student": lambda name: STUDENTS[name].title,
    "labels": lambda count: f"{count:,} labels",
    "transfer": lambda count: f"{count:,} unlabelled" if count else "nothing unlabelled",
    "objective": _objective,
    "temperature": lambda value: f"T {_number(value)}",
    "kd_weight": lambda value: f"w {_number(value)}",
    "epochs": lambda count: _counted(count, "epoch", "epochs"),
    "seeds": lambda count: _counted(count, "seed", "seeds"),
    "learning_rate": lambda value: f"learning rate {_number(value)}",
    "batch_size": lambda count: f"batches of {count}",
    "device": lambda name: f"on {name}" if name.startswith("cuda") else f"on {name.upper()}",
}
