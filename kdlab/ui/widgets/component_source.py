"""Where the browser finds the code of the lab's own components: fetched once, served by a route of the app.

Streamlit sends a component's HTML, style sheet and script again with every change of its data. So
these name addresses instead, and what a drag sends is the data.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from streamlit.components.v2.bidi_component.state import ComponentResult

from kdlab.server.routes import lab_path
from kdlab.ui.look.tokens import ROLE_INKS

_TYPES = {".js": "text/javascript", ".css": "text/css"}
_FILES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted(Path(__file__).parent.iterdir())
    if path.suffix in _TYPES
} | {"role_inks.js": f"export const ROLE_INKS = {json.dumps(ROLE_INKS)};\n"}
_VERSION = hashlib.sha256(json.dumps(_FILES).encode()).hexdigest()[:12]


# A later server's turns are above an earlier one's: fewer than one is given a millisecond.
_TURNS = itertools.count(time.time_ns() // 1_000_000)
# A browser may run what waited for a script in any order, and Streamlit's own calls wait for one. Whatever has a
# newer turn before it is not run. A module of a blob has no address that a path could start from.
_STUB = """
const newest = new WeakMap();
export default async (given) => {
  const { parentElement, data } = given;
  if (!(newest.get(parentElement)?.data.turn > data.turn)) newest.set(parentElement, given);
  const code = await import(new URL("%s", document.baseURI).href);
  if (newest.get(parentElement) === given) return code.default(given);
};
"""


def component(name: str, *, html: str, isolate_styles: bool = True) -> Callable[..., ComponentResult]:
    """Registers ``kdlab.NAME``, which ``NAME.js`` and ``NAME.css`` draw; its data is a dictionary.

    What can be pressed in the HTML is ``disabled`` there: the script, which comes after it, enables it.
    The script's function is called with the newest data. What it returns is run at the end, and also when
    newer data came while the component stands: look whether it is still in the page.
    """
    folder = lab_path(f"components/{_VERSION}")
    mount = st.components.v2.component(
        f"kdlab.{name}",
        html=f'<link rel="stylesheet" href="{folder}/{name}.css">{html}',
        js=_STUB % f"{folder}/{name}.js",
        isolate_styles=isolate_styles,
    )

    def mounted(*, data: dict[str, Any], **given: Any) -> ComponentResult:
        return mount(data={**data, "turn": next(_TURNS)}, **given)

    return mounted


def component_route() -> Route:
    """Serves the scripts and style sheets. The version in the path makes them cacheable for ever."""

    async def send(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return PlainTextResponse("Not found", status_code=404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(_FILES[name], media_type=_TYPES[Path(name).suffix], headers=headers)

    return Route(lab_path("components/{version}/{name}"), send, methods=["GET", "HEAD"])
