"""Numbers and what they mean, as they are said on every page."""

from __future__ import annotations

import math
import re


def number(value: float) -> str:
    """A loss or a length with about three digits, of steady width."""
    if value == 0:
        return "0.00"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    if value >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.3f}" if value >= 0.0005 else "0.000"


def share(mean: float) -> str:
    """A share as a percentage, or that there is none."""
    return f"{mean:.1%}" if math.isfinite(mean) else "no number"


def interval_words(low: float, high: float, form: str) -> str:
    """", 95 % interval 86.9% to 89.9%", to stand behind a mean in the same form; empty where there is none, NaN."""
    return minus(f", 95 % interval {low:{form}} to {high:{form}}") if math.isfinite(high - low) else ""


def minus(written: str) -> str:
    """Numbers as Python writes them, with the minus sign in place of its hyphen, in exponents too."""
    return re.sub(r"(?<![\w)])-(?=\d)|(?<=\de)-(?=\d)", "−", written)


def size(bits: float) -> str:
    """How much is sent: in bits where that is little, else in bytes."""
    if bits < 64:
        return f"{bits:.1f}".removesuffix(".0") + " bits"
    if bits < 8e4:
        return f"{bits / 8:,.0f} bytes"
    for unit, bits_a_unit in (("kB", 8e3), ("MB", 8e6), ("GB", 8e9)):
        if bits < 1e3 * bits_a_unit:
            return f"{bits / bits_a_unit:,.1f} {unit}"
    return f"{bits / 8e12:,.1f} TB"


def direction(cosine: float) -> str:
    """How two gradients stand to each other, from their cosine."""
    if cosine > 0.8:
        way = "both want much the same"
    elif cosine > 0.2:
        way = "they partly agree"
    elif cosine > -0.2:
        way = "they want unrelated things"
    else:
        way = "they work **against each other**"
    return f"{way} (cosine {minus(f'{cosine:.2f}')})"
