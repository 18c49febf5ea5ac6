"""Students where words are rare: what a run says to the lesson's claim, in words and as two pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from kdlab.core.counted import counted
from kdlab.core.intervals import Interval, mean_interval
from kdlab.runs.comparison import in_words
from kdlab.runs.ladder import ALL, INSIDE
from kdlab.runs.rare_words import SCORES, ByFrequency
from kdlab.runs.spec import RunSpec
from kdlab.ui.access.ladder_view import called_arm
from kdlab.ui.look.series import error_bar
from kdlab.ui.look.style import ROLES, Figure
from kdlab.ui.run.charts import drawn_as
from kdlab.ui.widgets.live_plot import live_plot

_TITLES = {"accuracy": "Test accuracy", "agreement": "Agreement with the teacher"}
_BANDS = ("Rarest", "Rare", "Common", "Commonest")


def rare_words(spec: RunSpec, found: ByFrequency) -> str:
    """What a run says: how its students of logits fare there, and whether a look inside the teacher helps. Markdown."""
    inside = [key for key in found.arms if key in INSIDE]
    differences = found.differences("agreement", ALL, inside) if ALL in found.arms else None
    if differences is None:
        return f"This run has no student of logits: it cannot say.\n\n{_how_rare(found)}"
    lost, gains = differences
    rare, *_, common = found.of("agreement", ALL).mean(-1)
    black_box = (
        f"{_misses(lost)} Students of logits give their teacher's answer on {rare:.0%} of the texts with the rarest words, and on "
        f"{common:.0%} of those with the commonest: {in_words(lost)}."
    )
    if not gains:
        return f"{black_box}\n\nNo arm of this run looks inside the teacher, so it cannot say whether that mends it.\n\n{_how_rare(found)}"
    helps = [called_arm(spec, key) for key, gain in gains.items() if gain.low > 0]
    verdict = f"{helping(helps, [gain.n for gain in gains.values()], ' there')} " if lost.n > 1 else ""
    told = "\n".join(f"- {called_arm(spec, key)}: {in_words(gain)}" for key, gain in gains.items())
    white_box = (
        f"{verdict}How much more often students who see more than logits give the teacher's answer on the texts with the rarest "
        f"words:\n\n{told}"
    )
    judged = sum(one.n > 1 for one in (lost, *gains.values()))
    together = f" The 95 % is for these {judged} differences together." if judged > 1 else ""
    return f"{black_box}\n\n{white_box}\n\n{_how_rare(found, together)}"


def _misses(lost: Interval) -> str:
    """Whether the black box misses more where words are rare, in bold."""
    if lost.n < 2:
        return helping([], [lost.n], "")
    if lost.contains_zero:
        return "**It is not shown here that the black box misses more where words are rare.**"
    return f"**{'Yes' if lost.high < 0 else 'No'}: here the black box misses {'more' if lost.high < 0 else 'less'} where words are rare.**"


def helping(names: list[str], seeds: list[int], where: str) -> str:
    """Which looks inside the teacher help, in bold. names: those shown to; seeds: over how many each is judged."""
    if max(seeds) < 2:
        return "**It cannot say: one seed tells nothing of chance.**"
    if not names:
        return f"**Here nothing inside the teacher is shown to help{where}.**"
    said = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"**Here a look inside the teacher helps{where}: {said}.**"


def _how_rare(found: ByFrequency, together: str = "") -> str:
    """How rare words are told from common ones, and who is left out."""
    rarest, commonest = found.bands[0], found.bands[-1]
    gone = f" Left out: {counted(found.left_out, 'students')} whose training diverged." if found.left_out else ""
    return (
        f":small[Rarest and commonest: the test texts in {len(found.bands)} equal parts, by how many of the {found.counted:,} "
        f"training texts hold a text's words (the geometric mean over its words). In the part with the rarest words that is "
        f"{_many(rarest.low)} to {_many(rarest.high)}, in the one with the commonest {_many(commonest.low)} to "
        f"{_many(commonest.high)}. The teacher itself is right on {found.teacher[0]:.0%} of the first and on "
        f"{found.teacher[-1]:.0%} of the second.{together}{gone}]"
    )


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
        students = found.of(score, arm.key).T
        if not len(students):
            continue
        interval = mean_interval(students).within(0, 1)
        aside = 0.06 * (place - (len(shown) - 1) / 2)  # beside each other, not on each other
        traces.append(
            {
                "x": (bands + aside).tolist(),
                "y": interval.mean.tolist(),  # type: ignore[union-attr]
                "mode": "lines+markers",
                "name": arm.label,
                "line": role.line(1.5),
                "marker": {"color": role.colour, "symbol": role.marker, "size": 9},
                "error_y": error_bar(interval.mean, interval.low, interval.high, color=role.colour, thickness=2, width=0),
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
    rows = ((key, found.of(score, key).mean(-1)) for key in _drawn(found) if found.of(score, key).size)
    return "; ".join(f"{called_arm(spec, key)} {', '.join(f'{mean:.0%}' for mean in means)}" for key, means in rows)


def _many(frequency: float) -> str:
    return "less than one" if frequency < 1 else f"{frequency:,.0f}"
