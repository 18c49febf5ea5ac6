"""The sentences under a picture of soft targets, made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FAINT = 0.01
"""Below this share the other classes together hardly move a student."""
EVEN = 0.97
"""Above this part of the largest possible entropy, and with second and third class alike, the hint is lost."""
ALIKE = 1.1


def times_likelier(ratio: float) -> str:
    """A ratio of two probabilities, at least 1, as it is said: "3.1 times likelier than"."""
    if ratio < 1.05:
        return "about as likely as"
    if ratio < 10:
        return f"{ratio:.1f} times likelier than"
    if ratio < 1e6:
        return f"{float(f'{ratio:.2g}'):,.0f} times likelier than"
    return "more than a million times likelier than"


def second_to_third(soft_targets: np.ndarray) -> float | None:
    """How many times likelier the second class is than the third; None for two classes or where both are 0."""
    ranked = np.sort(soft_targets)[::-1]
    if len(ranked) < 3 or ranked[1] == 0:
        return None
    return float(ranked[1] / ranked[2]) if ranked[2] > 0 else float("inf")


def hint(classes: Sequence[str], soft_targets: np.ndarray, label: int | None = None) -> str:
    """What the teacher hints beyond its answer, and whether a student could hear it. Markdown."""
    order = np.argsort(-soft_targets, kind="stable")
    first, second = classes[order[0]], classes[order[1]]
    ratio = second_to_third(soft_targets)
    said = f"**{first}**"
    if label is not None and label != order[0]:
        said = f"The label says {classes[label]}, the teacher {said}"
    if len(classes) == 2:
        between = times_likelier(
            float(np.divide(soft_targets[order[0]], max(soft_targets[order[1]], 1e-300)))
        )
        told = f"{said}, {between} {second}."
    elif ratio is None:
        told = f"{said}, and nothing else: every other class has probability 0."
    else:
        told = f"{said}, but **{second}** is **{times_likelier(ratio)}** {classes[order[2]]}."
    return f"{told} {_loudness(soft_targets)}"


def _loudness(soft_targets: np.ndarray) -> str:
    rest = 1 - soft_targets.max()
    possible = np.log(len(soft_targets))
    positive = soft_targets[soft_targets > 0]
    alike = (second_to_third(soft_targets) or 1) < ALIKE
    if alike and -(positive * np.log(positive)).sum() > EVEN * possible:
        return "So hot, all classes look alike: the hint is nearly lost."
    if rest < FAINT:
        return f"But all other classes share {percent(rest)}: a student hardly hears it."
    return f"The other classes share {percent(rest)}: loud enough to learn from."


def percent(share: float) -> str:
    """A probability as a percentage with as many digits as it needs."""
    if share >= 0.995:
        return "100 %" if share > 0.9995 else f"{share * 100:.1f} %"
    if share >= 0.0995:
        return f"{share * 100:.0f} %"
    if share >= 0.0005:
        return f"{share * 100:.1f} %"
    return "<0.1 %" if share > 0 else "0 %"
