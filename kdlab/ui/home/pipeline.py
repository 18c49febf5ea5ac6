"""The picture of distillation: examples, teacher and student, soft targets, two loss terms, and back.

An SVG in a wide and a tall form, of which the one that fits the screen is shown. Ink is the theme's
(currentColor), hues are the roles'. `st.html` takes SVG out of what it shows, so a component draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from kdlab.lessons.path import DISTILL, LOSS, PAGES, SOFT_TARGETS, LabPage
from kdlab.ui.examples.words import percent
from kdlab.ui.look.tokens import ROLE_COLOURS

_drawing = st.components.v2.component(
    "kdlab.pipeline",
    html="""
<div class="drawing"></div>
""",
    css="""
:host { display: block; }
.drawing { color: var(--st-text-color); font-family: var(--st-font); }
.wide, .tall { position: relative; margin: 0 auto; }
.wide { max-width: 70rem; }
.tall { max-width: 24rem; }
svg { display: block; width: 100%; }
a { position: absolute; border-radius: 12px; }
a:hover { background: color-mix(in srgb, var(--st-text-color) 8%, transparent); }
a:focus-visible { outline: 3px solid var(--st-primary-color); }
@media (max-width: 48rem) { .wide { display: none; } }
@media (min-width: 48.01rem) { .tall { display: none; } }
""",
    js="""
export default function ({ data, parentElement, setTriggerValue }) {
  const drawing = parentElement.querySelector(".drawing");
  drawing.innerHTML = data;
  // Within the visit, so that what was set stays; with a key held the browser opens a tab as it does for every link.
  drawing.onclick = (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setTriggerValue("page", link.getAttribute("href"));
  };
}
""",
)
_ALT = (
    "Examples go to a large teacher and to a small student. The teacher's soft targets and the student's "
    "probabilities meet in the distillation term, the true label and the student's probabilities in the "
    "supervised term. The weighted sum of both trains the student only."
)
_HUES = {**ROLE_COLOURS, "ink": "currentColor"}


def pipeline(picture: str, label: str, soft_targets: Sequence[float]) -> None:
    """Draws it; a box leads to the page about it.

    picture: an example's PNG address; label: its class; soft_targets: its teacher's largest.
    """
    here = (
        f"Here the label is {label} and the teacher's largest soft targets are "
        f"{', '.join(percent(p) for p in soft_targets)}."
    )
    given = (escape(picture), escape(label), soft_targets)
    answer = _drawing(
        key="pipeline",
        data=_form("wide", 1100, 386, _wide(*given), here, _WIDE_LINKS)
        + _form("tall", 360, 640, _tall(*given), here, _TALL_LINKS),
        on_page_change=lambda: None,
    )
    for page in PAGES:
        if answer.page == page.path:
            st.switch_page(page.script)


Place = tuple[int, int, int, int]
"""Of a box: left, top, width, height."""
_WIDE_LINKS: tuple[tuple[Place, str, LabPage], ...] = (
    ((196, 20, 190, 130), "Teacher", SOFT_TARGETS),
    ((474, 24, 176, 124), "Soft targets", SOFT_TARGETS),
    ((226, 222, 130, 84), "Student", DISTILL),
    ((732, 42, 190, 96), "Distillation term", LOSS),
    ((732, 222, 190, 96), "Supervised term", LOSS),
    ((988, 144, 100, 72), "Loss", LOSS),
)
_TALL_LINKS: tuple[tuple[Place, str, LabPage], ...] = (
    ((4, 134, 166, 104), "Teacher", SOFT_TARGETS),
    ((4, 274, 166, 112), "Soft targets", SOFT_TARGETS),
    ((196, 134, 124, 76), "Student", DISTILL),
    ((4, 426, 166, 84), "Distillation term", LOSS),
    ((190, 426, 166, 84), "Supervised term", LOSS),
    ((110, 554, 140, 56), "Loss", LOSS),
)


def _wide(picture: str, label: str, soft_targets: Sequence[float]) -> str:
    return "".join(
        (
            _picture(20, 112, 104, picture),
            _text(72, 240, "examples", size=15),
            _arrow("teacher", (132, 140), (188, 92)),
            _arrow("soft_targets", (132, 196), (218, 240)),
            _box("teacher", 196, 20, 190, 130, "Teacher", "large, trained, fixed"),
            _box("soft_targets", 226, 222, 130, 84, "Student", "small, learning"),
            _arrow("teacher", (394, 85), (466, 85)),
            _arrow("soft_targets", (364, 264), (466, 264)),
            _bars(474, 24, 176, 124, soft_targets),
            _box("soft_targets", 474, 228, 176, 72, "Student's q<sub>T</sub> and q", "at T and at 1"),
            _arrow("teacher", (658, 85), (724, 85)),
            _arrow("soft_targets", (650, 236), (724, 136)),
            _arrow("soft_targets", (658, 268), (724, 268)),
            _box(
                "distillation",
                732,
                42,
                190,
                96,
                "Distillation term",
                "T² · KL( p<sub>T</sub> ‖ q<sub>T</sub> )",
            ),
            _box("supervised", 732, 222, 190, 96, "Supervised term", "cross-entropy( y, q )"),
            _box("hard_labels", 474, 328, 176, 48, f"True label y: {label}", ""),
            _elbow("hard_labels", (72, 252), (72, 352), (466, 352)),
            _elbow("hard_labels", (658, 352), (827, 352), (827, 326)),
            _arrow("distillation", (930, 100), (982, 146)),
            _arrow("supervised", (930, 260), (982, 214)),
            _text(968, 108, "w", size=15, hue="distillation"),
            _text(976, 262, "1 − w", size=15, hue="supervised"),
            _box("ink", 988, 144, 100, 72, "Loss", "weighted sum"),
            _elbow("ink", (988, 180), (291, 180), (291, 214), dashed=True),
            _text(566, 172, "gradients: only the student learns", size=14),
        )
    )


def _tall(picture: str, label: str, soft_targets: Sequence[float]) -> str:
    return "".join(
        (
            _picture(76, 4, 72, picture),
            _text(112, 96, "examples", size=14),
            _arrow("teacher", (96, 104), (88, 128)),
            _elbow("soft_targets", (156, 60), (212, 60), (212, 128)),
            _box("hard_labels", 244, 18, 112, 52, "True label y", label),
            _box("teacher", 4, 134, 166, 104, "Teacher", "large, trained, fixed"),
            _box("soft_targets", 196, 134, 124, 76, "Student", "small, learning"),
            _arrow("teacher", (87, 244), (87, 268)),
            _arrow("soft_targets", (258, 216), (258, 282)),
            _bars(4, 274, 166, 112, soft_targets),
            _box("soft_targets", 196, 288, 124, 70, "q<sub>T</sub> and q", "at T and at 1"),
            _arrow("teacher", (87, 392), (87, 420)),
            _arrow("soft_targets", (212, 364), (140, 420)),
            _arrow("soft_targets", (262, 364), (262, 420)),
            _elbow("hard_labels", (338, 74), (338, 398), (338, 420)),
            _box(
                "distillation",
                4,
                426,
                166,
                84,
                "Distillation term",
                "T² · KL( p<sub>T</sub> ‖ q<sub>T</sub> )",
            ),
            _box("supervised", 190, 426, 166, 84, "Supervised term", "cross-entropy( y, q )"),
            _arrow("distillation", (110, 516), (140, 548)),
            _arrow("supervised", (250, 516), (220, 548)),
            _text(104, 542, "w", size=14, hue="distillation"),
            _text(268, 542, "1 − w", size=14, hue="supervised"),
            _box("ink", 110, 554, 140, 56, "Loss", "weighted sum"),
            _text(180, 632, "its gradients train the student only", size=14),
        )
    )


def _form(
    form: str, width: int, height: int, body: str, here: str, links: Sequence[tuple[Place, str, LabPage]]
) -> str:
    """The picture, and over its boxes the links: a picture with a text in its place may hold none."""
    alt = escape(f"{_ALT} {here}")
    over = "".join(
        f'<a href="{page.path}" aria-label="{name}, on the page {page.title}" style="left: {x / width:.2%}; '
        f'top: {y / height:.2%}; width: {w / width:.2%}; height: {h / height:.2%}"></a>'
        for (x, y, w, h), name, page in links
    )
    svg = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{alt}">{body}</svg>'
    return f'<div class="{form}">{svg}{over}</div>'


def _box(hue: str, x: int, y: int, width: int, height: int, name: str, what: str) -> str:
    colour, middle = _HUES[hue], x + width / 2
    heavy = 3 if hue == "teacher" else 2
    frame = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" fill="{colour}" fill-opacity="0.1" '
        f'stroke="{colour}" stroke-width="{heavy}"/>'
    )
    if not what:
        return frame + _text(middle, y + height / 2 + 5, name, size=15, bold=True)
    return (
        frame
        + _text(middle, y + height / 2 - 4, name, size=17, bold=True)
        + _text(middle, y + height / 2 + 19, what, size=14)
    )


def _bars(x: int, y: int, width: int, height: int, soft_targets: Sequence[float]) -> str:
    """The soft targets' card with the real probabilities of the example as bars."""
    colour = _HUES["teacher"]
    step = (height - 46) / len(soft_targets)
    longest = max(soft_targets)
    bars = "".join(
        f'<rect x="{x + 16}" y="{y + 36 + i * step:.1f}" height="{step * 0.66:.1f}" rx="2" fill="{colour}" '
        f'width="{max(2.0, (width - 32) * p / longest):.1f}"/>'
        for i, p in enumerate(soft_targets)
    )
    frame = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="12" fill="{colour}" fill-opacity="0.1" '
        f'stroke="{colour}" stroke-width="2"/>'
    )
    return frame + _text(x + width / 2, y + 24, "Soft targets p<sub>T</sub>", size=16, bold=True) + bars


def _picture(x: int, y: int, size: int, address: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{size}" height="{size}" rx="8" fill="#000"/>'
        f'<image x="{x + 2}" y="{y + 2}" width="{size - 4}" height="{size - 4}" href="{address}" '
        'style="image-rendering:pixelated"/>'
    )


def _text(x: float, y: float, text: str, *, size: int, bold: bool = False, hue: str = "ink") -> str:
    low = text.replace("<sub>", f'<tspan font-size="{size * 0.72:.0f}" dy="4">').replace(
        "</sub>", '</tspan><tspan dy="-4">&#8203;</tspan>'
    )
    weight = ' font-weight="650"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="middle" fill="currentColor"{weight}>{low}</text>'


def _arrow(hue: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    return _elbow(hue, start, end)


def _elbow(hue: str, *points: tuple[int, int], dashed: bool = False) -> str:
    """A line through the points with a head at the last."""
    colour = _HUES[hue]
    (x0, y0), (x1, y1) = points[-2:]
    length = max(1e-9, ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    base_x, base_y = x1 - 9 * dx, y1 - 9 * dy
    head = (
        f"{x1},{y1} {base_x - 5 * dy:.1f},{base_y + 5 * dx:.1f} {base_x + 5 * dy:.1f},{base_y - 5 * dx:.1f}"
    )
    line = " ".join(f"{x},{y}" for x, y in (*points[:-1], (round(base_x, 1), round(base_y, 1))))
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    return (
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<polygon points="{head}" fill="{colour}"/>'
    )
