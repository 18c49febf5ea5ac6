"""Small pieces around the bars: what each colour means, and the numbers of one answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdlab.core.probability import entropy
from kdlab.ui.tokens import ROLE_COLOURS
from kdlab.ui.words import second_to_third


def swatches(temperature: float, *, hard_label: bool) -> str:
    """The bars' legend as HTML."""
    blue, grey = ROLE_COLOURS["teacher"], ROLE_COLOURS["hard_labels"]
    shown = [
        f'<i style="background:{blue}"></i>teacher at T = {temperature:g}',
        '<i class="kd-hollow"></i>at T = 1',
    ]
    if hard_label:
        shown.append(f'<i style="background:{grey};opacity:.35"></i>hard label')
    return f'<div class="kd-legend">{"".join(f"<span>{entry}</span>" for entry in shown)}</div>'


def facts(classes: Sequence[str], soft_targets: np.ndarray, label: int | None) -> str:
    """Hard label, entropy and the ratio of the second class to the third, as HTML."""
    ratio = second_to_third(soft_targets)
    rows = []
    if label is not None:
        rows.append(("Hard label", classes[label]))
    rows.append(("Entropy", f"{float(entropy(soft_targets)):.2f} of {np.log2(len(classes)):.2f} bits"))
    if ratio is not None:
        shown = "over 10⁶" if ratio >= 1e6 else f"{ratio:,.1f}" if ratio < 100 else f"{ratio:,.0f}"
        rows.append(("2nd : 3rd class", f"{shown} : 1"))
    return f'<dl class="kd-facts">{"".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)}</dl>'
