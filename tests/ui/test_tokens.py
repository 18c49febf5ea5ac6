"""The colours for words can be read on every ground they stand on."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from kdlab.ui.look.style import ROLES, arm_role
from kdlab.ui.look.tokens import ROLE_COLOURS, ROLE_INKS

THEME = tomllib.loads(Path(__file__).parents[2].joinpath(".streamlit/config.toml").read_text("utf-8"))[
    "theme"
]
TINT = 0.2


def _channels(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _luminance(channels: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG 2.2, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ROLE_INKS)
@pytest.mark.parametrize("role", ROLE_COLOURS)
def test_a_roles_words_stand_out_from_every_ground_also_tinted_with_the_role(theme: str, role: str):
    ink = _channels(ROLE_INKS[theme][role])
    for name in ("backgroundColor", "secondaryBackgroundColor"):
        ground = _channels(THEME[theme][name])
        tinted = tuple(
            TINT * c + (1 - TINT) * g for c, g in zip(_channels(ROLE_COLOURS[role]), ground, strict=True)
        )
        assert _contrast(ink, ground) >= 4.5
        if name == "backgroundColor":
            assert _contrast(ink, tinted) >= 4.5


@pytest.mark.parametrize("theme", ROLE_INKS)
@pytest.mark.parametrize("words", ["textColor", "linkColor", "codeTextColor"])
def test_the_themes_words_stand_out_from_its_grounds(theme: str, words: str):
    for name in ("backgroundColor", "secondaryBackgroundColor"):
        assert _contrast(_channels(THEME[theme][words]), _channels(THEME[theme][name])) >= 4.5


@pytest.mark.parametrize("theme", ROLE_INKS)
def test_the_ordered_scale_stands_out_from_every_ground_all_the_way(theme: str):
    for place in range(101):
        stroke = _channels(arm_role(str(place / 100), "an arm").colour)
        assert _contrast(stroke, _channels(THEME[theme]["backgroundColor"])) >= 3, place


def test_an_arm_looks_like_the_role_that_its_hue_names_and_neighbours_on_the_scale_differ():
    assert arm_role("hard_labels", "Answers").colour == ROLES["hard_labels"].colour
    assert arm_role("hard_labels", "Answers").name == "Answers"
    places = [arm_role(str(place / 49), f"arm {place}", place) for place in range(50)]
    for one, other in pairwise(places):
        assert one.dash != other.dash
        assert one.marker != other.marker
    assert len({one.colour for one in places}) == 50
    assert arm_role("a_role_of_another_lab", "An arm").name == "An arm"
