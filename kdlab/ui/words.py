"""The sentences under a picture of soft targets, made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FAINT = 0.01
"""Up to this share the other classes together hardly move a student."""
EVEN = 0.97
"""Above this part of the largest possible entropy, and with second and third class alike, the hint is lost."""
ALIKE = 1.1
TIE = 0.01
"""The two likeliest classes tie when their probabilities are at most one point apart."""


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


def hint(
    classes: Sequence[str],
    soft_targets: np.ndarray,
    label: int | None = None,
    at_one: np.ndarray | None = None,
) -> str:
    """What the teacher hints beyond its answer, and whether a student could hear it. Markdown.

    at_one: the soft targets at T = 1; without them nothing is said about heat.
    """
    order = np.argsort(-soft_targets, kind="stable")
    names = [classes[k] for k in order]
    shares = soft_targets[order]
    ratio = second_to_third(soft_targets)
    tie = shares[0] - shares[1] <= TIE
    if tie:
        said = f"**{names[0]}** and **{names[1]}** tie, {percent(shares[0])} to {percent(shares[1])}"
    else:
        said = f"**{names[0]}**"
    if label is not None and label != order[0]:
        said = f"The label says {classes[label]}, the teacher {said}"
    if len(classes) == 2:
        told = (
            said if tie else f"{said}, {times_likelier(float(shares[0] / max(shares[1], 1e-300)))} {names[1]}"
        )
    elif ratio is None:
        told = f"{said}, and nothing else: every other class has probability 0"
    elif tie:
        told = f"{said}; {names[1]} is **{times_likelier(ratio)}** {names[2]}"
    else:
        told = f"{said}, but **{names[1]}** is **{times_likelier(ratio)}** {names[2]}"
    return f"{told}. {_loudness(names, soft_targets, at_one)}"


def _loudness(names: Sequence[str], soft_targets: np.ndarray, at_one: np.ndarray | None) -> str:
    if _alike(soft_targets):
        if at_one is None or _alike(at_one):
            return "It finds all classes alike: there is no hint to hear."
        return "So hot, all classes look alike: the hint is nearly lost."
    rest = 1 - soft_targets.max()
    if len(names) == 2:
        others = f"the other class has {percent(rest)}"
    else:
        others = f"all classes but {names[0]} together have {percent(rest)}"
    if rest <= FAINT + 1e-9:
        return f"Yet {others}: a student hardly hears it."
    return f"{others[0].upper()}{others[1:]}: loud enough to learn from."


def _alike(soft_targets: np.ndarray) -> bool:
    positive = soft_targets[soft_targets > 0]
    part = -(positive * np.log(positive)).sum() / np.log(len(soft_targets))
    return bool(part > EVEN and (second_to_third(soft_targets) or 1) < ALIKE)


def read_as(numbers: np.ndarray) -> str:
    """How a vector that somebody typed was understood."""
    said = f"Read as {len(numbers)} classes: {'; '.join(f'{number:g}' for number in numbers)}."
    total = float(numbers.sum())
    return said if np.isclose(total, 1) else f"{said} Divided by their sum, {total:g}."


def percent(share: float) -> str:
    """A probability as a percentage with as many digits as it needs."""
    if share >= 0.995:
        return "100 %" if share > 0.9995 else f"{share * 100:.1f} %"
    if share >= 0.0995:
        return f"{share * 100:.0f} %"
    if share >= 0.0005:
        return f"{share * 100:.1f} %"
    return "<0.1 %" if share > 0 else "0 %"
