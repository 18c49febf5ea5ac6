"""What one query reveals: each rung of the ladder drawn for one example, with its bytes."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from kdlab.core.counted import counted
from kdlab.distill.access import Access
from kdlab.models.catalogue import shown_by, teacher_card
from kdlab.models.inside_examples import InsideExample, inside_examples
from kdlab.ui.access.drawings import coloured_text, heat, image, map_of
from kdlab.ui.examples.subjects import Subject
from kdlab.ui.examples.words import called, percent
from kdlab.ui.look.numbers import size

_SHOWN = 3  # classes on the rung between one and all
_BITS_INSIDE = 16


@dataclass(frozen=True)
class Rung:
    """A card: what the teacher sends, as a drawing in HTML; what that adds, and to which rung."""

    title: str
    drawing: str
    size: str
    adds: str


def show_reveals(teacher: str | None, example: int | None, subject: Subject) -> None:
    """Draws the rungs for an example. example: its number in the test set; None for what a visitor gave."""
    kept: dict[int, InsideExample] = {}
    try:
        kept = {} if teacher is None else inside_examples(teacher)
    except ValueError as fault:
        st.warning(str(fault), icon=":material/error:")
    inside = None if example is None else kept.get(example)
    if kept and inside is None:
        st.caption("Of this example only the outputs are kept; those of the gallery show the teacher's inside too.")
    elif inside is None:
        st.caption("Only the outputs are shown here; the teachers of pictures and of glosses show their inside too.")
    css = Path(__file__).with_name("reveals.css").read_text(encoding="utf-8")
    cards = "".join(
        f'<section class="kd-rung"><h3>{rung.title}</h3><p class="kd-size">{rung.size}</p>{rung.drawing}<p>{rung.adds}</p></section>'
        for rung in rungs(teacher, inside, subject)
    )
    st.html(f'<style>{css}</style><div class="kd-rungs">{cards}</div>')


def rungs(teacher: str | None, inside: InsideExample | None, subject: Subject) -> list[Rung]:
    """From the label to the weights; those inside the teacher only where they were kept for the example."""
    p = subject.soft_targets(1.0)
    names, classes = [called(name) for name in subject.classes], len(p)
    order = np.argsort(-p, kind="stable")
    first = int(order[0])
    found = [
        Rung(
            "Label",
            f'<p class="kd-word">{html.escape(names[first])}</p>',
            size(Access("label").bits_per_query(classes)),
            "The answer, and nothing else.",
        ),
        Rung(
            "Label and probability",
            f'<p class="kd-word">{html.escape(names[first])} <b>{percent(float(p[first]))}</b></p>',
            size(Access("top_k", 1).bits_per_query(classes)),
            "Adds how sure it is: where there is doubt, not between whom.",
        ),
        *(
            [
                Rung(
                    f"Top {_SHOWN}",
                    _bars([names[k] for k in order[:_SHOWN]], p[order[:_SHOWN]]),
                    size(Access("top_k", _SHOWN).bits_per_query(classes)),
                    "Adds who else was in question, as far as an API shows it.",
                )
            ]
            if classes > _SHOWN
            else []
        ),
        Rung(
            "All probabilities",
            _bars(names, p),
            size(Access("probabilities").bits_per_query(classes)),
            "Adds the faint ones. Heated, they are the soft targets.",
        ),
    ]
    if teacher is None or shown_by(teacher) == "everything":
        found.append(_logits(names, subject))
    if teacher is None or inside is None:
        return found
    drawn = _inside_of_text(inside, names, first) if inside.pieces else _inside_of_picture(inside, names, first, subject)
    weights = Rung(
        "Weights",
        image(
            heat(_strip(inside.output_weights)),
            f"the last layer, {counted(inside.output_weights.shape[0], 'classes')} by {counted(inside.output_weights.shape[1], 'channels')}",
        ),
        f"{size(32 * teacher_card(teacher)['parameters'])}, once",
        "Answers every query there is. Here: its last layer.",
    )
    return [*found, *drawn, weights]


def _logits(names: list[str], subject: Subject) -> Rung:
    if subject.is_logits:
        drawing = _bars(names, subject.answer, signed=True)
        adds = (
            "Adds one number to the probabilities: their common height, which no softmax shows. Here as they are; "
            "the page Loss takes that height away and shows each minus their mean."
        )
    else:
        drawing = '<p class="kd-word">not known</p>'
        adds = (
            "You typed probabilities. Many logits give the same ones: they differ in their common height, which no "
            "probability tells. Type logits to see them here."
        )
    return Rung("Logits", drawing, size(Access("logits").bits_per_query(len(names))), adds)


def _inside_of_picture(inside: InsideExample, names: list[str], first: int, subject: Subject) -> list[Rung]:
    positions, channels = inside.hidden.shape
    attention, slope = inside.attention, inside.jacobian[first].astype(np.float32)
    side = round(positions**0.5)
    found = [
        Rung(
            "Hidden states",
            image(
                heat(inside.hidden.astype(np.float32)),
                f"{counted(positions, 'positions')} by {counted(channels, 'channels')}; {np.mean(inside.hidden > 0):.0%} of the numbers are above 0",
            ),
            size(_BITS_INSIDE * inside.hidden.size),
            "Says nothing of classes by itself: what the teacher sees, before it judges.",
        )
    ]
    if side * side == positions and positions > 1:
        y, x = divmod(int(attention.argmax()), side)
        found.append(
            Rung(
                "Attention",
                map_of(
                    heat(attention.reshape(side, side)),
                    f"a map of {side} by {side}; it looks most at row {y + 1}, column {x + 1}",
                    subject.picture,
                    subject.name,
                ),
                size(_BITS_INSIDE * positions),
                "Made of the hidden states: where they are large, not what they say.",
            )
        )
    y, x = np.unravel_index(int(np.abs(slope).argmax()), slope.shape)
    found.append(
        Rung(
            "Gradients",
            map_of(
                heat(slope),
                f"how each pixel moves the logit of {names[first]}; most at row {y + 1}, column {x + 1}, "
                f"by {_signed(slope[y, x])} for a pixel from black to white",
                subject.picture,
                subject.name,
            ),
            f"{size(_BITS_INSIDE * inside.jacobian.size)}; {size(_BITS_INSIDE * len(names))} for one direction",
            "Adds to the logits what they would be next to this example.",
        )
    )
    return found


def _inside_of_text(inside: InsideExample, names: list[str], first: int) -> list[Rung]:
    looked_at, slope = inside.attention.astype(np.float32).mean(0), inside.jacobian[first].astype(np.float32)
    seen, moving = int(looked_at.argmax()), int(slope.argmax())
    return [
        Rung(
            "Hidden states",
            image(
                heat(_strip(inside.hidden.astype(np.float32))),
                f"{counted(inside.hidden.shape[0], 'word pieces')} by {counted(inside.hidden.shape[1], 'channels')}, a row a piece",
            ),
            size(_BITS_INSIDE * inside.hidden.size),
            "Says nothing of classes by itself: what the teacher makes of each piece, before it judges.",
        ),
        Rung(
            "Attention",
            coloured_text(
                inside.pieces,
                looked_at,
                f"how much the pieces look to each, a mean over heads and pieces; most to “{inside.pieces[seen]}”, {looked_at[seen]:.0%}",
            ),
            f"{size(_BITS_INSIDE * inside.attention.size)} for a map",
            "Where it looks, not what it makes of it.",
        ),
        Rung(
            "Gradients",
            coloured_text(
                inside.pieces,
                slope,
                f"how far a small step of each piece's embedding can move the logit of {names[first]}; most “{inside.pieces[moving]}”, "
                f"by {slope[moving]:.2f} for a step of a tenth of its length",
            ),
            f"{size(_BITS_INSIDE * len(names) * inside.hidden.size)}; {size(_BITS_INSIDE * len(names))} for one direction",
            "Adds to the logits what they would be next to this gloss.",
        ),
    ]


def _strip(values: np.ndarray) -> np.ndarray:
    """A table that is much wider than high, with its rows drawn so often that it is about a third as high."""
    return np.repeat(values, max(1, round(values.shape[1] / 3 / values.shape[0])), axis=0)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _bars(names: list[str], values: np.ndarray, signed: bool = False) -> str:
    """Horizontal bars with their numbers; signed ones on either side of a line."""
    most = float(np.abs(values).max()) or 1.0
    rows = []
    for name, value in zip(names, values, strict=True):
        share = 100 * abs(float(value)) / most
        width = share / 2 if signed else share
        left = 50 - (width if value < 0 else 0) if signed else 0
        number = f"{value:.1f}".replace("-", "−") if signed else percent(float(value))
        rows.append(
            f'<dt>{html.escape(name)}</dt><dd><i style="margin-left:{left:.1f}%;width:{width:.1f}%"></i></dd><dd>{number}</dd>'
        )
    return f'<dl class="kd-bars">{"".join(rows)}</dl>'
