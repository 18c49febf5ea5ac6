"""Which names this server answers to, so that another site's name cannot be pointed at it (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config


class KnownHosts:
    """ASGI middleware: answers to numeric addresses, to localhost and to this machine's own name.

    A class opens the lab by the lecturer's numeric address, and a numeric address cannot be
    rebound. Other names, a reverse proxy's for example, are listed in ``server.allowedHosts``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        own = socket.gethostname().lower()
        self.names = {"localhost", own, own.split(".")[0], f"{own.split('.')[0]}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Streamlit itself holds websockets to server.allowedHosts wherever that is set.
        if scope["type"] not in ("http", "websocket") or config.get_option("server.allowedHosts"):
            await self.app(scope, receive, send)
            return
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if self._knows(host):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(
                "This lab does not know the name that it was called by. Open it by its numeric address, "
                "or start it with --server.allowedHosts and that name.",
                status_code=421,
            )(scope, receive, send)

    def _knows(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self.names or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
