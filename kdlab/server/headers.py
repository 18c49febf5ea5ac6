"""Headers: whether a request opens a page; on every answer, who may show the lab in a frame, and what a file is."""

from __future__ import annotations

import logging
import os
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SOURCE = re.compile(r"'self'|\*|https?://[\w.*\-\[\]:]+", re.ASCII)


def frame_ancestors() -> str:
    """The sites that may embed the lab: this one, and those that ``KDLAB_EMBED_IN`` lists, apart by spaces.

    ``KDLAB_EMBED_IN="https://moodle.example.org"``; ``*`` lets every site do so.
    """
    named = os.environ.get("KDLAB_EMBED_IN", "").split()
    for name in named:
        if not _SOURCE.fullmatch(name):
            logging.getLogger("kdlab").warning(
                "KDLAB_EMBED_IN names %r, which is no site such as https://moodle.example.org; it is left out.",
                name[:80],
            )
    return " ".join(["'self'", *(name for name in named if _SOURCE.fullmatch(name))])


def opens_a_page(scope: Scope) -> bool:
    """A browser that opens a page asks for HTML; scripts, images and health checks do not."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    )


class SafeHeaders:
    """ASGI middleware: adds the headers to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._headers = {
            "Content-Security-Policy": f"frame-ancestors {frame_ancestors()}",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)
