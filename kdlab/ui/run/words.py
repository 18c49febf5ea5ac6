"""A run in words: how far it is, what has just happened to it, and its pictures for those who do not see them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.core.counted import counted
from kdlab.distill.arms import Arm
from kdlab.distill.metrics import TASKS, Metric, main_score
from kdlab.runs.curves import Curves
from kdlab.runs.spec import Spec
from kdlab.runs.store import Run, Store
from kdlab.ui.look.numbers import direction, minus, number
from kdlab.ui.run.source import Shown
from kdlab.ui.run.titles import STATES, why_no_end


def progress_words(shown: Shown, store: Store | None) -> str:
    """How far the run is and how long it still takes, or took."""
    run = shown.run
    if run.state == "queued" and store is not None:
        place, length = _place(run, store)
        if run.step:
            at = f"paused at step {run.step:,} of {run.steps:,}"
            return f"{at}; place {place} of {length} in the queue: it goes on from there when a place is free"
        return f"place {place} of {length} in the queue; it starts when those before it have ended"
    if shown.curves is None or run.started is None:
        if run.active and shown.asked is not None:
            return f"the teacher is asked: {shown.asked:.0%} of its answers are there"
        return "the first point is on its way" if run.active else "no point was measured"
    so_far = f"step {run.step:,} of {run.steps:,}"
    if run.active and run.step >= run.steps:
        return f"{so_far}: trained; now measuring what the students know and cost"
    if run.active and shown.share > 0.02 and run.state != "paused":
        spent = float(shown.curves.seconds[-1])
        return f"{so_far}, about {spent * (1 - shown.share) / shown.share:.0f} s left"
    if run.result is None:
        return so_far
    memory = run.result["peak_memory_mib"]
    used = f", {memory:,.0f} MiB at most" if memory else ""
    return f"{run.result['seconds']:.1f} s on {run.result['device']['name']}{used}{_at_once(run.spec, run.result)}"


def _at_once(spec: Spec, result: dict[str, Any]) -> str:
    """How many students trained at once, where it was not all of them; an older result does not know."""
    students = sum(len(arm[TASKS[spec.task].main]) for arm in result["arms"])
    size = result.get("group_size", students)
    return f", {size} of {counted(students, 'students')} at once" if size < students else ""


def before_the_first_point(run: Run, what: str) -> str:
    """What stands in the place of a picture that has no point to draw. what: its subject and verb, "The curves begin"."""
    if run.active:
        return f":material/hourglass_top: {what} here as soon as the first point is measured."
    return f"This run {why_no_end(run)} and before its first point: there is nothing to draw."


def news(shown: Shown, store: Store | None, headline: str) -> tuple[str, str]:
    """What is told aloud when it happens: a name that changes with each piece of news, and its words.

    A state, a tenth of the way, a change of temperature or KD weight, the verdict's headline.
    """
    run = shown.run
    if shown.recorded:
        return "recorded", ""  # nothing happens to it
    state, _ = STATES[run.state]
    marks = shown.curves.marks if shown.curves else ()
    tenth = int(10 * min(1.0, shown.share))
    name = f"{run.id} {run.state} {tenth if run.state == 'running' else ''} {len(marks)} {bool(headline)}"
    if run.state == "queued" and store is not None:
        place, length = _place(run, store)
        return f"{name} {place}", f"{state}, place {place} of {length}."
    if run.state == "paused":
        return f"{name} {run.step}", f"{state} at step {run.step:,} of {run.steps:,}."
    if run.state != "running":
        return name, f"{state}. {headline.replace('**', '')} {run.message}".strip()
    words = f"{state}, {10 * tenth} percent done."
    if marks:
        words += f" Steered to temperature {marks[-1].temperature:g}, KD weight {marks[-1].kd_weight:g}."
    if shown.curves is not None and tenth:
        words += f" {means_words(shown.curves, run.spec.arms, main_score(run.spec.task))}."
    return name, words


def means_words(curves: Curves, arms: tuple[Arm, ...], metric: Metric) -> str:
    """Every arm's score at the last point: "Labels only 64.1%, Soft targets 70.2%"."""
    return ", ".join(f"{arm.label} {_said(curves.line(metric.name, arm.key).mean[-1], metric.form)}" for arm in arms)


def course(curves: Curves, lines: list[tuple[str, np.ndarray]], form: str) -> str:
    """Lines along the run for those who do not see them: each one's first and last value, and the changes.

    lines: names and means (points,).
    """
    axis, x = curves.axis, curves.x
    said = "; ".join(
        f"{name} {_said(means[-1], form)}"
        if len(means) == 1
        else f"{name} from {_said(means[0], form)} to {_said(means[-1], form)}"
        for name, means in lines
    )
    marks = "".join(
        f" Changed at {axis.at.format(curves.place(mark))} to T {mark.temperature:g}, w {mark.kd_weight:g}."
        for mark in curves.marks
    )
    return f"{axis.span.format(x[0], x[-1])}: {said}.{marks}"


def budget_words(curves: Curves, arm: Arm) -> str:
    """Which of the arm's two terms pulls harder at the last point, and whether they agree."""

    def now(name: str) -> float:
        return float(curves.line(f"gradient_{name}", arm.key).mean[-1])

    norms = {term: now(term) for term in ("supervised", "distillation")}
    if not np.isfinite(list(norms.values())).all():
        return "This run holds no gradient budget: it is older, or its gradients are no numbers."
    silent = [term for term, norm in norms.items() if norm == 0]
    if len(silent) == 2:
        return "Both terms are **silent**: their gradients are zero, nothing is learned."
    stronger, weaker = sorted(norms, key=norms.__getitem__, reverse=True)
    if silent:
        return (
            f"The **{weaker}** term is **silent**: its gradient is zero. The {stronger} term "
            f"({number(norms[stronger])}) pulls alone, so there is no angle between the two."
        )
    cosine, share = now("cosine"), now("share")
    pulls = (
        f"The **{stronger}** term pulls harder ({number(norms[stronger])} against {number(norms[weaker])})"
    )
    if not np.isfinite([cosine, share]).all():
        return f"{pulls}."
    return (
        f"{pulls}; {direction(cosine)}. Distillation makes **{share:.0%}** of the summed gradient, which AdamW then "
        "rescales."
    )


def _place(run: Run, store: Store) -> tuple[int, int]:
    queue = store.queue()
    return (queue.index(run.id) + 1 if run.id in queue else 1), max(1, len(queue))


def _said(mean: float, form: str) -> str:
    return minus(format(mean, form)) if np.isfinite(mean) else "no number"
