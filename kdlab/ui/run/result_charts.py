"""Figures of a finished run: the gain in two parts, the classes, the price."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.distill.metrics import Metric
from kdlab.runs.comparison import Comparison, gain_of, in_words, signed
from kdlab.runs.contrasts import Contrast
from kdlab.runs.spec import Spec
from kdlab.ui.look.series import error_bar
from kdlab.ui.look.style import ROLES, Figure, Role, arm_role, direct_label

_PERCENT = ".0%"


def gain_split(spec: Spec, found: Comparison, contrast: Contrast) -> Figure:
    """From a contrast of the main score, its subtrahend to its minuend, in the parts that it has, each with its 95 % interval.

    The ends are markers and the parts floating bars: the axis need not start at zero. The teacher's line is that of its score.
    """
    metric = found.metric
    roles = {arm.key: arm_role(arm.hue, arm.label, place) for place, arm in enumerate(spec.arms)}
    parts = [one for one in found.found if one.contrast.key in contrast.parts] or [
        one for one in found.found if one.contrast.key == contrast.key
    ]
    steps = [
        (_two_lines(one.contrast.label), found.score[one.contrast.subtrahend].mean, one.difference, roles[one.contrast.minuend])
        for one in parts
    ]
    ends = [(contrast.subtrahend, 0), (contrast.minuend, len(steps) + 1)]
    teacher = ROLES["teacher"]
    traces: list[dict[str, Any]] = []
    labels = [_plain_label(0, found.teacher_score, f"Teacher {found.teacher_score:{metric.form}}", teacher, xanchor="center")]
    for key, place in ends:
        role, interval = roles[key], found.score[key]
        traces.append(
            {
                "x": [place],
                "y": [interval.mean],
                "mode": "markers",
                "marker": {"color": role.colour, "symbol": role.marker, "size": 16},
                "error_y": error_bar(interval.mean, interval.low, interval.high, **_STROKE),
                "hovertemplate": f"%{{y:{metric.form}}}<extra>{role.name}</extra>",
            }
        )
        labels.append(_plain_label(place, _top(interval.mean, interval), f"{interval.mean:{metric.form}}", role))
    for place, (name, start, interval, role) in enumerate(steps, start=1):
        traces.append(
            {
                "type": "bar",
                "x": [place],
                "y": [interval.mean],
                "base": [start],
                "width": 0.5,
                "marker": _block(gain_of(interval, metric), role),
                "error_y": error_bar(interval.mean, interval.low, interval.high, **_STROKE),
                "hovertemplate": f"{in_words(interval, metric.name)}<extra>{name}</extra>",
            }
        )
        labels.append(
            _plain_label(
                place,
                max(start, _top(start + interval.mean, interval)),
                _step_words(interval, metric),
                role,
                **_ink(gain_of(interval, metric)),
            )
        )
    heights = [label["y"] for label in labels]
    shown = [found.score[key] for key, _ in ends]
    bottoms = [s + (i.mean if i.n < 2 else min(0.0, i.low)) for _, s, i, _ in steps]
    bottoms += [found.teacher_score, *(i.mean if i.n < 2 else i.low for i in shown)]
    # Room for the labels: of a share two and five points, of another quantity as much of what is seen.
    room = 1.0 if metric.is_share else 4 * (max(heights) - min(bottoms) or 0.01)
    names = [_two_lines(roles[ends[0][0]].name), *(name for name, *_ in steps), _two_lines(roles[ends[1][0]].name)]
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "tickvals": list(range(len(names))),
                "ticktext": names,
                "tickangle": 0,
                "range": [-0.6, len(names) - 0.4],
                "showgrid": False,
            },
            "yaxis": {
                "title": {"text": metric.axis_title},
                "tickformat": metric.tick_form,
                "range": [min(bottoms) - 0.02 * room, max(heights) + 0.05 * room],
            },
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    **_level(found.teacher_score),
                    "line": teacher.line(2),
                }
            ],
            "annotations": labels,
            "barmode": "overlay",
        },
    }


def _two_lines(name: str) -> str:
    return name.replace(" ", "<br>", 1)


def _block(gain: Interval, role: Role) -> dict[str, Any]:
    """A gain is full, a harm hatched in the ink of words, what is not shown to be either pale."""
    if gain.contains_zero:
        return {"color": role.colour, "opacity": 0.3, "line": {"color": role.colour, "width": 1.5}}
    if gain.mean > 0:
        return {"color": role.colour, "opacity": 0.75}
    hatch = {"shape": "/", "fgcolor": "@ink", "bgcolor": "rgba(0,0,0,0)", "size": 9, "solidity": 0.25}
    return {"color": "@ink", "pattern": hatch, "line": {"color": "@ink", "width": 1.5}}


def _step_words(interval: Interval, metric: Metric) -> str:
    points = signed(interval.mean, metric)
    if interval.n < 2:
        return points  # with one seed nothing is said of chance
    if interval.contains_zero:
        return f"{points}<br>not shown"
    judged = "better" if metric.gain(float(interval.mean)) > 0 else "worse"
    return f"{'▲' if interval.mean > 0 else '▼'} {points}<br>{judged}"


def _ink(gain: Interval) -> dict[str, Any]:
    harm = not gain.contains_zero and gain.mean < 0
    return {"yanchor": "bottom", "yshift": 2} | ({"font": {"color": "@ink", "size": 13}} if harm else {})


def _level(y: float) -> dict[str, float]:
    return {"y0": y, "y1": y}


_STROKE: dict[str, Any] = {"color": "@ink", "thickness": 1.5, "width": 5}


def _top(y: float, interval: Interval) -> float:
    return float(y if interval.n < 2 else y + interval.high - interval.mean)


def _plain_label(x: float, y: float, text: str, role: Role, **annotation: Any) -> dict[str, Any]:
    return direct_label(x, y, text, role, **{"xanchor": "center", "xshift": 0, "yshift": 12, "bgcolor": "@ground"} | annotation)


def per_class(spec: Spec, result: dict[str, Any], classes: tuple[str, ...]) -> Figure:
    """Accuracy of each true class, a row a class: the arms' means over seeds (`told_by_class`) and the teacher."""
    return _rows_of_shares(spec, result, "per_class", result["teacher_per_class"], classes, "Accuracy on the class")


def per_frequency(spec: Spec, result: dict[str, Any]) -> Figure:
    """How often the likeliest token is the right one, a row for tokens that the training text has as often; as `per_class`."""
    bands = frequency_names(result["frequency_bins"])
    theirs = result["teacher"]["by_frequency"]
    return _rows_of_shares(spec, result, "by_frequency", theirs, bands, "Test tokens that are the likeliest where they stand")


_MOST = 10**9
"""Where the last band of frequencies ends: nowhere."""


def frequency_names(bands: list[list[int]]) -> tuple[str, ...]:
    """What bands of tokens are called, from the least and the most that the training text has each of them."""
    return tuple(f"{low:,} times or more" if high >= _MOST else f"{low:,} to {high:,} times" for low, high in bands)


def _rows_of_shares(
    spec: Spec, result: dict[str, Any], kept_as: str, theirs: list[float | None], classes: tuple[str, ...], axis: str
) -> Figure:
    """A row of shares each: the arms' means over seeds and the teacher's. kept_as: what an arm's result calls them, (seeds, rows)."""
    shown, told = [(ROLES["teacher"], np.array(theirs, dtype=float))], told_by_class(spec)
    for place, (arm, kept) in enumerate(zip(spec.arms, result["arms"], strict=True)):
        if arm.key in told:
            shown.append((arm_role(arm.hue, arm.label, place), class_means(kept[kept_as])))
    traces = [
        {
            "x": [float(value) if np.isfinite(value) else None for value in values],
            "y": list(classes),
            "mode": "markers",
            "name": role.name,
            "marker": {"color": role.colour, "symbol": role.marker, "size": 11},
            "hovertemplate": f"%{{y}} %{{x:.1%}}<extra>{role.name}</extra>",
        }
        for role, values in shown
    ]
    every = np.array([values for _, values in shown])
    rails = [
        {
            "type": "line",
            "x0": float(np.nanmin(every[:, k])),
            "x1": float(np.nanmax(every[:, k])),
            "y0": k,
            "y1": k,
            "line": {"color": "@grid", "width": 6},
            "layer": "below",
        }
        for k in range(len(classes))
        if np.isfinite(every[:, k]).any()
    ]
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": axis}, "tickformat": _PERCENT},
            "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False},
            "shapes": rails,
            "showlegend": True,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        },
    }


_FEW_ARMS = 7  # whose marks are still told apart in a row


def told_by_class(spec: Spec) -> tuple[str, ...]:
    """The keys of the arms whose classes are shown: all of a few, else the first and those of the run's question."""
    keys = [arm.key for arm in spec.arms]
    if len(keys) <= _FEW_ARMS or not spec.contrasts:
        return tuple(keys)
    asked = {keys[0], spec.contrasts[0].minuend, spec.contrasts[0].subtrahend}
    return tuple(key for key in keys if key in asked)


def class_means(per_class: list[list[float | None]]) -> np.ndarray:
    """(seeds, K) → (K,): means over the students that have numbers; NaN where none has."""
    values = np.array(per_class, dtype=float)
    sound = np.isfinite(values).any(axis=1)  # one that diverged has none, a class without an example is NaN for all
    return values[sound].mean(0) if sound.any() else np.full(values.shape[1], np.nan)


# key, title, unit, format, and the words for less and for more of it
_COSTS = (
    ("parameters", "Parameters", "", ",.0f", "fewer", "more"),
    ("memory_mib", "Memory", "MiB", ".2g", "less", "more"),
    ("flops", "FLOPs an example", "", ",.0f", "fewer", "more"),
    ("latency_ms", "Time for one example", "ms", ".3f", "faster", "slower"),
)


def costs(profiles: dict[str, dict[str, float]]) -> Figure:
    """What the student costs as a share of the teacher, on a linear scale, with both numbers and the multiple."""
    rows = _cost_rows(profiles)
    names = [f"{title}<br>{told}" for title, told, *_ in rows]
    shares = [share for *_, share in rows]
    longest = max([1.0, *(share for share in shares if np.isfinite(share))])
    teacher, student = ROLES["teacher"], ROLES["soft_targets"]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [share if np.isfinite(share) else None for share in shares],
                "y": names,
                "marker": {"color": student.colour},
                "hoverinfo": "skip",
            }
        ],
        "layout": {
            "xaxis": {
                "title": {"text": "The student's share of the teacher's cost"},
                "tickformat": _PERCENT,
                "range": [0, 1.5 * longest],
                "tickvals": [0, 0.25, 0.5, 0.75, 1, *((longest,) if longest > 1.2 else ())],
            },
            "yaxis": {"autorange": "reversed", "showgrid": False},
            "annotations": [
                direct_label(share, name, words, student)
                for name, (_, _, words, share) in zip(names, rows, strict=True)
                if np.isfinite(share)
            ],
            "shapes": [
                {
                    "type": "line",
                    "x0": 1,
                    "x1": 1,
                    "yref": "paper",
                    "y0": 0,
                    "y1": 1,
                    "line": teacher.line(2),
                }
            ],
        },
    }


def costs_in_words(profiles: dict[str, dict[str, float]]) -> str:
    """The same as `costs`, for those who do not see it."""
    return " ".join(f"{title}: {told}, {words}." for title, told, words, _ in _cost_rows(profiles))


def _cost_rows(profiles: dict[str, dict[str, float]]) -> list[tuple[str, str, str, float]]:
    """A row a cost that one of them tells: its title, "teacher → student" with the unit, the multiple in words, the student's share.

    The share is NaN where either cost was not measured.
    """
    rows = []
    for key, title, unit, form, less, more in _COSTS:
        if all(key not in profiles[who] for who in ("teacher", "student")):
            continue
        t, s = (float(profiles[who].get(key) or "nan") for who in ("teacher", "student"))
        known = np.isfinite([t, s]).all() and min(t, s) > 0
        told = f"{t:{form}} → {s:{form}} {unit}".strip() if known else "not measured"
        rows.append((title, told, multiple(t, s, less, more) if known else "", s / t if known else np.nan))
    return rows


def multiple(teacher: float, student: float, less: str, more: str) -> str:
    """How many times: "19× fewer", "1.4× slower", "the same"."""
    times = max(teacher, student) / min(teacher, student)
    if times < 1.05:
        return "the same"
    number = f"{times:.1f}" if times < 9.95 else f"{times:,.0f}"
    return f"{number}× {less if student < teacher else more}"
