"""What a run is called: its data, and every setting that is not the default there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from kdlab.core.counted import counted
from kdlab.distill.objective_catalogue import Objective
from kdlab.models.causal_shapes import WINDOW
from kdlab.runs.known_recipes import RECIPES
from kdlab.runs.ladder import Ladder
from kdlab.runs.parts import PARTS, data_title
from kdlab.runs.recipes import Recipe, ThreeArms, settings_of
from kdlab.runs.spec import Spec
from kdlab.runs.store import Run
from kdlab.runs.text_recipes import Economy, Prefixes, Race
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


def spec_title(spec: Spec) -> str:
    """The data set, and each setting that is not its default in a few words; of an unknown recipe its arms too."""
    default, given = _default(_recipe(spec), spec.dataset), _settings(spec)
    told = [
        _said(spec, name, value)
        for name in _SETTINGS
        if name in given and (value := given[name]) != getattr(default, name, None)
    ]
    if spec.recipe.name not in RECIPES:
        own = [f"{name.replace('_', ' ')} {value}" for name, value in spec.recipe.settings.items()]
        told = [", ".join(arm.label for arm in spec.arms), *own, *told]
    on = _CALLED.get(spec.recipe.name, "") + data_title(spec)
    return " · ".join([on, *(told or ["default settings"])])


def _recipe(spec: Spec) -> type[Recipe]:
    return RECIPES.get(spec.recipe.name, ThreeArms)


def _said(spec: Spec, name: str, value: Any) -> str:
    """A setting in a few words, as the run's task has it."""
    return _OF_TASK.get(spec.task, {}).get(name, _SETTINGS[name])(value)


def _settings(spec: Spec) -> dict[str, Any]:
    """What the controls said, by name: the shared settings, and those of the recipe where this lab knows it."""
    given = settings_of(spec, _recipe(spec), told=True) or spec
    return {name: getattr(given, name) for name in _SETTINGS if hasattr(given, name)}


def differing_settings(first: Run, second: Run) -> list[tuple[str, str, str]]:
    """What is set otherwise in two runs: what it is called, and how each run has it."""
    ours, theirs = _settings(first.spec), _settings(second.spec)
    rows = [
        (said_of(info)["title"], _said(first.spec, name, ours[name]), _said(second.spec, name, theirs[name]))
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


def _prompt(text: str) -> str:
    """A prompt's beginning, without a sign that Markdown takes for its own; what that leaves out is told apart by a hash."""
    plain = re.sub(r"[^\w ,.;'!?-]|_", "", text)[:32].strip()
    told = "" if plain == text else f" ({hashlib.sha256(text.encode()).hexdigest()[:6]})"
    return f"“{plain}”{told}"


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


_CALLED = {
    Ladder.recipe: "Ladder on ",
    Race.recipe: "Race on ",
    Economy.recipe: "What must be stored, on ",
    Prefixes.recipe: "Whose prefix, on ",
}
_SETTINGS: dict[str, Callable[[Any], str]] = {
    "dataset": PARTS["classification"].data,
    "teacher": lambda name: f"taught by {PARTS['classification'].teacher(name)}",
    "student": PARTS["classification"].student,
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
    "tokens": lambda count: counted(count, "tokens"),
    "prompt": lambda text: f"from {_prompt(text)}",
    "own_share": lambda share: f"{share:.0%} own text",
    "warm": lambda share: f"warm for {share:.0%}",
    "seeds": lambda count: counted(count, "seeds"),
    "learning_rate": lambda value: f"learning rate {_number(value)}",
    "batch_size": lambda count: f"batches of {count}",
    "schedule": lambda name: f"{name} schedule",
    "warm_up": lambda share: f"warm-up {_number(share)}",
    "clip_norm": lambda norm: f"gradients clipped at {_number(norm)}" if norm else "gradients not clipped",
    "device": lambda name: f"on {name}" if name.startswith("cuda") else f"on {name.upper()}",
}
_OF_TASK: dict[str, dict[str, Callable[[Any], str]]] = {
    "next_token": {
        "dataset": PARTS["next_token"].data,
        "teacher": lambda name: f"taught by {PARTS['next_token'].teacher(name)}",
        "student": PARTS["next_token"].student,
        "batch_size": lambda count: f"batches of {counted(count, 'windows')} of {WINDOW} tokens",
    }
}
"""What a task's runs say otherwise."""
