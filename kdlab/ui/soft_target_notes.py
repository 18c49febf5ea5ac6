"""What is asked, and the numbers of the answer, as one piece of HTML beside the bars."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from kdlab.core.probability import entropy
from kdlab.ui.subjects import Subject
from kdlab.ui.words import percent, second_to_third


def beside_the_bars(subject: Subject, soft_targets: np.ndarray) -> str:
    """The example as it is seen, then its hard label, the entropy and the ratio of the second class to the third."""
    return f'<div class="kd-asked">{_portrait(subject)}{_facts(subject, soft_targets)}</div>'


def _portrait(subject: Subject) -> str:
    """The picture, or the text quoted; nothing for what the visitor gave."""
    if subject.picture:
        return (
            f'<img class="kd-portrait" src="{subject.picture}" alt="{subject.classes[subject.label or 0]}">'
        )
    if subject.text and subject.label is not None:
        return f'<blockquote class="kd-quote">{html.escape(subject.text)}</blockquote>'
    return ""


def _facts(subject: Subject, soft_targets: np.ndarray) -> str:
    classes, label = subject.classes, subject.label
    ratio = second_to_third(soft_targets)
    rows = []
    if label is not None:
        rows.append(("Hard label", classes[label]))
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
        f"When the truth is **{classes[one]}**, the teacher gives **{classes[other]}** "
        f"{percent(similarity[cell])} on average at T = {temperature:g}"
    )
    closest = strongest_pair(similarity)
    if cell == closest:
        return f"{said}: no other pair is closer."
    return (
        f"{said}. The closest pair at this temperature: {classes[closest[0]]}, seen as {classes[closest[1]]}, "
        f"{percent(similarity[closest])}."
    )


def heated(subject: Subject, temperatures: Sequence[float] = (1, 2, 4, 10, 20)) -> str:
    """The soft targets at a few temperatures as a Markdown table."""
    head = "| T | " + " | ".join(subject.classes) + " |\n|" + "---|" * (len(subject.classes) + 1)
    rows = [
        f"| {t:g} | " + " | ".join(percent(p) for p in subject.soft_targets(float(t))) + " |"
        for t in temperatures
    ]
    return "\n".join((head, *rows))
