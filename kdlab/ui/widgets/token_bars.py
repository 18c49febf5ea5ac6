"""Bars of a few of many tokens at every place of a temperature slider, which they follow in the browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdlab.ui.look.style import Role
from kdlab.ui.look.tokens import ROLE_INKS
from kdlab.ui.widgets.component_source import component

_HTML = """
<div class="bars">
  <div class="keys" aria-hidden="true"></div>
  <div class="table" role="table"><div class="head" role="row"></div><div class="rows" role="rowgroup"></div></div>
  <dl class="facts"></dl>
</div>
"""
_bars = component("token_bars", html=_HTML)
_PARTS = 100_000  # a probability travels as so many parts of one


@dataclass(frozen=True)
class BarRow:
    """One row: what is written beside it, and what is told of it in a few words. ``came``: it is marked."""

    name: str
    note: str = ""
    came: bool = False


@dataclass(frozen=True)
class BarSeries:
    """One model: its name, how it looks, and its probabilities of the rows at each temperature, (n, R)."""

    name: str
    role: Role
    values: np.ndarray


@dataclass(frozen=True)
class Fact:
    """A number that moves with the temperature, (n,), with its unit."""

    name: str
    values: np.ndarray
    unit: str
    digits: int = 2


def token_bars(
    label: str,
    rows: Sequence[BarRow],
    series: Sequence[BarSeries],
    facts: Sequence[Fact],
    *,
    key: str,
    slider: str,
    temperatures: Sequence[float],
    temperature: float,
) -> None:
    """Draws them as a table. slider: the key of the slider that they follow, which stands at temperature now."""
    frames = {
        "temperatures": [float(t) for t in temperatures],
        "series": [np.rint(one.values * _PARTS).astype(int).tolist() for one in series],
        "facts": [[float(f"{value:.5g}") for value in fact.values] for fact in facts],
    }
    _bars(
        key=f"token-bars-{key}",
        data={
            "label": label,
            "rows": [{"name": row.name, "note": row.note, "came": row.came} for row in rows],
            "series": [{"name": one.name, "colour": one.role.colour, "ink": _ink(one.role)} for one in series],
            "facts": [{"name": fact.name, "unit": fact.unit, "digits": fact.digits} for fact in facts],
            # One string: Streamlit looks into nested data for tables, which takes longer than the drawing.
            "frames": json.dumps(frames, allow_nan=False, separators=(",", ":")),
            "parts": _PARTS,
            "slider": slider,
            "temperature": temperature,
        },
    )


def _ink(role: Role) -> str:
    """The role's colour for words, in CSS."""
    name = role.ink.removeprefix("@")
    known = name in ROLE_INKS["light"]
    return f"light-dark({ROLE_INKS['light'][name]}, {ROLE_INKS['dark'][name]})" if known else "inherit"
