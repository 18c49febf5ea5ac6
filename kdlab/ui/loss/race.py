"""The race of the divergences: four one-hump students learn a two-hump teacher, step by step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import streamlit as st

from kdlab.core import mixture
from kdlab.ui.examples.words import percent
from kdlab.ui.look.folded import folded
from kdlab.ui.loss.race_charts import beta_ends, race_panels
from kdlab.ui.widgets.live_plot import live_plot
from kdlab.ui.widgets.live_slider import live_slider

STEPS = 80
TICK = 0.1  # seconds between two pictures while it plays
STEPS_A_TICK = 2
BESIDE_MS = 120
_AT = "race-at"  # the step that is played now; absent when nothing plays
TITLES = {
    "forward_kl": "Forward KL",
    "reverse_kl": "Reverse KL",
    "jsd": "JSD({beta:g})",
    "squared_error": "Squared error",
}
run = lru_cache(maxsize=64)(mixture.descents)


def race() -> None:
    """Controls, the four panels, and what they mean; Play moves them from the first step to the last."""
    playing = _AT in st.session_state
    with st.container(horizontal=True, vertical_alignment="center"):
        if playing:
            st.button("Stop", icon=":material/stop:", key="race-stop", on_click=_stop)
        else:
            st.button("Play", icon=":material/play_arrow:", key="race-play", on_click=_play)
        st.caption("Every step goes straight downhill in the student's mean and width; all four start alike.")
    st.fragment(_track, run_every=TICK if playing else None)()


def _play() -> None:
    st.session_state[_AT] = 0


def _stop() -> None:
    # The slider takes over where the race was stopped.
    st.session_state["step"] = st.session_state.pop(_AT, STEPS)


def _track() -> None:
    asked, shown = st.columns([0.8, 2], gap="medium")
    with asked:
        distance = live_slider(
            "Distance of the humps",
            key="d",
            min_value=1,
            max_value=7,
            value=5,
            step=0.1,
            help=f"Each hump is {mixture.HUMP_WIDTH:g} wide; the left one holds {mixture.LEFT_SHARE:.0%} of the teacher.",
        )
        beta = live_slider(
            "β of the JSD",
            key="beta",
            min_value=0.01,
            max_value=0.99,
            value=0.5,
            step=0.01,
            help="Near 0 the JSD behaves like the forward KL, near 1 like the reverse KL.",
        )
        step = _step()
    found = run(distance, beta, STEPS)
    students = {name: one.students[step] for name, one in found.items()}
    fits = {name: mixture.fit(distance, student) for name, student in students.items()}
    with shown:
        _panels(distance, beta, step, students, fits)
    jump = folded("The jump at the ends of β", key="jump", opened_by=("beta",), lazy=True)
    if jump.open:
        with jump:
            live_plot(
                beta_ends(distance, students["jsd"], beta),
                key="beta-ends",
                height=360,
                alt=ends_alt(distance, students["jsd"], beta),
                sentence=ends_words(distance, students["jsd"], beta, step),
                every_ms=BESIDE_MS,
            )
    _advance()


def _step() -> int:
    at = st.session_state.get(_AT)
    if at is not None:
        st.progress(at / STEPS, text=f"Step {at} of {STEPS}")
        return int(at)
    return int(
        live_slider(
            "Step", key="step", min_value=0, max_value=STEPS, value=STEPS, step=1, help="Of the descent."
        )
    )


def _advance() -> None:
    at = st.session_state.get(_AT)
    if at is None:
        return
    if at >= STEPS:
        st.session_state["step"] = STEPS
        del st.session_state[_AT]
        st.rerun()  # once, so that the fragment's clock stops
    st.session_state[_AT] = min(STEPS, at + STEPS_A_TICK)


def _panels(
    distance: float, beta: float, step: int, students: dict[str, np.ndarray], fits: dict[str, mixture.Fit]
) -> None:
    merged = humps_merged(distance)
    judged = step > 0 and not merged
    verdicts = {name: (" covers" if fit.covers else " seeks") if judged else "" for name, fit in fits.items()}
    titles = {
        name: f"<b>{title.format(beta=beta)}</b>{verdicts[name]}<br>"
        f"astray {percent(fits[name].astray)}<br>unsaid {percent(fits[name].unsaid)}"
        for name, title in TITLES.items()
    }
    live_plot(
        race_panels(distance, students, titles),
        key="race",
        height=380,
        alt=f"Four students at step {step} against a teacher with {'one hump' if merged else 'two humps'}: "
        + "; ".join(
            f"{title.format(beta=beta)}{verdicts[name]}, astray {percent(fits[name].astray)}, unsaid "
            f"{percent(fits[name].unsaid)}"
            for name, title in TITLES.items()
        ),
        sentence=race_words(fits, beta, step, merged),
        plays=_AT in st.session_state,
        caption="astray: share of the student's samples outside the teacher's densest 95 % (the teacher's own: 5 %). "
        "unsaid: share of the teacher's samples outside the student's densest 95 %.",
    )


def humps_merged(distance: float) -> bool:
    """Whether the teacher's density rises to a single peak and only falls from there."""
    log_p = mixture.log_teacher(distance)
    peak, slopes = int(np.argmax(log_p)), np.diff(log_p)
    return bool((slopes[:peak] >= 0).all() and (slopes[peak:] <= 0).all())


def race_words(fits: dict[str, mixture.Fit], beta: float, step: int, merged: bool) -> str:
    """Who covers, who seeks, and what that costs a language model; no verdict at the start or over a single hump."""
    if merged:
        start = "**All four start alike here.** " if step == 0 else ""
        return (
            f"{start}This close together, the teacher's two humps have **merged into one**: every divergence comes "
            "to fit it, and there is nothing to choose between. Move the humps apart to see the students part."
        )
    if step == 0:
        return (
            "**All four start alike here**, so there is nothing to tell them apart yet: later steps show who covers "
            "both humps and who seeks one."
        )
    names = {name: title.format(beta=beta) for name, title in TITLES.items()}
    cover = [names[name] for name, fit in fits.items() if fit.covers]
    seek = [names[name] for name, fit in fits.items() if not fit.covers]
    forward, reverse = fits["forward_kl"], fits["reverse_kl"]
    told = [
        f"**{_listed(who)}** {verb}{'s' if len(who) == 1 else ''} {what}."
        for who, verb, what in ((cover, "cover", "both humps"), (seek, "seek", "one hump"))
        if who
    ]
    told.append(
        f"As a language model: the forward-KL student says {percent(forward.astray)} of the time what the teacher "
        f"would hardly say (reverse KL: {percent(reverse.astray)}); the reverse-KL student hardly ever says "
        f"{percent(reverse.unsaid)} of what the teacher would (forward KL: {percent(forward.unsaid)})."
    )
    return " ".join(told)


def ends_alt(distance: float, student: np.ndarray, beta: float) -> str:
    """The picture of the jump in numbers."""
    at = [0.01, beta, 0.99]
    values = mixture.beta_curve(distance, student, np.array(at))
    log_p = mixture.log_teacher(distance)
    ends = [
        mixture.value(d, log_p, student) for d in (mixture.forward_kl_integrand, mixture.reverse_kl_integrand)
    ]
    curve = ", ".join(f"{_digits(value)} at β = {b:g}" for b, value in zip(at, values.tolist(), strict=True))
    return (
        f"The JSD of its student against β, in nats: {curve}, and 0 at both ends as it is defined. Divided by β(1−β) it "
        f"ends at the KLs: {_digits(ends[0])} forward at 0, {_digits(ends[1])} reverse at 1."
    )


def ends_words(distance: float, student: np.ndarray, beta: float, step: int) -> str:
    """What happens at β = 0 and 1, for the JSD's student as it stands."""
    near = [float(value) for value in mixture.beta_curve(distance, student, np.array([0.01, 0.99]))]
    log_p = mixture.log_teacher(distance)
    ends = [
        mixture.value(d, log_p, student) for d in (mixture.forward_kl_integrand, mixture.reverse_kl_integrand)
    ]
    return (
        f"The curves are those of **one student**: the one trained with {TITLES['jsd'].format(beta=beta)}, as it "
        f"stands at step {step}. As it is defined, the JSD **goes to 0 at both ends** (open circles): one of the two "
        "distributions becomes the mixture itself. Libraries put a KL there (filled): from β = 0.01 to 0 the loss "
        f"jumps from {_digits(near[0])} to {_digits(ends[0])}, from 0.99 to 1 from {_digits(near[1])} to "
        f"{_digits(ends[1])}. Divided by β(1−β) it has no jump."
    )


def _digits(value: float) -> str:
    """Two significant digits, however small: 0.000048, 0.31, 12."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="k").rstrip(".")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
