"""What an experiment with language models looks like while it goes on and when it is over."""

from __future__ import annotations

import streamlit as st

from kdlab.models.causal_shapes import WINDOW
from kdlab.runs.curves import Curves
from kdlab.runs.text_recipes import Economy, Prefixes
from kdlab.runs.text_spec import TextSpec
from kdlab.ui.language import run_charts
from kdlab.ui.own import text_hidden_because
from kdlab.ui.run.charts import drawn_as
from kdlab.ui.run.source import Shown
from kdlab.ui.run.view import details, main_curve
from kdlab.ui.run.words import before_the_first_point
from kdlab.ui.url_state import literal
from kdlab.ui.widgets.live_plot import live_plot

_ACROSS = 3
"""Samples side by side."""


def experiment_picture(shown: Shown) -> None:
    """The run's own picture, its curve with what its students write now, and what else is known of it."""
    if shown.curves is not None and shown.run.spec.recipe.name == Economy.recipe:
        _economy(shown, shown.curves)
    if shown.curves is not None and shown.run.spec.recipe.name == Prefixes.recipe:
        _on_both_texts(shown, shown.curves)
    main_curve(shown)
    show_samples(shown)
    details(shown)


def _economy(shown: Shown, curves: Curves) -> None:
    """Bytes a token against the divergence that they reach."""
    spec = shown.run.spec
    assert isinstance(spec, TextSpec)
    sent = {arm.key: spec.payload_bits(arm) / 8 for arm in spec.arms if arm.objective is not None}
    figure, said = run_charts.economy(curves, spec.arms, sent)
    live_plot(figure, key="economy", height=360, alt=f"Bytes stored for a token against KL from the teacher. {said}", plays=shown.replayed)
    st.markdown(f"What is stored of the teacher for one token, and how near its student comes: {said}")


def _on_both_texts(shown: Shown, curves: Curves) -> None:
    """How near each student is to its teacher on held-out text, and on what it writes itself."""
    if "own_kl" not in curves.mean:
        return
    arms = shown.run.spec.arms
    figure, said = run_charts.both_texts(curves, arms)
    live_plot(figure, key="both-texts", height=380, alt=f"KL on held-out text against KL on one's own text. {said}", plays=shown.replayed)
    st.markdown(
        "To the left: near the teacher on text that others wrote. Below: near it on what the student writes itself, where small "
        f"faults add up. {said}"
    )


def show_samples(shown: Shown) -> None:
    """What each arm's student of the first seed writes on from the run's prompt, at the last point."""
    spec, told = shown.run.spec, None if shown.curves is None else shown.curves.samples
    if hidden := text_hidden_because(spec.dataset):
        st.caption(f":material/visibility_off: {hidden} What students write who have read it is not shown either.")
        return
    if not isinstance(spec, TextSpec) or not told:
        if shown.run.active:
            st.caption(before_the_first_point(shown.run, "What the students write appears"))
        return
    tokens = told.step * spec.batch_size * WINDOW
    st.markdown(f"**What they write on from** {literal(spec.prompt)} **after {tokens:,} tokens**, with the same random numbers:")
    seeds = len(next(iter(told.texts.values())))
    seed = 0
    if seeds > 1:
        seed = st.segmented_control(
            "Student of seed", range(seeds), default=0, format_func=lambda s: str(s + 1), key="sample-seed", required=True
        ) or 0
    drawn = drawn_as(spec.arms)
    for first in range(0, len(drawn), _ACROSS):
        for (role, arm), place in zip(drawn[first : first + _ACROSS], st.columns(_ACROSS), strict=False):
            text = told.texts.get(arm.key, [""] * seeds)[seed]
            with place.container(border=True, height="stretch", key=f"sample-{arm.key}"):
                st.markdown(f":small[**{role.name}**]")
                st.text(text or "It ends the text at once.")
