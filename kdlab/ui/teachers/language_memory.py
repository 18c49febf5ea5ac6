"""The section "What a language model takes": memory while one learns from another, and what the teacher's kept signal fills."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from kdlab.lessons.language_memory import (
    STUDENTS,
    TEACHERS,
    Sizes,
    held_while_training,
    kept_signals,
    teachers_weights,
)
from kdlab.models.machine import Memory
from kdlab.ui.look.numbers import size
from kdlab.ui.look.style import ROLES, Figure, direct_label
from kdlab.ui.url_state import publish, url_choice
from kdlab.ui.widgets.live_plot import live_plot
from kdlab.ui.widgets.live_slider import live_slider

_FEWEST, _MOST, _USUAL = 0.1, 10_000, 100  # millions of tokens
_NEAR = 3  # times what is held: a memory that is larger is told in words and not drawn
_PARTS = {"weights": 1.0, "gradients": 0.65, "optimiser": 0.35}  # how strongly each part of the student is coloured


def show_language_memory(there: Memory) -> None:
    """Draws it; a drag and a choice rerun nothing else. there: this machine's memory."""
    st.header("What a language model takes", anchor=False)
    st.markdown(
        "Somebody must hold the teacher while it answers: in the loop with the student, or once before, and then its answers are "
        "**kept**. How much is that?"
    )

    def under_the_hand() -> None:
        asked, held, kept = st.columns([1, 1.5, 1.5], gap="large")
        with asked:
            teacher = TEACHERS[_chosen("lm_teacher", "Teacher", list(TEACHERS))]
            student = _chosen("lm_student", "Student", list(STUDENTS))
            tokens = 1e6 * live_slider(
                "Millions of tokens",
                key="lm_tokens",
                min_value=_FEWEST,
                max_value=_MOST,
                value=_USUAL,
                scale="log",
                help="Of the text that the student reads, each once. The lab's novel has 0.2; LLaMA-2 read two million of them "
                "(arXiv 2307.09288).",
            )
        with held:
            live_plot(held_figure(teacher, student, there), key="lm-held", height=230, alt=held_words(teacher, student, there), title="Held while it learns", sentence=held_words(teacher, student, there))
        with kept:
            live_plot(kept_figure(teacher, tokens), key="lm-kept", height=230, alt=kept_words(teacher, tokens), title="Kept of the teacher", sentence=kept_words(teacher, tokens))

    st.fragment(under_the_hand)()
    st.caption(
        "Student: weights and gradients at bf16, AdamW's copy and two moments in float32, 16 bytes a parameter (Rajbhandari et al. "
        "2020, arXiv 1910.02054). Activations come on top; they go by batch and length. Vocabularies and widths: "
        + "; ".join(f"{one.name}, {one.source}" for one in TEACHERS.values())
        + "."
    )


def _chosen(key: str, label: str, names: list[str]) -> str:
    options = {name: name for name in names}
    notice = url_choice(key, options, names[0])
    chosen = st.selectbox(label, names, names.index(st.session_state[key]), key=key)
    if notice:
        st.caption(notice)
    publish(key, None if chosen == names[0] else chosen)
    return chosen


def held_figure(teacher: Sizes, student: str, there: Memory) -> Figure:
    """Two bars: the student alone with its optimiser, and with its teacher in the loop; this machine's memory as a line."""
    role, own = ROLES["soft_targets"], held_while_training(STUDENTS[student])
    theirs = teachers_weights(teacher)
    rows = ["Signal kept", "Teacher in the loop"] if theirs is not None else ["Signal kept"]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "y": rows,
            "x": [bytes_ / 1e9] * len(rows),
            "width": 0.5,
            "marker": {"color": role.colour, "opacity": _PARTS[part]},
            "hovertemplate": f"the student's {part}: {size(8 * bytes_)}<extra></extra>",
        }
        for part, bytes_ in own.items()
    ]
    most = sum(own.values())
    if theirs is not None:
        most += theirs
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": rows[1:],
                "x": [theirs / 1e9],
                "width": 0.5,
                "marker": {"color": ROLES["teacher"].colour},
                "hovertemplate": f"the teacher's weights: {size(8 * theirs)}<extra></extra>",
            }
        )
    layout: dict[str, Any] = {
        "barmode": "stack",
        "xaxis": {"title": {"text": "GB"}, "rangemode": "tozero", "nticks": 5},
        "yaxis": {"ticklabelposition": "outside"},
    }
    if there.total is not None and there.total < _NEAR * most:
        layout["shapes"] = [
            {"type": "line", "x0": there.total / 1e9, "x1": there.total / 1e9, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": "@muted", "width": 2, "dash": "dash"}}
        ]  # fmt: skip
        layout["annotations"] = [
            {"x": there.total / 1e9, "y": 1, "yref": "paper", "yanchor": "bottom", "text": f"here {size(8 * there.total)}", "showarrow": False, "font": {"color": "@ink", "size": 13}}
        ]  # fmt: skip
        layout["margin"] = {"t": 26}
    return {"data": traces, "layout": layout}


def held_words(teacher: Sizes, student: str, there: Memory) -> str:
    """What is held, in sentences."""
    own, theirs = held_while_training(STUDENTS[student]), teachers_weights(teacher)
    parts = ", ".join(f"{part} {size(8 * bytes_)}" for part, bytes_ in own.items())
    said = f"{student} takes {size(8 * sum(own.values()))} while it learns: {parts}."
    if theirs is None:
        return f"{said} {teacher.name} stays with its provider: how large it is was not published."
    both = theirs + sum(own.values())
    said += f" {teacher.name} in the loop adds {size(8 * theirs)}"
    if there.total is None:
        return f"{said}."
    alone = "" if sum(own.values()) <= there.total else ", nor has it for the student alone"
    fits = "has room for both" if both <= there.total else f"has no room for both{alone}"
    return f"{said}; this machine's {size(8 * there.total)} {fits}."


def kept_figure(teacher: Sizes, tokens: float) -> Figure:
    """A bar a kind of signal, the bytes of all tokens on a scale of powers of ten."""
    found = {kind: bits * tokens / 8 for kind, bits in kept_signals(teacher).items()}
    role, lowest = ROLES["teacher"], math.log10(min(found.values())) - 1.2
    highest = math.log10(max(found.values()))
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": list(found),
                "x": list(found.values()),
                "width": 0.5,
                "marker": {"color": role.colour},
                "hovertemplate": "%{y}<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"type": "log", "range": [lowest, highest + 0.35 * (highest - lowest)], "visible": False},
            "yaxis": {"autorange": "reversed"},
            "annotations": [
                direct_label(math.log10(bytes_), kind, size(8 * bytes_), role, xanchor="left", xshift=6) for kind, bytes_ in found.items()
            ],
        },
    }


def kept_words(teacher: Sizes, tokens: float) -> str:
    """What each kind of signal fills, in sentences."""
    found = kept_signals(teacher)
    said = "; ".join(f"{kind[0].lower()}{kind[1:]} {size(bits * tokens)}" for kind, bits in found.items())
    closed = " Behind its API nobody sees more." if teacher.width is None else ""
    return f"For {tokens:,.0f} tokens of text, of {teacher.name}: {said}.{closed}"
