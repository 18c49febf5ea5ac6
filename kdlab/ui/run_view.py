"""A run under way: its race, its terms, and the buttons that hold it in hand."""

from __future__ import annotations

import time

import numpy as np
import streamlit as st

from kdlab.data.registry import DATASETS
from kdlab.distill.arms import Arm
from kdlab.models.catalogue import TEACHERS, teacher_card
from kdlab.runs.curves import Curves
from kdlab.runs.store import NotYoursError, Run, Store
from kdlab.ui import charts_run
from kdlab.ui.identity import visitor_id
from kdlab.ui.live_plot import live_plot
from kdlab.ui.loss_words import direction, number
from kdlab.ui.run_source import Shown, recorded, start_replay, stored
from kdlab.ui.run_titles import run_title, state_words

POLL = 0.4  # seconds between two looks at the store


def live_view(run_id: str | None, store: Store | None) -> Shown:
    """Draws the run, again and again while it moves. Returns what was first drawn."""
    shown = _fetch(run_id, store)

    def draw() -> None:
        now = _fetch(run_id, store)
        _progress(now, store)
        _picture(now)
        if shown.moving and not now.moving:
            st.rerun()  # once, so that the rest of the page learns of the end

    st.fragment(draw, run_every=POLL if shown.moving else None)()
    return shown


def _fetch(run_id: str | None, store: Store | None) -> Shown:
    found = stored(store, run_id) if run_id and store else None
    return found or recorded()


def _progress(shown: Shown, store: Store | None) -> None:
    run = shown.run
    held_here = run.active and store is not None and run.owner == visitor_id()
    words, buttons = st.columns(
        [3, 2.4] if held_here or shown.recorded else [9, 1], vertical_alignment="center"
    )
    with words:
        if shown.recorded:
            when = time.strftime("%-d %B %Y", time.gmtime(run.ended or 0))
            st.markdown(
                f"**A run recorded on {when}**, with the lab's default settings. Launch for yours.  \n"
                f":small[{run_title(run)}]"
            )
        else:
            st.markdown(f"**{state_words(run)}** · {_time_words(shown, store)}  \n:small[{run_title(run)}]")
    with buttons, st.container(horizontal=True, horizontal_alignment="right"):
        if shown.recorded:
            if st.button("Replay", icon=":material/replay:", key="replay"):
                start_replay()
                st.rerun()
        elif held_here and store is not None:
            _hold_buttons(run, store)
    if shown.moving:
        st.progress(min(1.0, shown.share))
    if run.message:
        st.error(run.message, icon=":material/error:")


def _hold_buttons(run: Run, store: Store) -> None:
    def ask(command: str) -> None:
        try:
            store.command(run.id, visitor_id(), command)
        except NotYoursError as error:
            st.toast(str(error))

    if run.state == "running":
        st.button("Pause", icon=":material/pause:", key="pause", on_click=ask, args=("pause",))
    if run.state == "paused":
        st.button("Resume", icon=":material/play_arrow:", key="resume", on_click=ask, args=("resume",))
        st.button("One step", icon=":material/skip_next:", key="step", on_click=ask, args=("step",))
    st.button("Stop", icon=":material/stop:", key="stop", on_click=ask, args=("cancel",))


def _time_words(shown: Shown, store: Store | None) -> str:
    run = shown.run
    if run.state == "queued" and store is not None:
        queue = store.queue()
        place = queue.index(run.id) + 1 if run.id in queue else 1
        return f"place {place} of {len(queue)} in the queue; it starts when those before it have ended"
    if shown.curves is None or run.started is None:
        return "the first point is on its way"
    spent = float(shown.curves.seconds[-1])
    if run.active and shown.share > 0.02:
        left = (
            "" if run.state == "paused" else f", about {spent * (1 - shown.share) / shown.share:.0f} s left"
        )
        return f"step {run.step:,} of {run.steps:,}{left}"
    if run.result is None:
        return f"step {run.step:,} of {run.steps:,}"
    result = run.result
    memory = result["peak_memory_mib"]
    used = f", {memory:,.0f} MiB at most" if memory else ""
    return f"{result['seconds']:.1f} s on {result['device']['name']}{used}"


def _picture(shown: Shown) -> None:
    run, curves = shown.run, shown.curves
    if curves is None:
        st.caption(":material/hourglass_top: The curves begin here as soon as the first point is measured.")
        return
    arms = run.spec.arms
    teacher = teacher_card(run.spec.teacher)["test_accuracy"]
    means = {arm.role: float(curves.values["accuracy"][-1, i].mean()) for i, arm in enumerate(arms)}
    said = ", ".join(f"{arm.name} {means[arm.role]:.1%}" for arm in arms)
    live_plot(
        charts_run.race(curves, arms, run.spec.epochs, teacher),
        key="race",
        height=380,
        alt=f"Test accuracy over the epochs. At epoch {curves.epoch[-1]:.0f}: {said}; the teacher {teacher:.1%}.",
    )
    st.markdown(f"At epoch {curves.epoch[-1]:.0f}: {said}. {_lines_are(run.spec.seeds)}")
    _details(shown)


def _details(shown: Shown) -> None:
    """The other pictures; only the open one is computed and drawn."""
    run, curves, arms = shown.run, shown.curves, shown.run.spec.arms
    assert curves is not None
    fidelity, losses, gradients = st.tabs(
        ["Like the teacher?", "Loss terms", "Gradients"], key="detail", bind="query-params"
    )
    if fidelity.open:
        with fidelity:
            left, right = st.columns(2)
            for place, metric in ((left, "agreement"), (right, "kl")):
                with place:
                    live_plot(
                        charts_run.fidelity(curves, arms, metric),
                        key=f"fidelity-{metric}",
                        height=260,
                        alt=f"The students' {metric} with the teacher on the test set over the epochs.",
                    )
            st.caption(
                f"{TEACHERS[run.spec.teacher].title} on the {DATASETS[run.spec.dataset].test_size:,} test examples: "
                "how often the students answer as it does, and how far their probabilities are from its own (T = 1)."
            )
    if losses.open:
        with losses:
            live_plot(
                charts_run.terms(curves, arms),
                key="terms",
                height=280,
                alt="The two loss terms over the epochs.",
            )
            st.caption(
                "The soft arm's two terms before they are weighted, and the cross-entropy of labels only."
            )
    if gradients.open:
        with gradients:
            live_plot(
                charts_run.gradient_budget(curves, arms),
                key="gradients",
                height=300,
                alt="The norms of the two terms' gradients over the epochs, and both as arrows with their sum now.",
            )
            st.markdown(_budget_words(curves, arms))
            st.caption(
                "The soft arm's two weighted terms, as gradients in its own weights on one batch, and for comparison "
                "that of labels only in its weights. Left: how long each is. Right: the soft arm's two now, with the "
                "angle between them, and what they make together."
            )


def _lines_are(seeds: int) -> str:
    if seeds == 1:
        return "Each line is one student: with one seed nothing is said of chance."
    return f"Lines are means of {seeds} students, bands the mean's 95 % intervals; all see the same batches."


def _budget_words(curves: Curves, arms: tuple[Arm, ...]) -> str:
    soft = next(i for i, arm in enumerate(arms) if arm.role == "soft_targets")
    norms = [
        float(np.nanmean(curves.values[f"gradient_{t}"][-1, soft])) for t in ("supervised", "distillation")
    ]
    cosine, share = (float(np.nanmean(curves.values[f"gradient_{m}"][-1, soft])) for m in ("cosine", "share"))
    if not np.isfinite([*norms, cosine, share]).all():
        return "This run was recorded before the lab kept the whole gradient budget."
    stronger = "distillation" if norms[1] > norms[0] else "supervised"
    return (
        f"The **{stronger}** term pulls harder ({number(max(norms))} against {number(min(norms))}); "
        f"{direction(cosine)}. Distillation makes **{share:.0%}** of the summed gradient, which AdamW then rescales."
    )
