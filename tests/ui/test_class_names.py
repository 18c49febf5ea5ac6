"""A class may be called anything: its name is shown, never run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kdlab.ui.examples.subjects import Subject
from kdlab.ui.home import pipeline as drawing
from kdlab.ui.home.pieces import answer_card
from kdlab.ui.soft_targets.notes import beside_the_bars

NAME = "<img src=x onerror='alert(1)'>\""
SUBJECT = Subject(
    classes=(NAME, "B"),
    answer=np.array([1.0, 0.5]),
    label=0,
    picture="/lab/pictures/fashion/1.png",
    name=NAME,
)


def test_a_name_with_markup_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch):
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(drawing, "_drawing", lambda **given: drawn.update(given) or _Answer())
    drawing.pipeline(SUBJECT.picture, NAME, [0.6, 0.4])
    pieces = {
        "answer card": answer_card(SUBJECT),
        "beside the bars": beside_the_bars(SUBJECT, np.array([0.6, 0.4])),
        "pipeline": str(drawn["data"]),
    }
    for piece, html in pieces.items():
        assert "&lt;img src=x onerror=" in html, piece
        assert "<img src=x" not in html, piece
        assert "alert(1)'>\"" not in html, piece


class _Answer:
    page = None
