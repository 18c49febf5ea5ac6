"""What a run is called: its data, and every setting that is not the default there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from kdlab.core.counted import counted
from kdlab.data.registry import get_dataset
from kdlab.distill.objective_catalogue import Objective
from kdlab.models.catalogue import get_teacher, student_title
from kdlab.runs.ladder import Ladder
from kdlab.runs.recipes import Recipe, ThreeArms, settings_of
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run
from kdlab.ui.look.numbers import minus
from kdlab.ui.widgets.field_slider import said_of

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
    """The data set, and each setting that is not its default in a few words; of an unknown recipe its arms too."""
    default, given = _default(_recipe(spec), spec.dataset), _settings(spec)
    told = [
        _SETTINGS[name](value)
        for name in _SETTINGS
        if name in given and (value := given[name]) != getattr(default, name)
    ]
    if spec.recipe.name not in _RECIPES:
        own = [f"{name.replace('_', ' ')} {value}" for name, value in spec.recipe.settings.items()]
        told = [", ".join(arm.label for arm in spec.arms), *own, *told]
    on = _CALLED.get(spec.recipe.name, "") + _SETTINGS["dataset"](spec.dataset)
    return " · ".join([on, *(told or ["default settings"])])


def _recipe(spec: RunSpec) -> type[Recipe]:
    return _RECIPES.get(spec.recipe.name, ThreeArms)


def _settings(spec: RunSpec) -> dict[str, Any]:
    """What the controls said, by name: the shared settings, and those of the recipe where this lab knows it."""
    given = settings_of(spec, _recipe(spec)) or spec
    return {name: getattr(given, name) for name in _SETTINGS if hasattr(given, name)}


def differing_settings(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """What is set otherwise in two runs: what it is called, and how each run has it."""
    ours, theirs = _settings(first.spec), _settings(second.spec)
    rows = [
        (said_of(info)["title"], _SETTINGS[name](ours[name]), _SETTINGS[name](theirs[name]))
        for name, info in _recipe(first.spec).model_fields.items()
        if name in ours and name in theirs and ours[name] != theirs[name]
    ]
    if first.spec.recipe.name != second.spec.recipe.name:
        arms = [", ".join(arm.label for arm in run.spec.arms) for run in (first, second)]
        rows.append(("Arms", arms[0], arms[1]))
    if first.steering != second.steering:
        rows.append(("Moved while it went on", _steered(first) or "nothing", _steered(second) or "nothing"))
    return rows


def state_words(run: Run) -> str:
    """The run's state with its icon."""
    words, icon = STATES[run.state]
    return f"{icon} {'Stopping' if run.active and run.command == 'cancel' else words}"


def why_no_end(run: Run) -> str:
    """What is said of a run without a result, after "this run": that it goes on, or how it ended before its end."""
    ends = {"cancelled": "was stopped", "failed": "failed", "lost": "was lost"}
    return f"{ends[run.state]} before its end" if run.state in ends else "has not ended yet"


def _steered(run: Run) -> str:
    if not run.steering:
        return ""
    launched = _settings(run.spec)
    now = {name: run.steering.get(name, launched.get(name, 0.0)) for name in ("temperature", "kd_weight")}
    return f"steered to T {_number(now['temperature'])}, w {_number(now['kd_weight'])}"


@cache
def _default(recipe: type[Recipe], dataset: str) -> Recipe:
    # A visitor's set may be smaller than the defaults ask for: nothing is trained with them here.
    return recipe.model_validate({"dataset": dataset}, context={"stored": True})


def _number(value: float) -> str:
    """As short as it can be without being another number."""
    short = f"{value:g}"
    return minus(short if float(short) == value else repr(value))


def _objective(objective: Objective) -> str:
    set_otherwise = []
    for name, info in type(objective).model_fields.items():
        value = getattr(objective, name)
        if name == "name" or value == info.default:
            continue
        title = said_of(info)["title"]
        title = title[0].lower() + title[1:]
        if isinstance(value, bool):
            set_otherwise.append(title if value else f"not {title}")
        else:
            set_otherwise.append(f"{title} {_number(value)}")
    return objective.title + (f" ({', '.join(set_otherwise)})" if set_otherwise else "")


_RECIPES: dict[str, type[Recipe]] = {recipe.recipe: recipe for recipe in (ThreeArms, Ladder)}
_CALLED = {Ladder.recipe: "Ladder on "}
_SETTINGS: dict[str, Callable[[Any], str]] = {
    "dataset": lambda name: get_dataset(name).title,
    "teacher": lambda name: f"taught by {get_teacher(name).title}",
    "student": student_title,
    "labels": lambda count: counted(count, "labels"),
    "transfer": lambda count: f"{count:,} unlabelled" if count else "nothing unlabelled",
    "objective": _objective,
    "k": lambda k: f"top {k}",
    "placebos": lambda on: "with placebos" if on else "without placebos",
    "papers": lambda on: "with the papers' recipes" if on else "without the papers' recipes",
    "coarse": lambda on: "with coarse logits" if on else "without coarse logits",
    "hidden_times": lambda value: f"hidden states × {_number(value)}",
    "attention_times": lambda value: f"attention × {_number(value)}",
    "attention_scores_times": lambda value: f"attention scores × {_number(value)}",
    "gradients_times": lambda value: f"gradients × {_number(value)}",
    "temperature": lambda value: f"T {_number(value)}",
    "kd_weight": lambda value: f"w {_number(value)}",
    "epochs": lambda count: counted(count, "epochs"),
    "seeds": lambda count: counted(count, "seeds"),
    "learning_rate": lambda value: f"learning rate {_number(value)}",
    "batch_size": lambda count: f"batches of {count}",
    "schedule": lambda name: f"{name} schedule",
    "warm_up": lambda share: f"warm-up {_number(share)}",
    "clip_norm": lambda norm: f"gradients clipped at {_number(norm)}" if norm else "gradients not clipped",
    "device": lambda name: f"on {name}" if name.startswith("cuda") else f"on {name.upper()}",
}
