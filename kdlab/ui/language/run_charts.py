"""Pictures of experiments with language models: what a signal's bytes buy, and how near students are on two texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kdlab.distill.arms import Arm
from kdlab.runs.curves import Curves
from kdlab.ui.look.numbers import number, size
from kdlab.ui.look.series import error_bar
from kdlab.ui.look.style import Figure, Role
from kdlab.ui.run.charts import drawn_as

_NAMED_BESIDE = {"xanchor": "left", "xshift": 10, "showarrow": False}


def economy(curves: Curves, arms: tuple[Arm, ...], sent: Mapping[str, float]) -> tuple[Figure, str]:
    """KL from the teacher at the last point over the bytes that are stored for a token (both on a scale of powers of ten), with
    95 % intervals over seeds; and what it shows in words. sent: bytes by the arm's key, for those that have a teacher."""
    traces: list[dict[str, Any]] = []
    named: list[dict[str, Any]] = []
    said: list[str] = []
    for role, arm in drawn_as(arms):
        mean, half = _last(curves, "kl", arm.key)
        if arm.key not in sent or not np.isfinite(mean) or mean <= 0:
            continue
        traces.append(_dot(sent[arm.key], mean, role, f"{arm.label}: %{{x:,.0f}} bytes, KL %{{y:.2f}}", y_half=half))
        # An axis of powers of ten takes a note's place as the power.
        named.append({"x": float(np.log10(sent[arm.key])), "y": float(np.log10(mean)), "text": arm.label, "font": {"color": role.ink, "size": 13}, **_NAMED_BESIDE})
        said.append(f"{arm.in_a_sentence}, {size(8 * sent[arm.key])}: {number(mean)} nats")
    figure: Figure = {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "Bytes stored for a token"}, "type": "log", "dtick": 1, "range": [-0.2, 4.2]},
            "yaxis": {"title": {"text": "KL from the teacher, nats"}, "type": "log", "nticks": 6},
            "annotations": named,
        },
    }
    return figure, "; ".join(said) + "."


def both_texts(curves: Curves, arms: tuple[Arm, ...]) -> tuple[Figure, str]:
    """Each arm at the last point: KL from the teacher on held-out text, and KL to it on what the student writes; in words too."""
    traces: list[dict[str, Any]] = []
    named: list[dict[str, Any]] = []
    said: list[str] = []
    for role, arm in drawn_as(arms):
        (held, held_half), (own, own_half) = (_last(curves, metric, arm.key) for metric in ("kl", "own_kl"))
        if not np.isfinite([held, own]).all():
            continue
        traces.append(_dot(held, own, role, f"{arm.label}: %{{x:.2f}} held-out, %{{y:.2f}} on its own text", held_half, own_half))
        named.append({"x": held, "y": own, "text": arm.label, "font": {"color": role.ink, "size": 13}, **_NAMED_BESIDE})
        said.append(f"{arm.in_a_sentence} {number(held)} and {number(own)}")
    figure: Figure = {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "KL from the teacher on held-out text, nats"}},
            "yaxis": {"title": {"text": "KL to the teacher on its own text, nats"}},
            "annotations": named,
            "margin": {"r": 24},
        },
    }
    return figure, "On held-out text and on their own, in nats: " + "; ".join(said) + "."


def _last(curves: Curves, metric: str, arm: str) -> tuple[float, float]:
    line = curves.line(metric, arm)
    return float(line.mean[-1]), float(line.half[-1])


def _dot(x: float, y: float, role: Role, hover: str, x_half: float = np.nan, y_half: float = np.nan) -> dict[str, Any]:
    dot: dict[str, Any] = {
        "x": [x],
        "y": [y],
        "mode": "markers",
        "marker": {"color": role.colour, "symbol": role.marker, "size": 12},
        "hovertemplate": f"{hover}<extra></extra>",
    }
    for axis, value, half in (("error_x", x, x_half), ("error_y", y, y_half)):
        if np.isfinite(half):
            dot[axis] = error_bar(value, value - half, value + half, color=role.colour, thickness=2, width=0)
    return dot
