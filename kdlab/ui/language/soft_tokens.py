"""The soft targets of the next token: what teacher and student say comes after a place of a text, under a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from kdlab.core.divergences import forward_kl
from kdlab.core.probability import entropy, softmax
from kdlab.runs.text_recipes import TextRecipe
from kdlab.ui.examples.words import percent
from kdlab.ui.language.asked_text import AskedText
from kdlab.ui.look.style import ROLES
from kdlab.ui.url_state import literal
from kdlab.ui.widgets.field_slider import field_slider, span_of
from kdlab.ui.widgets.live_slider import slider_values
from kdlab.ui.widgets.token_bars import BarRow, BarSeries, Fact, token_bars

LIKELIEST = 12
_TEMPERATURE = TextRecipe.model_fields["temperature"]
OTHERS = "all others"


@dataclass(frozen=True, eq=False)
class SoftTokens:
    """What follows a place at n temperatures, of V tokens.

    ``tokens`` (R,): the teacher's likeliest, and the one that came where it is none of these. ``rank``: the teacher's of the one
    that came, from 1. ``teacher`` (n, R + 1), and ``student`` or None: their probabilities, and in the last column that of all
    others together. ``entropy``, and ``student_entropy`` or None: (n,) bits. ``kl`` (n,) nats, or None.
    """

    temperatures: tuple[float, ...]
    tokens: tuple[int, ...]
    came: int | None
    rank: int | None
    teacher: np.ndarray
    entropy: np.ndarray
    student: np.ndarray | None = None
    student_entropy: np.ndarray | None = None
    kl: np.ndarray | None = None


def temperatures() -> tuple[float, ...]:
    """All places of the slider."""
    return tuple(slider_values(**span_of(_TEMPERATURE)))


def soft_tokens(text: AskedText, place: int, at: Sequence[float]) -> SoftTokens:
    """What teacher and student say comes after this place, at each of the temperatures."""
    heat = np.array(at)[:, None]
    logits = text.teacher_logits[place]
    likeliest = np.argsort(-logits, kind="stable")[:LIKELIEST].tolist()
    came = text.came(place)
    tokens = likeliest if came is None or came in likeliest else [*likeliest, came]
    p = softmax(logits, heat)
    found = {"temperatures": tuple(at), "tokens": tuple(tokens), "came": came}
    found["rank"] = None if came is None else 1 + int((logits > logits[came]).sum())
    found |= {"teacher": _with_others(p, tokens), "entropy": entropy(p)}
    if text.student_logits is not None:
        q = softmax(text.student_logits[place], heat)
        found |= {"student": _with_others(q, tokens), "student_entropy": entropy(q), "kl": forward_kl(p, q)}
    return SoftTokens(**found)


def _with_others(p: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
    """(n, V) → (n, R + 1)."""
    few = p[:, list(tokens)]
    return np.column_stack([few, np.clip(1 - few.sum(-1), 0, 1)])


def show_soft_tokens(text: AskedText, place: int, *, prefix: str) -> None:
    """Draws the slider and the bars that follow it in the browser; below, what is seen at T = 1."""
    key = f"{prefix}at_T"
    temperature = field_slider(
        _TEMPERATURE,
        key,
        title="Temperature T",
        help="Divides the logits of both models before the softmax. At T = 1 they speak as they were trained; above it the "
        "thousands of unlikely tokens together soon have most of the probability.",
        at_rest=True,
    )
    at = temperatures()
    found = soft_tokens(text, place, at)
    teacher = ROLES["teacher"]
    series = [BarSeries(teacher.name, teacher, found.teacher)]
    facts = [Fact("Teacher's entropy", found.entropy, "bits")]
    if found.student is not None:
        series.append(BarSeries(text.student, text.role, found.student))
        facts += [Fact("Student's entropy", found.student_entropy, "bits"), Fact("KL, teacher to student", found.kl, "nats")]
    token_bars(
        f"What comes after {text.written(int(text.ids[place])) if place else 'the beginning'}: probabilities of the next token",
        bar_rows(text, found),
        series,
        facts,
        key=prefix,
        slider=key,
        temperatures=at,
        temperature=temperature,
    )
    st.markdown(after_in_words(text, place))


def bar_rows(text: AskedText, found: SoftTokens) -> list[BarRow]:
    """What is written beside each bar: the token, and that it came."""
    rows = [
        BarRow(text.written(token), _came_as(found) if token == found.came else "", token == found.came) for token in found.tokens
    ]
    rest = len(text.pieces) - len(found.tokens)
    return [*rows, BarRow(OTHERS, f"{rest:,} tokens")]


def _came_as(found: SoftTokens) -> str:
    return "came next" if found.rank is None or found.rank <= LIKELIEST else f"came next, rank {found.rank:,}"


def after_in_words(text: AskedText, place: int) -> str:
    """What is seen after a place at T = 1. Markdown."""
    p = text.teacher[place]
    read = f"After {_named(text, int(text.ids[place]))}" if place else "Before a word is read"
    likeliest, came = int(p.argmax()), text.came(place)
    begin = (
        f"{read} the teacher is as undecided as among **{2 ** text.entropy[place]:,.0f}** equally likely tokens "
        f"({text.entropy[place]:.1f} bits at T = 1). It finds {_named(text, likeliest)} likeliest, {percent(p[likeliest])}"
    )
    if came is None:
        told = f"{begin}; here the text ends"
    elif came == likeliest:
        told = f"{begin}, and that came"
    else:
        told = f"{begin}; {_named(text, came)} came, rank {1 + int((p > p[came]).sum()):,}, {percent(p[came])}"
    if text.pupil is None:
        return f"{told}."
    q, kl = text.pupil[place], text.kl[place]
    theirs = int(q.argmax())
    same = "the same token" if theirs == likeliest else _named(text, theirs)
    return f"{told}. The student finds {same} likeliest, {percent(q[theirs])}; it is {kl:.2f} nats from the teacher (KL)."


def _named(text: AskedText, token: int) -> str:
    return literal(text.written(token))
