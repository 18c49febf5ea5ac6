"""Where the browser finds Plotly: in the plotly package itself, served by a route of the app."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from kdlab.server.routes import lab_path

# Looked up once, and not with every run of a page.
_VERSION = version("plotly")
_PACKAGE = find_spec("plotly")


def plotly_address() -> str:
    """The script's address on this server. Its version makes it cacheable for ever."""
    return f"{lab_path('plotly.min.js')}?v={_VERSION}"


def plotly_route() -> Route:
    """Serves ``plotly.min.js`` out of the installed package."""
    if _PACKAGE is None or _PACKAGE.origin is None:
        raise ModuleNotFoundError("plotly is not installed; run pip install -r requirements.txt")
    script = Path(_PACKAGE.origin).parent / "package_data" / "plotly.min.js"

    async def send(request: Request) -> FileResponse:
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(script, media_type="text/javascript", headers=headers)

    return Route(lab_path("plotly.min.js"), send, methods=["GET", "HEAD"])
