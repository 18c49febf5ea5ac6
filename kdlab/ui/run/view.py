"""The picture of a run under way: its race, its fidelity, its terms, drawn again and again while it moves."""

from __future__ import annotations

import streamlit as st

from kdlab.data.registry import DATASETS
from kdlab.models.catalogue import TEACHERS, teacher_card
from kdlab.runs.store import Store, StoreError
from kdlab.ui.run import charts
from kdlab.ui.run.commands import carry_out, still_waits
from kdlab.ui.run.on_show import just_launched
from kdlab.ui.run.silence import silent_because
from kdlab.ui.run.source import Shown, on_show
from kdlab.ui.run.steering import drifted
from kdlab.ui.run.titles import run_title
from kdlab.ui.run.words import budget_words, course, means_words, news, progress_words
from kdlab.ui.widgets.announcer import announce
from kdlab.ui.widgets.live_plot import live_plot

POLL = 0.4  # seconds between two looks at the store


def live_view(shown: Shown, store: Store | None, headline: str) -> None:
    """Draws the run, again and again while it moves; the whole page where its state has become another.

    headline: the verdict in a sentence, empty before the end.
    """

    def draw() -> None:
        try:
            carry_out(store)
            now = on_show(shown.run.id, store)
            how_far, told = progress_words(now, store), news(now, store, headline)
        except StoreError as error:  # the next look may find the store well again
            st.warning(str(error), icon=":material/sync_problem:")
            return
        _progress(now, store, how_far)
        announce(*told, key="news", launched=just_launched())
        _picture(now)
        if _standing(now) != _standing(shown) or drifted(now.run):
            st.rerun()

    with st.container(key="race-area"):
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
    if silent := silent_because(run, store):
        st.warning(silent, icon=":material/sync_problem:")
    if still_waits(run.id):
        st.warning(
            "The lab's store does not take what you asked just now; it is asked again until it does.",
            icon=":material/sync_problem:",
        )


def _picture(shown: Shown) -> None:
    run, curves = shown.run, shown.curves
    if curves is None:
        st.caption(":material/hourglass_top: The curves begin here as soon as the first point is measured.")
        return
    arms = run.spec.arms
    teacher = teacher_card(run.spec.teacher)["test_accuracy"]
    live_plot(
        charts.race(curves, arms, run.spec.epochs, teacher),
        key="race",
        height=380,
        alt=f"Test accuracy over the epochs. {_course(shown, 'accuracy', '.1%')} The teacher {teacher:.1%}.",
        plays=shown.replayed,
    )
    st.markdown(
        f"At epoch {curves.epoch[-1]:.0f}: {means_words(curves, arms)}; the teacher {teacher:.1%}. "
        f"{_lines_are(run.spec.seeds)}"
    )
    _details(shown)


def _course(shown: Shown, metric: str, form: str) -> str:
    assert shown.curves is not None
    values = shown.curves.values[metric]
    return course(shown.curves, [(arm.name, values[:, i]) for i, arm in enumerate(shown.run.spec.arms)], form)


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
            for place, metric, title, form in (
                (left, "agreement", "Agreement with the teacher on the test set", ".1%"),
                (right, "kl", "KL from the teacher on the test set, in nats", ".2f"),
            ):
                with place:
                    live_plot(
                        charts.fidelity(curves, arms, metric),
                        key=f"fidelity-{metric}",
                        height=260,
                        alt=f"{title}. {_course(shown, metric, form)}",
                        plays=shown.replayed,
                    )
            st.caption(
                f"{TEACHERS[run.spec.teacher].title} on the {DATASETS[run.spec.dataset].test_size:,} test examples: "
                "how often the students answer as it does, and how far their probabilities are from its own (T = 1)."
            )
    if losses.open:
        with losses:
            live_plot(
                charts.terms(curves, arms),
                key="terms",
                height=280,
                alt=f"The loss terms, in nats. {course(curves, charts.term_lines(curves, arms), '.2f')}",
                plays=shown.replayed,
            )
            st.caption(
                "The soft arm's two terms before they are weighted, and the cross-entropy of labels only."
            )
    if gradients.open:
        with gradients:
            lines = course(curves, charts.gradient_lines(curves, arms), ".3f")
            said = budget_words(curves, arms)
            live_plot(
                charts.gradient_budget(curves, arms),
                key="gradients",
                height=300,
                alt=f"Gradient norms. {lines} Now, as arrows: {said.replace('**', '')}",
                plays=shown.replayed,
            )
            st.markdown(said)
            st.caption(
                "The soft arm's two weighted terms, as gradients in its own weights on one batch, and for comparison "
                "that of labels only in its weights. Left: how long each is. Right: the soft arm's two now, with the "
                "angle between them, and what they make together."
            )


def _lines_are(seeds: int) -> str:
    if seeds == 1:
        return "Each line is one student: with one seed nothing is said of chance."
    return f"Lines are means of {seeds} students, bands the mean's 95 % intervals; all see the same batches."
