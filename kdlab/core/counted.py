"""A count with its noun, wherever the lab says one: "1 step", "1,200 steps"."""

from __future__ import annotations

import re


def counted(count: float, nouns: str, one: str = "") -> str:
    """nouns: for any count but one, "steps". one: the word for one, where more than its last ending differs."""
    said = f"{count:,.0f}"
    return f"{said} {(one or singular(nouns)) if said == '1' else nouns}"


def singular(nouns: str) -> str:
    """What one of them is called: "step", "query", "class". Only for plurals that are made by rule."""
    for ending, of_one in (("ies$", "y"), ("(ss|x|ch|sh)es$", r"\1"), ("s$", "")):
        if re.search(ending, nouns):
            return re.sub(ending, of_one, nouns)
    return nouns
