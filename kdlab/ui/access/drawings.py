"""Arrays as pictures in HTML: heat, and word pieces on its colours."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from PIL import Image

_ABOVE, _BELOW = np.array([213, 94, 0]), np.array([0, 114, 178])  # Okabe and Ito's vermillion and blue


def heat(values: np.ndarray) -> np.ndarray:
    """(…) → (…, 4): vermillion above 0, blue below, clear at 0."""
    share = np.clip(values / (np.abs(values).max() or 1.0), -1, 1)
    colour = np.where(share[..., None] > 0, _ABOVE, _BELOW)
    return np.concatenate([colour, 255 * np.abs(share[..., None]) ** 0.6], axis=-1).astype(np.uint8)


def image(pixels: np.ndarray, alt: str) -> str:
    """pixels (H, W, 4) as a picture, with what it shows in words below it."""
    return f'{picture(pixels, alt)}<p class="kd-alt">{html.escape(alt)}</p>'


def map_of(pixels: np.ndarray, alt: str, example: str, name: str) -> str:
    """A map of a picture, beside the picture that it is a map of. example: its address; name: what it is called."""
    shown = f'<img src="{html.escape(example)}" alt="{html.escape(name)}">'
    return f'<div class="kd-pair">{shown}{picture(pixels, alt)}</div><p class="kd-alt">{html.escape(alt)}</p>'


def picture(pixels: np.ndarray, alt: str) -> str:
    """pixels (H, W, 4) as a picture."""
    packed = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(packed, "PNG", optimize=True)
    data = base64.b64encode(packed.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}">'


def coloured_text(pieces: tuple[str, ...], values: np.ndarray, alt: str) -> str:
    """Word pieces on the colours of `heat`; a piece that goes on with a word stands close to it."""
    drawn = []
    for piece, (r, g, b, a) in zip(pieces, heat(values), strict=True):
        gap = "" if piece.startswith("##") else " "
        colour = f"rgba({r},{g},{b},{a / 510:.2f})"  # half as strong as in a picture: words must be read on it
        drawn.append(f'{gap}<span style="background:{colour}">{html.escape(piece.removeprefix("##"))}</span>')
    return f'<p class="kd-pieces">{"".join(drawn)}</p><p class="kd-alt">{html.escape(alt)}</p>'
