"""The picture of a run under way: its learning curves, its fidelity, its terms, drawn again and again while it moves."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from kdlab.core.counted import counted
from kdlab.distill.arms import Arm
from kdlab.distill.metrics import METRICS, TASKS, main_score
from kdlab.runs.curves import Curves
from kdlab.runs.parts import known_teacher_score, teacher_title
from kdlab.runs.spec import Spec
from kdlab.runs.store import Store, StoreError
from kdlab.ui.run import charts
from kdlab.ui.run.commands import carry_out, still_waits
from kdlab.ui.run.on_show import just_launched
from kdlab.ui.run.silence import silent_because
from kdlab.ui.run.source import Shown, on_show
from kdlab.ui.run.steering import drifted
from kdlab.ui.run.task_words import words_of
from kdlab.ui.run.titles import run_title
from kdlab.ui.run.words import before_the_first_point, budget_words, course, means_words, news, progress_words
from kdlab.ui.url_state import as_it_is
from kdlab.ui.widgets.announcer import announce
from kdlab.ui.widgets.live_plot import live_plot

POLL = 0.4  # seconds between two looks at the store


def live_view(
    shown: Shown, store: Store | None, headline: str, picture: Callable[[Shown], None] | None = None
) -> None:
    """Draws the run, again and again while it moves; the whole page where its state has become another.

    headline: the verdict in a sentence, empty before the end. picture: what is drawn in place of the learning curves.
    """

    def draw() -> None:
        try:
            carry_out(store)
            now = on_show(shown.run.id, store, shown.stand_in)
            how_far, told = progress_words(now, store), news(now, store, headline)
        except StoreError as error:  # the next look may find the store well again
            st.warning(str(error), icon=":material/sync_problem:")
            return
        _progress(now, store, how_far)
        announce(*told, key="news", launched=just_launched())
        (picture or learning_curves)(now)
        if _standing(now) != _standing(shown) or drifted(now.run):
            st.rerun()

    with st.container(key="learning-curves-area"):
        st.fragment(draw, run_every=POLL if shown.moving else None)()


def _standing(shown: Shown) -> tuple[str, bool, bool]:
    return shown.run.state, shown.run.command == "cancel", shown.moving


def _progress(shown: Shown, store: Store | None, how_far: str) -> None:
    run = shown.run
    title = f":small[{run_title(run)}]"
    st.markdown(title if shown.recorded else f"{how_far}  \n{title}")
    if shown.moving:
        st.progress(min(1.0, shown.share))
    if run.message:
        st.error(run.message, icon=":material/error:")
    if run.state == "cancelled" and run.result is None:
        st.info(
            "Stopped before its end: there is no verdict. **Run again** starts it anew, with its own settings.",
            icon=":material/stop_circle:",
        )
    if silent := silent_because(run, store):
        st.warning(silent, icon=":material/sync_problem:")
    if still_waits(run.id):
        st.warning(
            "The lab's store does not take what you asked just now; it is asked again until it does.",
            icon=":material/sync_problem:",
        )


def learning_curves(shown: Shown) -> None:
    """The curves of a run with what is said of them, and what else is known of it in tabs."""
    run, curves = shown.run, shown.curves
    if curves is None:
        st.caption(before_the_first_point(run, "The curves begin"))
        return
    arms = run.spec.arms
    metric, teacher = main_score(run.spec.task), known_teacher_score(run)
    beside = "" if teacher is None else f"the teacher {teacher:{metric.form}}"
    live_plot(
        charts.learning_curves(curves, arms, metric, teacher),
        key="learning-curves",
        height=380,
        alt=f"{metric.axis_title} over {curves.axis.over}. {_course(shown, metric.name, metric.form)}{beside and f' {beside.capitalize()}.'}",
        plays=shown.replayed,
    )
    place = curves.axis.at.format(curves.x[-1])
    st.markdown(
        f"At {place}: {means_words(curves, arms, metric)}{beside and f'; {beside}'}. {_lines_are(run.spec)}"
    )
    if curves.diverged:
        st.warning(_who_diverged(curves, run.spec), icon=":material/trending_down:")
    _details(shown)


def _course(shown: Shown, metric: str, form: str) -> str:
    assert shown.curves is not None
    lines = [(arm.label, shown.curves.line(metric, arm.key).mean) for arm in shown.run.spec.arms]
    return course(shown.curves, lines, form)


def _details(shown: Shown) -> None:
    """The other pictures; only the open one is computed and drawn."""
    fidelity, losses, gradients = st.tabs(
        ["Like the teacher?", "Loss terms", "Gradients"], key="detail", bind="query-params"
    )
    for tab, draw in ((fidelity, _fidelity), (losses, _losses), (gradients, _gradients)):
        if tab.open:
            with tab:
                draw(shown)


def _fidelity(shown: Shown) -> None:
    run, curves = shown.run, shown.curves
    assert curves is not None
    metrics = [METRICS[name] for name in TASKS[run.spec.task].fidelity if name in curves.mean]
    places = [place for _ in range(0, len(metrics), 2) for place in st.columns(2)]
    for place, metric in zip(places, metrics, strict=False):
        unit = f", in {metric.unit}" if metric.unit else ""
        with place:
            live_plot(
                charts.fidelity(curves, run.spec.arms, metric),
                key=f"fidelity-{metric.name}",
                height=260,
                alt=f"{metric.title} on the test set{unit}. {_course(shown, metric.name, metric.form)}",
                plays=shown.replayed,
            )
    st.caption(
        f"{as_it_is(teacher_title(run.spec))} {words_of(run.spec).fidelity(run.spec)}"
    )


def _losses(shown: Shown) -> None:
    curves, (arm, control) = shown.curves, _looked_into(shown.run.spec, "losses")
    assert curves is not None
    live_plot(
        charts.terms(curves, arm, control),
        key="terms",
        height=280,
        alt=f"The loss terms, in nats. {course(curves, charts.term_lines(curves, arm, control), '.2f')}",
        plays=shown.replayed,
    )
    beside = f", and the cross-entropy of {control.in_a_sentence}" if control else ""
    st.caption(f"The two terms of {arm.in_a_sentence} before they are weighted{beside}.")


def _gradients(shown: Shown) -> None:
    curves, (arm, control) = shown.curves, _looked_into(shown.run.spec, "gradients")
    assert curves is not None
    lines = course(curves, charts.gradient_lines(curves, arm, control), ".3f")
    said = budget_words(curves, arm)
    live_plot(
        charts.gradient_budget(curves, arm, control),
        key="gradients",
        height=300,
        alt=f"Gradient norms. {lines} At the last point, as arrows: {said.replace('**', '')}",
        plays=shown.replayed,
    )
    st.markdown(said)
    beside = f", and for comparison that of {control.in_a_sentence} in its weights" if control else ""
    st.caption(
        f"The two weighted terms of {arm.in_a_sentence}, as gradients in its student's own weights on one batch{beside}. "
        "Left: how long each is. Right: the two at the last point, with the angle between them, and what they make together."
    )


def _looked_into(spec: Spec, where: str) -> tuple[Arm, Arm | None]:
    """The arm whose terms are drawn, and its control: the one that the run asks about, unless the visitor picks another."""
    arm = spec.arm(spec.contrasts[0].minuend) if spec.contrasts else spec.arms[-1]
    taught = {one.key: one.label for one in spec.arms if one.objective is not None}
    if len(taught) > 2:  # two: the arm and what it is told apart from
        start = list(taught).index(arm.key) if arm.key in taught else 0
        key = st.selectbox("Arm", list(taught), start, format_func=taught.__getitem__, key=f"arm-of-{where}")
        arm = spec.arm(key)
    return arm, spec.arm(arm.control) if arm.control else None


def _who_diverged(curves: Curves, spec: Spec) -> str:
    """Which students' training diverged, in words."""
    by_arm = {arm.label: [one for one in curves.diverged if one.arm == arm.key] for arm in spec.arms}
    said = ", ".join(f"{len(gone)} of {label}" for label, gone in by_arm.items() if gone)
    first = min(one.step for one in curves.diverged)
    return (
        f"Training diverged for {len(curves.diverged)} of {counted(len(spec.arms) * spec.seeds, 'students')}, the first after "
        f"{counted(first, 'steps')} ({said}): their losses are no numbers any more. The arm's line ends there, and what is said "
        "of it leaves them out. Lower the learning rate, or clip the gradients."
    )


def _lines_are(spec: Spec) -> str:
    if spec.seeds == 1:
        return "Each line is one student: with one seed nothing is said of chance."
    return f"Lines are means of {spec.seeds} students, bands the mean's 95 % intervals; {words_of(spec).same}."
