"""What is asked, and the numbers of the answer, as one piece of HTML beside the bars."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from kdlab.core.probability import entropy
from kdlab.ui.examples.subjects import Subject
from kdlab.ui.examples.words import called, percent, second_to_third


def beside_the_bars(subject: Subject, soft_targets: np.ndarray) -> str:
    """The example as it is seen, then its hard label, the entropy and the ratio of the second class to the third."""
    return f'<div class="kd-asked">{_portrait(subject)}{_facts(subject, soft_targets)}</div>'


def _portrait(subject: Subject) -> str:
    """The picture, or the text quoted; nothing for what the visitor gave."""
    if subject.picture:
        name, address = html.escape(subject.name), html.escape(subject.picture)
        return f'<img class="kd-portrait" src="{address}" alt="{name}">'
    if subject.text and subject.label is not None:
        return f'<blockquote class="kd-quote">{html.escape(subject.text)}</blockquote>'
    return ""


def _facts(subject: Subject, soft_targets: np.ndarray) -> str:
    classes, label = subject.classes, subject.label
    ratio = second_to_third(soft_targets)
    rows = []
    if label is not None:
        rows.append(("Hard label", html.escape(classes[label])))
    rows.append(("Entropy", f"{float(entropy(soft_targets)):.2f} of {np.log2(len(classes)):.2f} bits"))
    if ratio is not None:
        shown = "over 10⁶" if ratio >= 1e6 else f"{ratio:,.1f}" if ratio < 100 else f"{ratio:,.0f}"
        rows.append(("2nd : 3rd class", f"{shown} : 1"))
    return f'<dl class="kd-facts">{"".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)}</dl>'


def strongest_pair(similarity: np.ndarray) -> tuple[int, int]:
    """The true class and the other class with the largest mean soft target. similarity: (K, K)."""
    row, column = np.unravel_index(np.nanargmax(similarity - 2 * np.eye(len(similarity))), similarity.shape)
    return int(row), int(column)


def cell_words(
    classes: Sequence[str], similarity: np.ndarray, cell: tuple[int, int], temperature: float
) -> str:
    """The framed cell of the class map as a sentence, and whether another pair is closer. Markdown."""
    one, other = cell
    said = (
        f"When the truth is **{called(classes[one])}**, the teacher gives **{called(classes[other])}** "
        f"{percent(similarity[cell])} on average at T = {temperature:g}"
    )
    closest = strongest_pair(similarity)
    if cell == closest:
        return f"{said}: no other pair is closer."
    if percent(similarity[closest]) == percent(similarity[cell]):
        one, other = closest
        return f"{said}. Rounded, {called(classes[one])}, seen as {called(classes[other])}, has as much: no pair is closer."
    return f"{said}. The closest pair at this temperature: {_seen_as(classes, similarity, closest)}."


def _seen_as(classes: Sequence[str], similarity: np.ndarray, cell: tuple[int, int]) -> str:
    one, other = (called(classes[k]) for k in cell)
    return f"{one}, seen as {other}, {percent(similarity[cell])}"


def bars_in_words(subject: Subject, temperature: float) -> str:
    """The bars for those who do not see them: every class, likeliest first, at T = 1 and at T."""
    cold, warm = subject.soft_targets(1.0), subject.soft_targets(temperature)
    label = "" if subject.label is None else f" Hard label {subject.classes[subject.label]}."
    listed = "; ".join(
        f"{called(subject.classes[k])} {percent(cold[k])} and {percent(warm[k])}" for k in subject.order()
    )
    return f"Hard label and soft targets by class.{label} At T = 1 and at T = {temperature:g}: {listed}."


def entropy_in_words(subject: Subject, temperature: float, bits: float) -> str:
    """The entropy's curve for those who do not see it."""
    cold = float(entropy(subject.soft_targets(1.0)))
    return (
        f"Entropy of the soft targets against temperature: {cold:.2f} bits at T = 1, {bits:.2f} at "
        f"T = {temperature:g}, at most {np.log2(len(subject.classes)):.2f}."
    )


def map_in_words(classes: Sequence[str], similarity: np.ndarray, cell: tuple[int, int], most: int = 5) -> str:
    """The class map for those who do not see it: the framed cell and the largest ones."""
    others = similarity - 2 * np.eye(len(similarity))
    largest = np.argsort(-others, axis=None, kind="stable")[:most]
    cells = [np.unravel_index(k, similarity.shape) for k in largest]
    listed = "; ".join(_seen_as(classes, similarity, (int(i), int(j))) for i, j in cells)
    return f"Mean soft targets by true class. Framed: {_seen_as(classes, similarity, cell)}. The largest: {listed}."


def heated(subject: Subject, temperatures: Sequence[float] = (1, 2, 4, 10, 20)) -> str:
    """The soft targets at a few temperatures as a Markdown table."""
    head = "| T | " + " | ".join(subject.classes) + " |\n|" + "---|" * (len(subject.classes) + 1)
    rows = [
        f"| {t:g} | " + " | ".join(percent(p) for p in subject.soft_targets(float(t))) + " |"
        for t in temperatures
    ]
    return "\n".join((head, *rows))
