"""What the browser's back button undoes: a page, a data set, an example and a run, not every step of a drag.

Streamlit makes a new history entry of every change that a script makes to the address. So each page carries a
script that lets only a visitor's own steps be entries; every other change replaces the address where it stands.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kdlab.server.headers import opens_a_page

STEPS = ("data", "example", "run", "compare")
"""Parameters of the address whose change, by the visitor's hand, is a step."""
_SCRIPT = (
    Path(__file__).with_suffix(".js").read_text(encoding="utf-8").replace("__STEPS__", json.dumps(STEPS))
)
_HEAD_ENDS = b"</head>"


class StepsInHistory:
    """ASGI middleware: gives every page of HTML the script, before any other can touch the address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not opens_a_page(scope):
            await self.app(scope, receive, send)
            return
        # A compressed page could not be added to.
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
        start: Message = {}
        body = b""

        async def send_with_script(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif message["type"] == "http.response.body" and start:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                page = body.replace(_HEAD_ENDS, f"<script>{_SCRIPT}</script>".encode() + _HEAD_ENDS, 1)
                headers = MutableHeaders(scope=start)
                headers["Content-Length"] = str(len(page))
                # They name the page without its script.
                for name in ("ETag", "Last-Modified"):
                    del headers[name]
                await send(start)
                await send({"type": "http.response.body", "body": page})
            else:
                await send(message)

        await self.app(scope, receive, send_with_script)


def _is_html(start: Message) -> bool:
    return start["status"] == 200 and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"]
    )
