"""The command line: ``python -m kdlab run …``, ``runs``, ``stop RUN`` and ``doctor``."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from kdlab.data.home import HomeError, home
from kdlab.data.registry import DATASETS
from kdlab.distill.objective_catalogue import OBJECTIVES
from kdlab.models.catalogue import TEACHERS, students_for
from kdlab.runs.housekeeping import Holding, holdings, take_away
from kdlab.runs.recipes import ThreeArms, three_arms
from kdlab.runs.spec import RunSpec, explain
from kdlab.runs.store import Store, StoreError

OWNER = "command line"
_ENDED_SHOWN = 20
_STOPPED_WITHIN = 10.0  # seconds; a worker that does not obey is ended by force before
_PACKAGES = (
    "streamlit",
    "torch",
    "transformers",
    "plotly",
    "pandas",
    "pydantic",
    "SQLAlchemy",
    "safetensors",
)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 the run or the machine has a fault, 2 the call has one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows knows neither "β" nor "−"
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(options))
    except (HomeError, StoreError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kdlab", description="KD Lab without a page.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train one cohort and print its result")
    for name, field in ThreeArms.model_fields.items():
        default = _by_dataset(name) or getattr(field.default, "name", field.default)
        run.add_argument(
            f"--{name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            metavar=name.upper(),
            help=f"{field.description} {_values(name, field)} (default: {default})".replace("%", "%%"),
        )
    run.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    run.set_defaults(action=_run)
    runs = commands.add_parser("runs", help="list the runs of every visitor, those that wait or train first")
    runs.add_argument("--all", action="store_true", help=f"every run, not only the {_ENDED_SHOWN} that ended last")
    runs.set_defaults(action=_runs)
    stop = commands.add_parser("stop", help="stop a run, whoever owns it")
    stop.add_argument("run", metavar="RUN", help="the run's id, or as much of its beginning as no other's has")
    stop.set_defaults(action=_stop)
    doctor = commands.add_parser("doctor", help="say what this machine has and what is missing")
    doctor.add_argument(
        "--clean", action="store_true", help="take away what the home folder need not keep, and nothing else"
    )
    doctor.set_defaults(action=_doctor)
    return parser


def _by_dataset(name: str) -> str:
    """The default in words where it goes by the dataset, else nothing."""
    if name not in ("teacher", "student"):
        return ""
    fitting = {data: getattr(ThreeArms(dataset=data), name) for data in DATASETS}
    return ", ".join(f"{fits} with {data}" for data, fits in fitting.items())


def _values(name: str, field: FieldInfo) -> str:
    """What the setting may be, in a sentence: names or a range."""
    match name:
        case "dataset":
            return _one_of(DATASETS)
        case "teacher":
            return _one_of(TEACHERS)
        case "student":
            kinds = {data.kind: name for name, data in DATASETS.items()}
            return " ".join(f"For {kind}s: {_one_of(s.name for s in students_for(of))}" for kind, of in kinds.items())
        case "objective":
            named = ", ".join(OBJECTIVES)
            return f'One of {named}, or with its settings as JSON: {{"name": "dkd", "target_weight": 2}}.'
        case "device":
            return _one_of(("auto", "cpu", "mps", "cuda", "cuda:1 (another card's number)"))
        case "schedule":
            return _one_of(get_args(field.annotation))
    low = next(bound.ge for bound in field.metadata if isinstance(bound, Ge))
    high = next(bound.le for bound in field.metadata if isinstance(bound, Le))
    return f"From {low} to {high}."


def _one_of(names: Iterable[str]) -> str:
    return f"One of {', '.join(names)}."


def _run(options: argparse.Namespace) -> int:
    try:
        given = vars(options)
        settings = {name: given[name] for name in ThreeArms.model_fields if name in given}
        spec = ThreeArms.model_validate(settings).spec()
    except ValidationError as error:
        print(*explain(error), sep="\n", file=sys.stderr)
        return 2
    from kdlab.runs.execute import execute  # torch, which takes seconds, only for a spec that holds

    store = Store()
    claim = store.begin(spec, OWNER)
    run_id = claim.run_id
    try:
        execute(claim, store)
    except KeyboardInterrupt:
        store.finish(run_id, "cancelled")
    run = store.get(run_id)
    if run is None or run.result is None:
        print((run and run.message) or "The run was stopped.", file=sys.stderr)
        return 1
    print(
        json.dumps(_report(run_id, spec, run.result))
        if options.json
        else _sentences(run_id, spec, run.result)
    )
    return 0


def _report(run_id: str, spec: RunSpec, result: dict[str, Any]) -> dict[str, Any]:
    """All arms train in lock-step, so they share their seconds."""
    arms = [
        {key: arm[key] for key in ("key", "label", "temperature", "kd_weight", "accuracy", "agreement", "kl")}
        | {"seconds": result["seconds"]}
        for arm in result["arms"]
    ]
    rest = ("teacher_accuracy", "device", "peak_memory_mib", "seconds", "profiles")
    return {"run": run_id, "spec": spec.model_dump(), "arms": arms} | {key: result[key] for key in rest}


def _sentences(run_id: str, spec: RunSpec, result: dict[str, Any]) -> str:
    from kdlab.runs.comparison import compare, in_words, void_because

    found = compare(spec, result)
    lines = [f"Run {run_id}, {result['seconds']:.1f} s on {result['device']['name']}"]
    lines += [f"  {'Teacher':<18} accuracy {found.teacher_score:.3f}"]
    lines += [
        f"  {arm.label:<18} accuracy {found.score[arm.key].mean:.3f}" for arm in spec.arms
    ]
    for one in found.found:
        nothing = void_because(spec, one.contrast)
        lines.append(nothing or f"{one.contrast.words}: {in_words(one.difference, one.contrast.metric)}")
    lines = list(dict.fromkeys(lines))  # a reason that holds for several contrasts is said once
    return "\n".join(lines)


def _runs(options: argparse.Namespace) -> int:
    store = Store()
    ended = store.lines(active=False, limit=None if options.all else _ENDED_SHOWN)
    found = store.lines(active=True) + ended
    if not found:
        print("No run yet.")
        return 0
    print(f"{'run':<13}{'state':<11}{'owner':<8}{'age':<9}{'data':<21}step")
    for line in found:
        title = DATASETS[line.dataset].title if line.dataset in DATASETS else "?"
        print(
            f"{line.id:<13}{line.state:<11}{line.owner[:6]:<8}{_age(line.created):<9}{title:<21}"
            f"{line.step:,} of {line.steps:,}"
        )
    if (left := store.count() - len(found)) > 0:
        print(f"and {left:,} that ended before: python -m kdlab runs --all")
    return 0


def _age(created: float) -> str:
    seconds = max(0.0, time.time() - created)
    for length, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {name}"
    return f"{int(seconds)} s"


def _stop(options: argparse.Namespace) -> int:
    store, asked = Store(), options.run
    found = store.lines(asked) if asked.isalnum() else []
    if len(found) != 1:
        said = f"begins the ids of {len(found)} runs: give more of it" if found else "begins no run's id"
        print(f"{asked[:40]!r} {said}. `python -m kdlab runs --all` lists them.", file=sys.stderr)
        return 2
    run = found[0]
    if not run.active:
        print(f"Run {run.id} has ended already ({run.state}).")
        return 0
    store.command(run.id, run.owner, "cancel")
    give_up = time.monotonic() + _STOPPED_WITHIN
    while (now := next(iter(store.lines(run.id)), run)).active and time.monotonic() < give_up:
        time.sleep(0.1)
    if now.active:
        print(
            f"Run {run.id} was told to stop and is still {now.state}. Its worker stops where it next looks; where no "
            "lab is up and no worker lives, the next lab that starts ends it."
        )
        return 1
    print(f"Run {run.id} was {run.state}; it is {now.state} now, at step {now.step:,} of {now.steps:,}.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    if options.clean:
        return _clean()
    missing = []
    for package in _PACKAGES:
        try:
            print(f"{package:<14} {version(package)}")
        except PackageNotFoundError:
            print(f"{package:<14} missing")
            missing.append(package)
    print(f"{'python':<14} {sys.version.split()[0]}")
    if missing:
        print(f"\nMissing: {', '.join(missing)}. Install them with: pip install -r requirements.txt")
        return 1
    print(f"{'home folder':<14} {home()}")
    store = Store()
    print(f"{'runs kept':<14} {store.count()}")
    _say_what_is_held(holdings(store))
    try:
        from kdlab.distill.device import describe_device, resolve_device
    except (ImportError, OSError) as error:
        print(f"\nPyTorch cannot be loaded ({error}). Install it anew: pip install -r requirements.txt")
        return 1
    print(f"{'device':<14} {', '.join(str(v) for v in describe_device(resolve_device()).values() if v)}")
    faults = [fault for name in DATASETS if (fault := _tiny_run(name, store))]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


def _say_what_is_held(found: list[Holding]) -> None:
    for holding in found:
        may_go = " (may go: python -m kdlab doctor --clean)" if holding.may_go and holding.paths else ""
        print(f"{'':<14} {holding.megabytes:8.1f} MB  {holding.words}{may_go}")


def _clean() -> int:
    store = Store()
    print(f"{'home folder':<14} {home()}")
    found = holdings(store)
    _say_what_is_held(found)
    going = [holding for holding in found if holding.may_go and holding.paths]
    if not going:
        print("Nothing to take away.")
        return 0
    print("Taking away:", *(f"  {path}" for holding in going for path in holding.paths), sep="\n")
    stayed = [path for holding in going for path in take_away(holding)]
    print(f"{sum(holding.megabytes for holding in going):.1f} MB taken away." if not stayed else "")
    print(*(f"{path} could not be taken away." for path in stayed), sep="\n", end="\n" if stayed else "")
    return 1 if stayed else 0


def _tiny_run(dataset: str, store: Store) -> str:
    """Trains the least that a run can be, and takes it away again. Returns what failed, in words."""
    from kdlab.runs.execute import execute

    data = DATASETS[dataset]
    smallest = {"labels": len(data.classes), "transfer": 0, "epochs": 1, "seeds": 1}
    claim = store.begin(three_arms(dataset=dataset, **smallest), OWNER)
    execute(claim, store)
    run = store.get(claim.run_id)
    store.delete(claim.run_id, OWNER)
    if run is not None and run.state == "done" and run.result is not None:
        print(f"{'tiny run':<14} {data.title}: trained in {run.result['seconds']:.1f} s")
        return ""
    message = (run and run.message) or "Its row in the store cannot be read."
    print(f"{'tiny run':<14} {data.title}: failed")
    return f"\nA run on {data.title} failed. {message}"


if __name__ == "__main__":
    sys.exit(main())
