"""The picture of a ladder under way: an arm a rung, growing while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.counted import counted
from kdlab.data.registry import get_dataset
from kdlab.distill.metrics import Metric, metrics_of
from kdlab.models.catalogue import teacher_card
from kdlab.runs.comparison import in_words
from kdlab.runs.curves import seed_table
from kdlab.runs.equal_time import EqualTime, at_equal_time, clocks, seed_scores
from kdlab.runs.ladder import ALL
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Store
from kdlab.ui.access.ladder_charts import BYTES, RUNGS, SECONDS, Level, ladder_figure, rows
from kdlab.ui.access.ladder_table import taken_table
from kdlab.ui.look.folded import folded
from kdlab.ui.run.source import Shown, seed_rows
from kdlab.ui.run.titles import why_no_end
from kdlab.ui.run.words import before_the_first_point
from kdlab.ui.url_state import as_it_is
from kdlab.ui.widgets.live_plot import live_plot

_METRICS = ("accuracy", "agreement", "kl")
QUERIES, TIME = "At equal queries", "At equal time"


def tell_of_stand_in(shown: Shown, dataset: str) -> None:
    """Says that no run on the data that were chosen is recorded, where one on other data stands in."""
    if shown.recorded and shown.run.spec.dataset != dataset:
        chosen, other = (as_it_is(get_dataset(name).title) for name in (dataset, shown.run.spec.dataset))
        st.caption(f":material/info: No run on {chosen} is recorded: this one is on {other}.")


def ladder_picture(shown: Shown, store: Store | None) -> None:
    """Draws the arms as they stand, against rungs, bytes or seconds; after the same queries, or the same time."""
    run, curves = shown.run, shown.curves
    if curves is None:
        st.caption(before_the_first_point(run, "The ladder begins"))
        return
    metrics, spec = metrics_of(run.spec.task), run.spec
    with st.container(horizontal=True, gap="medium"):
        name = _one_of("Measure", _METRICS, "measure", lambda name: metrics[name].title)
        against = _one_of("Against", (RUNGS, BYTES, SECONDS), "against")
        at = _one_of("Compared", (QUERIES, TIME), "at")
    metric, then, costs = metrics[name], None, run.costs
    if not costs and (against != RUNGS or at == TIME):
        why = why_no_end(run) if run.result is None else "holds no such measurement"
        st.caption(f"What each rung cost is measured at the end of a run. This one {why}.")
        against = RUNGS
    elif at == TIME:
        then = _at_equal_time(shown, store, metric, costs)
        if then is None:
            st.caption("Of this run no points are kept seed by seed: here are its arms after equal queries.")
    levels = {arm.key: _now(curves.line(name, arm.key)) for arm in spec.arms}
    if then is not None:
        levels = {key: _then(then, key) for key in levels}
    teacher = teacher_card(spec.teacher)["test_accuracy"] if name == "accuracy" else None
    said = "; ".join(f"{arm.label} {format(levels[arm.key].mean, metric.form)}" for arm in spec.arms)
    when = ("now" if shown.moving else "at the last point") if then is None else f"after {then.seconds:.1f} seconds"
    live_plot(
        ladder_figure(
            levels,
            spec.arms,
            metric,
            teacher,
            rows(spec.arms, against, costs, spec.total_steps, _queries(spec)),
        ),
        key="ladder",
        height=120 + 30 * len(spec.arms),
        alt=f"{metric.title} of each rung's students {when}. {said}."
        + (f" The teacher {teacher:.1%}." if teacher else ""),
        plays=shown.replayed,
    )
    measured = "when the run was recorded" if shown.recorded else "here"
    if then is None:
        st.markdown(_as_they_stand(shown, means_words(spec, levels, metric)))
    else:
        st.markdown(f"{_ended(spec, then)} Then {means_words(spec, levels, metric)}")
        st.markdown(differences_words(spec, then, metric))
        st.caption(
            "An arm's clock: the time of its teacher's answers, then, for each step, that of one such student alone, measured "
            f"{measured} at the run's end. The run's own clock cannot tell arms apart: all train side by side. Between "
            "two measured points a score is taken to move in a straight line."
        )
    if against == SECONDS:
        st.caption(
            f"Teacher: its time for an answer × {counted(_queries(spec), 'queries')}. Student: its time for a step, alone × "
            f"{counted(spec.total_steps, 'steps')}. Measured {measured}, at its end; all arms trained side by side."
        )
    if against == BYTES:
        st.caption(
            "Payload of one answer: what is sent, not what is learned from it. Inside a teacher of texts it is a mean over "
            "the training texts, without padding."
        )
    if costs and not run.result["profiles"]["teacher"]:  # type: ignore[index]
        st.caption("The teacher's own time is its provider's: behind an API only the students' seconds are counted.")
    if costs:
        with folded("What each arm took", key="taken", opened_by=()):
            student = run.result["profiles"]["student"]["parameters"]  # type: ignore[index]
            st.html(taken_table(spec, costs, int(student), then, metric))


def _one_of(label: str, options: tuple[str, ...], key: str, say: Any = str) -> str:
    return st.segmented_control(  # type: ignore[return-value]
        label,
        options,
        key=key,
        default=options[0],
        required=True,
        format_func=say,
        bind="query-params",
        label_visibility="collapsed",
        wrap=True,
    )


def _queries(spec: RunSpec) -> int:
    return spec.labels + spec.transfer


def _at_equal_time(
    shown: Shown, store: Store | None, metric: Metric, costs: Mapping[str, Any]
) -> EqualTime | None:
    table = seed_table(seed_rows(shown, store), shown.run.spec)
    if table is None:
        return None
    step, scores = seed_scores(table, metric.name)
    found = at_equal_time(step, scores, clocks(costs, _queries(shown.run.spec)))
    return found if found is not None and ALL in found.scores else None


def _now(line: Any) -> Level:
    return Level(float(line.mean[-1]), float(line.half[-1]))


def _then(found: EqualTime, arm: str) -> Level:
    interval = found.interval(arm) if arm in found.scores else None
    return (
        Level(np.nan, np.nan)
        if interval is None
        else Level(float(interval.mean), float(interval.high - interval.mean))
    )


def _as_they_stand(shown: Shown, means: str) -> str:
    if shown.moving:
        said, differ = f"Now {means}", "is said at the end of the run, paired over seeds"
    elif shown.run.result is None:
        said, differ = f"This run {why_no_end(shown.run)}. At its last point {means}", "only a whole run tells"
    else:
        said, differ = f"At the end {means}", "is said below, paired over seeds"
    return said if shown.run.spec.seeds == 1 else f"{said} Which arms differ {differ}."


def _ended(spec: RunSpec, then: EqualTime) -> str:
    """Who had ended when the arms are compared, and who had not."""
    late = sorted(
        (key for key in then.steps if then.steps[key] < spec.total_steps), key=then.steps.__getitem__
    )
    who = (
        f"After **{then.seconds:.1f} s** {called_arm(spec, then.ended)} has taken its {counted(spec.total_steps, 'steps')}"
    )
    if not late:
        return f"{who}, and so has every other arm."
    if then.earlier:
        done = " and ".join(f"{called_arm(spec, key)} at {end:.1f} s" for key, end in then.earlier.items())
        who += f" ({done}, as it stands here)"
    return (
        f"{who}; {len(late)} of {len(then.steps)} arms {'has not got to its' if len(late) == 1 else 'have not got to their'} end, {called_arm(spec, late[0])} the least far: "
        f"{counted(then.steps[late[0]], 'steps')}."
    )


def differences_words(spec: RunSpec, then: EqualTime, metric: Metric) -> str:
    """Which arms differ from logits at that time, in a sentence or two; Markdown. Of one seed none is said to."""
    found = {key: one for key, one in then.differences(ALL).items() if one.n > 1}
    if not found:
        return "Which arms differ one seed cannot say: run at least two."
    shown = [
        f"{called_arm(spec, key)} {in_words(one, metric.name)}"
        for key, one in found.items()
        if not one.contains_zero
    ]
    head, rest = f"Against {called_arm(spec, ALL)} at that time, paired over seeds", len(found) - len(shown)
    if not shown:
        return f"{head}, no arm is shown to differ."
    return f"{head}: {'; '.join(shown)}." + (f" Of the other {rest} none is shown to differ." if rest else "")


def means_words(spec: RunSpec, levels: Mapping[str, Level], metric: Metric) -> str:
    """Between what the arms' means lie, and what the bars are. Who leads is not said: means alone do not show it."""
    means = [level.mean for level in levels.values() if np.isfinite(level.mean)]
    if not means:
        return "no student has a number: every one has diverged."
    bars = "Bars are 95 % intervals over seeds." if spec.seeds > 1 else "Each is one student: with one seed nothing is said of chance."
    return f"the arms' means lie between **{min(means):{metric.form}}** and **{max(means):{metric.form}}**. {bars}"


def called_arm(spec: RunSpec, key: str) -> str:
    """An arm's label within a sentence."""
    return spec.arm(key).label.removeprefix("+ ")
