"""Conventions: a library's own settings, and the loss that they really are on the example in hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st

from kdlab.core.convention_terms import SMALLEST, Convention, Terms, Translation, WeightedSum, mix
from kdlab.core.conventions import CONVENTIONS
from kdlab.ui.look.numbers import minus
from kdlab.ui.look.tokens import ROLE_INKS
from kdlab.ui.loss.conventions_charts import ROW_PIXELS, loss_bars
from kdlab.ui.loss.words import times
from kdlab.ui.url_state import place_of, publish, url_choice
from kdlab.ui.widgets.live_plot import live_plot
from kdlab.ui.widgets.live_slider import live_slider

DEFAULT = "keras_example"
EQUAL = 5e-4
"""Two losses as near as this are shown with the same three digits."""
PHONE_LETTERS = 17
"""Letters of two terms that still fit beside each other on a phone."""


@st.fragment
def conventions(
    student_logits: np.ndarray,
    teacher_logits: np.ndarray,
    label: int,
    classes: Sequence[str],
    temperature: float,
    kd_weight: float,
) -> None:
    """Draws the section. logits: (K,); temperature and kd_weight: the page's own. What moves here moves alone."""
    css = Path(__file__).with_name("conventions.css").read_text(encoding="utf-8")
    st.html(f"<style>.kd-conventions {{ --kd-no: {_ink('supervised')}; }}\n{css}</style>")
    st.write("Which term your library's alpha weighs, whether T² is there, and how it averages.")
    convention = _choose()
    _under_the_hand(convention, student_logits, teacher_logits, label)
    _match(convention, temperature, kd_weight, len(classes))
    st.html(_note(convention))
    st.html(_table(convention))


@st.fragment
def _under_the_hand(
    convention: Convention, student_logits: np.ndarray, teacher_logits: np.ndarray, label: int
) -> None:
    """What a drag draws again: the settings and the picture, nothing of the words around them."""
    # The picture comes first, so that on a phone it stays in sight of the sliders under it.
    answered, asked = st.columns([1.7, 1], gap="large")
    with asked:
        values = _settings(convention)
    terms = convention.loss(student_logits, teacher_logits, label, values)
    translation = convention.translate(values, len(student_logits))
    rows = [(f"<b>{convention.title}</b>", terms)]
    rows += _ours(convention, values, translation, student_logits, teacher_logits, label)
    with answered.container(gap="xsmall"):
        st.latex(_formula(convention))
        live_plot(
            loss_bars(rows, convention.other_words),
            key="lib-bars",
            height=46 + len(rows) * ROW_PIXELS,
            alt=_alt(rows, convention.other_words),
            sentence=_sentence(convention, values, translation, rows),
        )


def _alt(rows: Sequence[tuple[str, Terms]], third: str) -> str:
    said = []
    for name, terms in rows:
        other = minus(f" + {third} {terms.other:.3f}") if terms.other else ""
        said.append(
            f"{name.replace('<b>', '').replace('</b>', '')}: "
            + minus(
                f"cross-entropy term {terms.supervised:.3f} + distillation term {terms.distillation:.3f}{other} = {terms.total:.3f} nats"
            )
        )
    return f"The library's loss beside ours, by term. {'; '.join(said)}."


def _choose() -> Convention:
    notice = url_choice("lib", CONVENTIONS, DEFAULT)
    name = st.selectbox(
        "Library",
        list(CONVENTIONS),
        place_of("lib", CONVENTIONS),
        key="lib",
        format_func=lambda name: CONVENTIONS[name].title,
        on_change=_forget_settings,
        width=420,
    )
    if notice:
        st.caption("The link asked for a library that is not in this list. Here is the Keras example.")
    publish("lib", None if name == DEFAULT else name)
    return CONVENTIONS[name]


def _key(convention: Convention, parameter: str) -> str:
    return f"lib_{convention.name}_{parameter}"


def _forget_settings() -> None:
    """Another library begins at its defaults, and the URL keeps only what is on show."""
    for convention in CONVENTIONS.values():
        for parameter in convention.parameters:
            st.session_state.pop(_key(convention, parameter.name), None)
            publish(_key(convention, parameter.name), None)


def _settings(convention: Convention) -> dict[str, float]:
    return {
        parameter.name: live_slider(
            parameter.name,
            key=_key(convention, parameter.name),
            min_value=parameter.low,
            max_value=parameter.high,
            value=parameter.default,
            step=parameter.step,
            scale=parameter.scale,
            help=f"{parameter.what} Starts at {parameter.default:g}, "
            + (f"from {parameter.default_from}." if parameter.default_from else "its default."),
        )
        for parameter in convention.parameters
    }


def _match(convention: Convention, temperature: float, kd_weight: float, classes: int) -> None:
    """The way back: which settings of the library are this page's loss."""
    here = f"T = {temperature:g} and kd_weight = {kd_weight:g}"
    settings = convention.settings(temperature, kd_weight, classes)
    if settings is None:
        st.caption(f"No settings of it give this page's {here}.")
        return
    said = ", ".join(f"{name} = {minus(f'{value:.3g}')}" for name, value in settings.items())
    st.button(
        "Set to this page's T and kd_weight",
        key="lib_match",
        on_click=_set,
        args=(convention, settings),
        type="tertiary",
        icon=":material/sync_alt:",
    )
    st.caption(f"This page's {here} there: {said}.")


def _set(convention: Convention, settings: Mapping[str, float]) -> None:
    for name, value in settings.items():
        st.session_state[_key(convention, name)] = value


def _ours(
    convention: Convention,
    values: Mapping[str, float],
    translation: Translation | None,
    student_logits: np.ndarray,
    teacher_logits: np.ndarray,
    label: int,
) -> list[tuple[str, Terms]]:
    """Our loss at the translated settings, and at the library's numbers copied as if they meant the same."""
    given: list[tuple[str, float, float]] = []
    if translation is not None:
        times = "" if abs(translation.scale - 1) < EQUAL else f", to be taken × {translation.scale:.3g}"
        given.append((f"ours{times}", translation.temperature, translation.kd_weight))
    copied = values[convention.alpha] if convention.alpha else None
    if copied is not None and 0 <= copied <= 1:
        t = convention.weighted_sum(values, len(student_logits)).temperature
        given.append(("copied", t, copied))
    rows = []
    for name, t, w in given:
        terms = mix(WeightedSum(1 - w, w * t**2, t), student_logits, teacher_logits, label)
        rows.append((f"{name}: T = {t:g}, kd_weight = {w:.3g}", terms))
    return rows


def _formula(convention: Convention) -> str:
    """Each term in the colour of its bar. Without numbers: to set them anew would cost a drag half its pace."""
    shown = (
        (convention.supervised, "supervised"),
        (convention.distillation, "distillation"),
        (convention.other, "hard_labels"),
    )
    coloured = [rf"\textcolor{{{_ink(role)}}}{{{symbols}}}" for symbols, role in shown if symbols]
    # Three terms, or two with long names, do not fit beside each other on a phone.
    together = sum(len(re.sub(r"\\[a-zA-Z]+|[^\w]", "", symbols)) for symbols, _ in shown[:2]) <= PHONE_LETTERS
    lines = r" \\ {} + ".join([" + ".join(coloured[:2]), *coloured[2:]] if together else coloured)
    return rf"\begin{{gathered}} {lines} \end{{gathered}}"


def _ink(role: str) -> str:
    theme = "dark" if st.context.theme.type == "dark" else "light"
    return ROLE_INKS[theme][role]


def _sentence(
    convention: Convention,
    values: Mapping[str, float],
    translation: Translation | None,
    rows: Sequence[tuple[str, Terms]],
) -> str:
    said = []
    if convention.alpha and convention.alpha_weighs:
        said.append(f"Its {convention.alpha} = {values[convention.alpha]:g} weighs **{convention.alpha_weighs}**.")
    idle = [p.name for p in convention.parameters if not p.in_loss]
    if idle:
        said.append(f"{' and '.join(idle)} do not touch the loss.")
    if translation is None:
        said.append(convention.why_not)
    else:
        t, w, scale = translation
        said.append(
            f"The same loss here is **kd_weight {w:.3g}** at T = {t:g}, **times {minus(f'{scale:.3g}')}**"
            + (
                f", plus the {convention.other_words}."
                if convention.other and abs(rows[0][1].other) > EQUAL
                else "."
            )
        )
        same = scale * rows[1][1].total + rows[0][1].other
        if abs(same - rows[0][1].total) > EQUAL:
            said.append(
                f"Not quite on this example: the library cuts probabilities below {minus(f'{SMALLEST:.0e}')} to it, so its loss is "
                f"{minus(f'{rows[0][1].total:.3f} where ours would make {same:.3f}')}."
            )
    if rows[-1][0].startswith("copied") and rows[0][1].total > EQUAL:
        ratio = rows[-1][1].total / rows[0][1].total
        if abs(ratio - 1) > 0.005:
            said.append(f"Copied number for number, ours would be **{times(ratio)} times** its loss.")
        elif (
            translation is not None
            and convention.alpha
            and abs(values[convention.alpha] - translation[1]) > 1e-6
        ):
            said.append("Copied number for number, ours happens to come out the same on this example.")
        elif convention.alpha_weighs == "cross-entropy":
            said.append(
                "Copied, it means the same only because 0.5 is its own mirror: any other number would not."
            )
        else:
            said.append("Copied number for number, it means the same here.")
    return " ".join(said)


def _note(convention: Convention) -> str:
    return (
        f'<div class="kd-note"><p>{escape(convention.claim)}</p>'
        f"<small>Averages: {escape(convention.reduction)}. Read in {escape(convention.citation)}. "
        f"Tested against {escape(convention.tested_against)}.</small></div>"
    )


def _table(chosen: Convention) -> str:
    rows = []
    for convention in CONVENTIONS.values():
        squared = "T²" if convention.t_squared else '<span class="no">no T²</span>'
        cells = (
            escape(convention.title),
            escape(convention.what_alpha_weighs),
            squared,
            escape(convention.reduction),
        )
        on = ' class="on"' if convention is chosen else ""
        rows.append(f"<tr{on}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        '<table class="kd-conventions"><thead><tr><th>library</th><th>its alpha weighs</th><th>T²</th>'
        f"<th>averages</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
