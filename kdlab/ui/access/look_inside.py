"""Look inside: what a student looks at and holds, before it was taught and after, beside its teacher."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import streamlit as st

from kdlab.core.counted import counted
from kdlab.data.registry import get_dataset
from kdlab.models.inside_examples import inside_examples
from kdlab.runs import artifacts
from kdlab.runs.inside_kept import TEACHER, InsideKept, of_arm
from kdlab.runs.ladder import ALL, INSIDE
from kdlab.runs.recorded import recorded_inside
from kdlab.runs.spec import RunSpec
from kdlab.server.picture_source import picture as picture_address
from kdlab.ui.access.drawings import coloured_text, heat, image, picture
from kdlab.ui.examples.subjects import example_name
from kdlab.ui.run.source import Shown
from kdlab.ui.url_state import place_of, publish, url_choice


def show_look_inside(shown: Shown, teacher: str | None, example: int | None) -> None:
    """Draws it for the run on show. teacher, example: those that the page has in hand; another one where the run kept none of it."""
    st.header("Look inside", anchor=False)
    spec = shown.run.spec
    kept = recorded_inside(shown.stand_in) if shown.recorded else artifacts.load_inside(shown.run.id)
    if kept is None:
        st.markdown(
            "This run kept nothing of what its students hold inside. A ladder keeps it at its end, where its teacher's weights "
            "are here and both have a hidden layer that the lab looks into."
        )
        return
    number = example if teacher == spec.teacher and example in kept.examples else kept.examples[0]

    def draw() -> None:
        _side_by_side(spec, kept, number)

    st.fragment(draw)()


def _side_by_side(spec: RunSpec, kept: InsideKept, example: int) -> None:
    arms = {arm.key: arm.label for arm in spec.arms if kept.layers(of_arm(arm.key))}
    default = next((key for key in arms if key in INSIDE), ALL if ALL in arms else next(iter(arms)))
    left, middle, right = st.columns(3)
    with left:
        arm = _choose("Student of", "inside", arms, default)
    after, before = of_arm(arm), kept.beginning(arm)
    with middle:
        theirs = _choose_layer("Teacher's layer", "theirs", kept, TEACHER)
    with right:
        ours = _choose_layer("Student's layer", "ours", kept, after)
    seen = (("Teacher", TEACHER, theirs), ("Student before", before, ours), ("Student after", after, ours))
    cards, strips = "", ""
    for title, whose, layer in seen:
        attention = kept.seen(whose, layer, "attention", example)
        if attention.size > 1:
            cards += f'<section class="kd-rung"><h3>{title}, layer {layer}</h3>{drawn_attention(spec, attention, example)}</section>'
        strip = kept.seen(whose, layer, "strip", example)
        said = f"{title}: {counted(strip.size, 'channels')}, {np.mean(strip > 0):.0%} of them above 0"
        strips += f"<dt>{html.escape(said)}</dt><dd>{picture(heat(strip[None]), said)}</dd>"
    if cards and get_dataset(spec.dataset).kind == "image":
        shown = picture_address(spec.dataset, example)
        alt = html.escape(example_name(spec.teacher, example))
        cards = f'<section class="kd-rung"><h3>The example</h3><img src="{shown}" alt="{alt}"></section>{cards}'
    css = Path(__file__).with_name("look_inside.css").read_text(encoding="utf-8")
    name = html.escape(example_name(spec.teacher, example))
    st.html(
        f"<style>{css}</style><p>Of the test set: {name}.</p>"
        + (f'<div class="kd-rungs">{cards}</div>' if cards else "")
        + f'<dl class="kd-strips">{strips}</dl>'
    )
    st.markdown(likeness_words(spec, kept, arm, ours, theirs))
    st.caption(
        ("Above: where each layer looks, a mean over its heads where it has some. Below: each" if cards else "Each")
        + " channel's mean over all places. Each picture is coloured by its own largest number. The student is the first of "
        "its arm's seeds, before and after its training."
    )


def drawn_attention(spec: RunSpec, attention: np.ndarray, example: int) -> str:
    """An attention map as HTML: over a picture's places, or over a text's word pieces."""
    if get_dataset(spec.dataset).kind == "token":
        pieces = inside_examples(spec.teacher)[example].pieces
        looked_at = attention if attention.ndim == 1 else attention.sum(0) / len(pieces)
        looked_at = looked_at[: len(pieces)]
        return coloured_text(pieces, looked_at, f"it looks most to “{pieces[int(looked_at.argmax())]}”")
    side = round(attention.size**0.5)
    y, x = divmod(int(attention.argmax()), side)
    return image(
        heat(attention.reshape(side, side)), f"a map of {side} by {side}; it looks most at row {y + 1}, column {x + 1}"
    )


def likeness_words(spec: RunSpec, kept: InsideKept, arm: str, ours: int, theirs: int) -> str:
    """How alike the student's attention and the teacher's are, before and after, beside a student of logits alone. Markdown."""
    maps = (kept.seen(who, layer, "attention", kept.examples[0]) for who, layer in ((TEACHER, theirs), (of_arm(arm), ours)))
    if any(attention.size == 1 for attention in maps):
        return "A layer of a single place looks nowhere in particular: it has channels to compare, and no map."
    before, after = (kept.likeness(whose, ours, theirs) for whose in (kept.beginning(arm), of_arm(arm)))
    if before is None or after is None:
        return "These two layers look at other places, so their maps do not compare one by one: choose another pair."
    alone = kept.likeness(of_arm(ALL), ours, theirs) if arm != ALL and kept.layers(of_arm(ALL)) else None
    beside = "" if alone is None else f" A student of logits alone gets to {alone:.2f}."
    return (
        f"Over {counted(len(kept.examples), 'examples that were kept', 'example that was kept')}, this student's attention is **{before:.2f}** like the teacher's "
        f"before and **{after:.2f}** after (cosine of the two maps; 1 is the same).{beside}"
    )


def _choose_layer(label: str, key: str, kept: InsideKept, whose: str) -> int:
    layers = [str(layer) for layer in kept.layers(whose)]
    return int(_choose(label, key, dict(zip(layers, layers, strict=True)), layers[-1]))


def _choose(label: str, key: str, titles: dict[str, str], default: str) -> str:
    notice = url_choice(key, titles, default)
    chosen = st.selectbox(label, list(titles), place_of(key, titles), key=key, format_func=titles.__getitem__)
    if notice:
        st.caption(notice)
    publish(key, None if chosen == default else chosen)
    return chosen
