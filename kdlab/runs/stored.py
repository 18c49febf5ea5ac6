"""A stored row as a run, or as what is left of one that this lab cannot read. Reading a row never raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, ValidationInfo
from typing_extensions import TypedDict

from kdlab.distill.metrics import TASKS
from kdlab.runs.recipes import read_spec
from kdlab.runs.schema import ACTIVE, AT_WORK
from kdlab.runs.spec import Spec, explain

_Number = Annotated[float, Field(allow_inf_nan=False)]
_OverSeeds = Annotated[list[_Number | None], Field(min_length=1)]
"""A number a seed; None for a student that diverged."""
State = Literal["queued", "running", "paused", "done", "failed", "cancelled", "lost"]


class _ArmResult(TypedDict):
    key: str
    label: str
    accuracy: _OverSeeds
    per_class: list[list[float | None]]


class _TextArmResult(TypedDict):
    key: str
    label: str
    bits_per_byte: _OverSeeds
    by_frequency: list[list[_Number | None]]


class _TextTeacher(TypedDict):
    bits_per_byte: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    by_frequency: list[_Number | None]


class _Measured(TypedDict):
    """What every reader of a result may rely on, whatever its task; a run may leave more."""

    profiles: dict[Literal["teacher", "student"], dict[str, float]]
    device: dict[str, Any]
    peak_memory_mib: float | None
    seconds: float


class _Result(_Measured):
    """Of a run that classifies."""

    arms: list[_ArmResult]
    teacher_accuracy: Annotated[float, Field(gt=0)]
    teacher_per_class: list[float]


class _TextResult(_Measured):
    """Of a run of language models."""

    arms: list[_TextArmResult]
    teacher: _TextTeacher
    frequency_bins: list[tuple[int, int]]
    test_tokens: int


_RESULTS = {"classification": TypeAdapter(_Result), "next_token": TypeAdapter(_TextResult)}


def _sound(result: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    if "spec" not in info.data:
        return result  # nobody can say what it should be
    task = info.data["spec"].task
    _RESULTS[task].validate_python(result)
    if len({len(arm[TASKS[task].main]) for arm in result["arms"]}) != 1:
        raise ValueError("the arms of a result belong together")
    return result


def teacher_score(result: dict[str, Any], task: str) -> float:
    """The teacher's main score on the test, as the run measured it."""
    main = TASKS[task].main
    return float(result["teacher"][main] if "teacher" in result else result[f"teacher_{main}"])


def read_result(stored: Any) -> Any:
    """A result as it was stored; an older lab called an arm's key its role and its label its name."""
    if not isinstance(stored, dict) or not isinstance(stored.get("arms"), list):
        return stored
    arms = [
        {"key": arm.get("role"), "label": arm.get("name"), **arm} if isinstance(arm, dict) else arm
        for arm in stored["arms"]
    ]
    return {**stored, "arms": arms}


@dataclass(frozen=True)
class Run:
    """A run as the store knows it. Times are seconds since the epoch."""

    id: str
    owner: str
    state: State
    spec: Spec
    created: float
    started: float | None
    ended: float | None
    heartbeat: float | None
    step: int
    steps: int
    message: str
    command: str
    steering: dict[str, float]
    result: Annotated[dict[str, Any], AfterValidator(_sound)] | None
    claim: str | None = None  # the token of the worker that holds it
    asked: dict[str, float] = field(default_factory=dict)  # the steering that is asked for; `steering` has acted

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def under_way(self) -> bool:
        """At work, or resumed and waiting for its place again."""
        return self.state in AT_WORK or (self.state == "queued" and self.started is not None)

    @property
    def costs(self) -> dict[str, dict[str, float]]:
        """What each arm cost, by its key (`kdlab.runs.rung_costs`); empty where nothing was measured.

        Bytes are counted and not measured: they are told anew, for an older lab counted otherwise.
        """
        measured: dict[str, dict[str, float]] = (self.result or {}).get("costs", {})
        return {
            arm.key: {**measured[arm.key], "bytes": self.spec.payload_bits(arm) / 8}
            for arm in self.spec.arms
            if arm.key in measured
        }


@dataclass(frozen=True)
class UnreadableRun:
    """A row that is no run today: of an older or a newer lab, or damaged.

    `Store.get` and `Store.list_runs` leave it out, so no reader need look out for it; `Store.unreadable` has it.
    ``fault`` says why, in a sentence for the page; ``raw`` is all that was stored, as JSON text to take away.
    Its owner may delete it like any ended run.
    """

    id: str
    owner: str
    state: str
    created: float
    fault: str
    raw: str

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


_RUN = TypeAdapter(Run)


def read_run(row: Mapping[str, Any]) -> Run | UnreadableRun:
    """The row as a run, else as an unreadable one."""
    try:
        spec = _spec(row["spec"])
        asked = row["steering"] or {}
        acted = asked if row["steered"] is None else row["steered"]  # an older lab told them not apart
        run = _RUN.validate_python(
            {**row, "steering": acted, "asked": asked, "spec": spec, "result": read_result(row["result"])},
            context={"stored": True},  # a spec's own checks are made once more here
        )
        if run.result is None or [arm["key"] for arm in run.result["arms"]] == [arm.key for arm in spec.arms]:
            return run
        fault = "What is stored as its result is of other arms than its settings."
    except _UnreadableError as error:
        fault = str(error)
    except ValidationError as error:
        fields = sorted({str(part["loc"][0]) for part in error.errors(include_input=False, include_context=False)})
        fault = f"What is stored as its {' and '.join(fields)} is not what this KD Lab writes."
    created = row["created"] if isinstance(row["created"], float | int) else 0.0
    return UnreadableRun(
        str(row["id"]), str(row["owner"]), str(row["state"]), created, fault, _as_text({name: value for name, value in row.items() if name != "claim"})
    )


class _UnreadableError(Exception):
    pass


def _spec(stored: Any) -> Spec:
    if not isinstance(stored, dict):
        raise _UnreadableError("What is stored as its settings is not what this KD Lab writes.")
    try:
        return read_spec(stored)
    except ValidationError as error:
        raise _UnreadableError(" ".join(explain(error))) from error
    except ValueError as error:
        raise _UnreadableError(str(error)) from error


def json_or_text(text: str) -> Any:
    """What the text says as JSON; the text itself where it says nothing, for a reader to refuse."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_text(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row, indent=2, default=str)
    except (ValueError, RecursionError):
        return str(row["id"])
