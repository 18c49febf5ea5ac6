"""Examples to pick from: a row of pictures or snippets, one of them chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from kdlab.ui.widgets.component_source import component

_HTML = """
<div class="tiles" role="group"></div>
"""
_tiles = component("tiles", html=_HTML)


@dataclass(frozen=True)
class Tile:
    """One example: its number, what it is for those who do not see it, its picture or its text."""

    number: int
    name: str
    picture: str = ""
    text: str = ""
    note: str = ""


def tiles(
    label: str,
    shown: Sequence[Tile],
    *,
    key: str,
    chosen: int | None,
    on_pick: Callable[[int], None],
    wrap: bool = False,
) -> None:
    """Shows the tiles; a click or Enter calls on_pick with the tile's number before the rerun.

    One line that scrolls sideways, or with wrap as many lines as it needs. Arrow keys walk along the tiles.
    """
    numbers = {tile.number for tile in shown}

    def picked() -> None:
        number = st.session_state[key].picked
        # The browser may send anything; only what is shown can be picked.
        if number in numbers:
            on_pick(number)

    _tiles(
        key=key,
        data={"label": label, "tiles": [asdict(tile) for tile in shown], "chosen": chosen, "wrap": wrap},
        on_picked_change=picked,
    )
