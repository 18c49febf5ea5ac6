"""Colours by name: a role's hue, and the ink that a token stands for on a light and on a dark ground."""

from __future__ import annotations

# Okabe and Ito 2008, colour universal design; the grey is ours.
ROLE_COLOURS = {
    "teacher": "#0072B2",
    "soft_targets": "#009E73",
    "labels_only": "#E69F00",
    "hard_labels": "#7C828A",
    "distillation": "#CC79A7",
    "supervised": "#D55E00",
}

# Words need more contrast than strokes: at least 4.5 to 1 on the grounds of .streamlit/config.toml, also where
# these are tinted with a fifth of the role's own colour.
ROLE_INKS = {
    "light": {
        "teacher": "#0067A3",
        "soft_targets": "#006F53",
        "labels_only": "#8A5E00",
        "hard_labels": "#5F656D",
        "distillation": "#9B4775",
        "supervised": "#A34800",
    },
    "dark": {
        "teacher": "#56B4E9",
        "soft_targets": "#35C79B",
        "labels_only": "#F0B429",
        "hard_labels": "#A3A9B2",
        "distillation": "#DE9CC1",
        "supervised": "#F58B45",
    },
}

# Grounds of one ordered scale, from little to much, and the ink of the words on each, at least 4.5 to 1. They differ in
# lightness, away from the page's own ground, so that nobody needs to see a hue.
ORDERED_GROUNDS = {
    "light": (
        ("#E9F0F6", "#1B2027"),
        ("#B9D7EB", "#1B2027"),
        ("#7CB4DA", "#1B2027"),
        ("#2A78B0", "#FFFFFF"),
        ("#00344F", "#FFFFFF"),
    ),
    "dark": (
        ("#252D36", "#FFFFFF"),
        ("#1F4A68", "#FFFFFF"),
        ("#2A76A6", "#FFFFFF"),
        ("#72BDE8", "#0D1014"),
        ("#D6EEFC", "#0D1014"),
    ),
}
