"""The one style of every figure: a colour, a dash and a marker a role, ink and grid from the theme.

Figures are plain dictionaries in Plotly's schema. Checking every value with `plotly.graph_objects`
costs tens of milliseconds, which a figure under the hand does not have.

A colour that starts with ``@`` is a token. `live_plot` fills it in the browser from the theme that is
on, so that one figure serves light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kdlab.ui.look.tokens import ROLE_COLOURS

Figure = dict[str, Any]


@dataclass(frozen=True)
class Role:
    """What a line or a bar stands for, everywhere in the lab. Colours are Okabe and Ito's."""

    name: str
    colour: str
    dash: str
    marker: str
    ink: str
    """A token: the colour for words, darker on a light ground and lighter on a dark one."""

    def line(self, width: float = 2.5) -> dict[str, Any]:
        """The role's stroke."""
        return {"color": self.colour, "dash": self.dash, "width": width}

    @property
    def band(self) -> str:
        """The role's colour at 20 % opacity, for an interval around its line."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.2)"


def _role(key: str, name: str, dash: str, marker: str) -> Role:
    return Role(name=name, colour=ROLE_COLOURS[key], dash=dash, marker=marker, ink=f"@{key}")


# Arms beyond the roles stand on one ordered scale from blue to orange, which those who see few colours tell apart too.
# Its strokes stand out from a light and from a dark ground, at least 3 to 1.
_SCALE = ("#2E6FC0", "#3F86A0", "#6E8A4E", "#A07F2C", "#C4632F")
_DASHES = ("solid", "dash", "dot", "dashdot")
_MARKERS = ("circle", "square", "diamond", "triangle-up", "cross")


def arm_role(hue: str, label: str, place: int = 0) -> Role:
    """How an arm looks: as the role that its hue names, else by its place on the ordered scale.

    place: its number among the arms; neighbours on the scale differ in dash and marker too. Its words are in the
    ink of all words.
    """
    if hue in ROLES:
        return replace(ROLES[hue], name=label)
    try:
        colour = _on_the_scale(float(hue))
    except ValueError:  # a role of another lab
        colour = ROLES["hard_labels"].colour
    return Role(label, colour, _DASHES[place % len(_DASHES)], _MARKERS[place % len(_MARKERS)], "@ink")


def _on_the_scale(where: float) -> str:
    at = min(max(where, 0.0), 1.0) * (len(_SCALE) - 1)
    low = min(int(at), len(_SCALE) - 2)
    ends = [[int(_SCALE[i][j : j + 2], 16) for j in (1, 3, 5)] for i in (low, low + 1)]
    mixed = [round(a + (at - low) * (b - a)) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{part:02X}" for part in mixed)


ROLES: dict[str, Role] = {
    "teacher": _role("teacher", "Teacher", "longdash", "square"),
    "soft_targets": _role("soft_targets", "Soft targets", "solid", "circle"),
    "hard_labels": _role("hard_labels", "Teacher's answers", "dot", "diamond"),
    "labels_only": _role("labels_only", "Labels only", "dash", "triangle-up"),
    "distillation": _role("distillation", "Distillation term", "solid", "circle"),
    "supervised": _role("supervised", "Supervised term", "dashdot", "cross"),
}

FONT_SIZE = 14
_AXIS = {
    "gridcolor": "@grid",
    "linecolor": "@grid",
    "zeroline": False,
    "automargin": True,
    "ticks": "",
    "tickfont": {"color": "@muted", "size": 13},
    "title": {"font": {"color": "@muted", "size": 13}, "standoff": 8},
}
_LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "@font", "size": FONT_SIZE, "color": "@ink"},
    "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
    "showlegend": False,
    "hovermode": "closest",
    "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@grid", "font": {"color": "@ink", "family": "@font"}},
    "dragmode": False,
    # A constant: zoom and hover stay while the numbers change.
    "uirevision": "kept",
    "xaxis": _AXIS,
    "yaxis": _AXIS,
}


def styled(figure: Any) -> Figure:
    """A figure in the lab's style: what it sets itself stays, the rest is filled in.

    figure: ``{"data": [...], "layout": {...}}`` or a plotly Figure.
    """
    plain = figure if isinstance(figure, dict) else figure.to_plotly_json()
    layout = plain.get("layout", {})
    base = dict(_LAYOUT)
    for name in layout:
        if name.startswith(("xaxis", "yaxis")):
            base[name] = _AXIS
    return {"data": list(plain.get("data", ())), "layout": _merged(base, layout)}


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def direct_label(x: float, y: float, text: str, role: str | Role, **annotation: Any) -> dict[str, Any]:
    """An annotation that names a line beside its end, in the role's ink; in place of a legend."""
    ink = (ROLES[role] if isinstance(role, str) else role).ink
    return {
        "x": x,
        "y": y,
        "text": text,
        "font": {"color": ink, "size": 13},
        "showarrow": False,
        "xanchor": "left",
        "xshift": 6,
        **annotation,
    }
