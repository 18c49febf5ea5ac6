"""The sentences under a picture of soft targets, made from its numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from kdlab.ui.look.numbers import minus

FAINTEST_TOLD = 0.0005
"""A smaller probability is told as less than 0.1 %."""
FAINT = 0.01
"""Up to this share of all classes but the first, "only" is said of it, and that heat gives them more."""
EVEN = 0.97
"""Above this part of the largest possible entropy, and with second and third class (or the only two) alike, the
hint is lost."""
ALIKE = 1.1
AS_LIKELY = 1.05
"""Below this ratio two classes are said to be about as likely as each other."""
TIE = 0.01
"""The two likeliest classes tie when their probabilities are at most one point apart."""


def times_likelier(ratio: float) -> str:
    """A ratio of two probabilities, at least 1, as it is said: "3.1 times likelier than"."""
    if ratio < AS_LIKELY:
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
    """What the teacher hints beyond its answer, and how much of it there is. Markdown.

    at_one: the soft targets at T = 1; without them nothing is said about heat.
    """
    order = np.argsort(-soft_targets, kind="stable")
    names = [called(classes[k]) for k in order]
    shares = soft_targets[order]
    ratio = second_to_third(soft_targets)
    tie = shares[0] - shares[1] <= TIE
    if tie:
        said = f"**{names[0]}** and **{names[1]}** tie, {percent(shares[0])} to {percent(shares[1])}"
    else:
        said = f"**{names[0]}**"
    if label is not None and label != order[0]:
        said = f"The label says {called(classes[label])}, the teacher {said}"
    if shares[1] == 0:
        return _sentence(f"{said}, and nothing else: it says no more than a hard label, at any temperature.")
    if len(classes) == 2:
        told = said if tie else f"{said}, {times_likelier(float(shares[0] / shares[1]))} {names[1]}"
    elif tie:
        told = f"{said}; {names[1]} is **{times_likelier(ratio)}** {names[2]}"
    else:
        told = f"{said}, but **{names[1]}** is **{times_likelier(ratio)}** {names[2]}"
    return f"{_sentence(told)}. {_beyond_the_label(names, shares, at_one)}"


def called(name: str) -> str:
    """A class as it is called in a sentence, where "5 15 %" would be misread."""
    return f"class {name}" if name.isdecimal() else name


def _sentence(said: str) -> str:
    return re.sub(r"^(\**)class ", r"\1Class ", said)


def _beyond_the_label(names: Sequence[str], shares: np.ndarray, at_one: np.ndarray | None) -> str:
    """What the classes but the first have, which is all that a hard label leaves out. shares: falling, (K,)."""
    if _even(shares):
        if at_one is not None and not _even(at_one):
            return "So hot, all classes look almost alike: the hint is nearly lost."
        if shares[0] < AS_LIKELY * shares[-1]:
            return "It finds all classes alike: there is no hint to hear."
    rest = float(shares[1:].sum())
    two = len(names) == 2
    others, have, them = (
        ("The other class", "has", "it") if two else (f"All classes but {names[0]} together", "have", "them")
    )
    only = "only " if rest <= FAINT + 1e-9 else ""
    said = f"{others} {have} {only}{percent(rest)}, where a hard label gives {them} 0 %"
    return f"{said}: a higher T gives {them} more." if only else f"{said}."


def _even(soft_targets: np.ndarray) -> bool:
    positive = soft_targets[soft_targets > 0]
    part = -(positive * np.log(positive)).sum() / np.log(len(soft_targets))
    if len(soft_targets) == 2:
        return bool(part > EVEN and positive.max() < ALIKE * positive.min())
    return bool(part > EVEN and (second_to_third(soft_targets) or 1) < ALIKE)


def read_as(classes: Sequence[str], numbers: np.ndarray, as_logits: bool) -> str:
    """How numbers that somebody typed were understood."""
    listed = "; ".join(f"{name} {minus(f'{number:g}')}" for name, number in zip(classes, numbers, strict=True))
    what = "logits" if as_logits else "probabilities"
    said = f"Read as {len(numbers)} {what}: {listed}."
    total = float(numbers.sum())
    return said if as_logits or np.isclose(total, 1) else f"{said} Divided by their sum, {minus(f'{total:g}')}."


def percent(share: float) -> str:
    """A probability as a percentage with as many digits as it needs."""
    if share >= 0.995:
        return "100 %" if share > 0.9995 else f"{share * 100:.1f} %"
    if share >= 0.0995:
        return f"{share * 100:.0f} %"
    if share >= FAINTEST_TOLD:
        return f"{share * 100:.1f} %"
    return "<0.1 %" if share > 0 else "0 %"
