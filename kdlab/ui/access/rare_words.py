"""Students where words are rare: what a run says to the lesson's claim, in words and as two pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.intervals import mean_interval
from kdlab.runs.comparison import in_words
from kdlab.runs.ladder import ALL, INSIDE
from kdlab.runs.rare_words import SCORES, ByFrequency
from kdlab.runs.spec import RunSpec
from kdlab.ui.access.ladder_view import called_arm
from kdlab.ui.look.style import ROLES, Figure
from kdlab.ui.run.charts import drawn_as
from kdlab.ui.widgets.live_plot import live_plot

_TITLES = {"accuracy": "Test accuracy", "agreement": "Agreement with the teacher"}
_BANDS = ("Rarest", "Rare", "Common", "Commonest")


def rare_words(spec: RunSpec, found: ByFrequency) -> str:
    """What a run says: how its students of logits fare there, and whether a look inside the teacher helps. Markdown."""
    rarest, commonest = found.bands[0], found.bands[-1]
    where = (
        f"A text's words stand in so many of {found.counted:,} training texts, as a geometric mean: in {_many(rarest.low)} to "
        f"{_many(rarest.high)} where they are rarest, a quarter of the test set, and in {_many(commonest.low)} to "
        f"{_many(commonest.high)} where they are commonest. The teacher itself is right on {found.teacher[0]:.0%} of the "
        f"rarest and on {found.teacher[-1]:.0%} of the commonest."
    )
    if ALL not in found.arms:
        return f"{where} This run has no arm of logits: it cannot say."
    agreement = found.of("agreement", ALL).mean(-1)
    lost = (
        f"Students of logits agree with it on {agreement[0]:.0%} and {agreement[-1]:.0%}: "
        f"{in_words(found.rarest_minus_commonest('agreement', ALL))}."
    )
    inside = [key for key in found.arms if key in INSIDE]
    if not inside:
        return f"{lost} No arm of this run looks inside the teacher, so it cannot say whether that mends it. {where}"
    gains = found.on_the_rarest("agreement", inside, ALL)
    helping = [called_arm(spec, key) for key, gain in gains.items() if gain.low > 0]
    verdict = (
        f"**Here {' and '.join(helping)} help where words are rarest.**"
        if helping
        else "**Here nothing inside the teacher is shown to help where words are rarest.**"
    )
    told = "; ".join(f"{called_arm(spec, key)} {in_words(gain)}" for key, gain in gains.items())
    return f"{verdict} Agreement with the teacher there, on top of logits: {told}. {lost} {where}"


def rare_words_pictures(spec: RunSpec, found: ByFrequency) -> None:
    """Draws accuracy and agreement from the rarest words to the commonest."""
    for column, score in zip(st.columns(2), SCORES, strict=True):
        with column:
            live_plot(
                frequency_figure(spec, found, score),
                key=f"rare-{score}",
                height=300,
                alt=f"{_TITLES[score]} from the rarest words to the commonest. {_in_numbers(spec, found, score)}.",
            )


def frequency_figure(spec: RunSpec, found: ByFrequency, score: str) -> Figure:
    """An arm's mean in each band, with its 95 % interval over seeds; the teacher's own accuracy as a line."""
    traces: list[dict[str, Any]] = []
    shown = _drawn(found)
    bands = np.arange(len(found.bands))
    for place, (role, arm) in enumerate((role, arm) for role, arm in drawn_as(spec.arms) if arm.key in shown):
        interval = mean_interval(found.of(score, arm.key).T)
        aside = 0.06 * (place - (len(shown) - 1) / 2)  # beside each other, not on each other
        traces.append(
            {
                "x": (bands + aside).tolist(),
                "y": interval.mean.tolist(),  # type: ignore[union-attr]
                "mode": "lines+markers",
                "name": arm.label,
                "line": role.line(1.5),
                "marker": {"color": role.colour, "symbol": role.marker, "size": 9},
                "error_y": {
                    "type": "data",
                    "array": np.nan_to_num(interval.high - interval.mean).tolist(),
                    "color": role.colour,
                    "thickness": 2,
                    "width": 0,
                },
                "hovertemplate": f"{arm.label} %{{y:.1%}}<extra></extra>",
            }
        )
    if score == "accuracy":
        line = {"mode": "lines", "name": "Teacher", "line": ROLES["teacher"].line(2), "hoverinfo": "skip"}
        traces.append({"x": bands.tolist(), "y": found.teacher.tolist(), **line})
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "Words"}, "tickvals": bands.tolist(), "ticktext": list(_BANDS[: len(bands)])},
            "yaxis": {"title": {"text": _TITLES[score]}, "tickformat": ".0%"},
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.25, "yanchor": "top", "font": {"size": 13}},
        },
    }


def _drawn(found: ByFrequency) -> tuple[str, ...]:
    return tuple(key for key in found.arms if key in ("labels_only", "label", ALL, *INSIDE))


def _in_numbers(spec: RunSpec, found: ByFrequency, score: str) -> str:
    rows = ((key, found.of(score, key).mean(-1)) for key in _drawn(found))
    return "; ".join(f"{called_arm(spec, key)} {', '.join(f'{mean:.0%}' for mean in means)}" for key, means in rows)


def _many(frequency: float) -> str:
    return "less than one" if frequency < 1 else f"{frequency:,.0f}"
