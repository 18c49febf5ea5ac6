"""Who a visitor is: a random number in a signed cookie, never a typed name.

The cookie is set with the first page and sent back with the websocket, where the script reads it.
Whoever changes it, or takes another's number without the lab's secret, is a new visitor.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import cache
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

import streamlit as st
from itsdangerous import BadSignature, Signer
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from kdlab.runs.home import HomeError, home

COOKIE = "kdlab_visitor"
_TEN_YEARS = 10 * 365 * 24 * 3600


def visitor_id() -> str:
    """The visitor's id, the same on every visit with this browser. A session's own where there is no cookie."""
    known = _verified(st.context.cookies.get(COOKIE))
    if known is not None:
        return known
    return st.session_state.setdefault("visitor_id", secrets.token_hex(16))


class VisitorCookie:
    """ASGI middleware: a page's first answer to a browser without a valid cookie carries a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_page(scope) or _verified(_sent_cookie(scope)) is not None:
            await self.app(scope, receive, send)
            return
        cookie = _new_cookie(secure=scope.get("scheme") == "https")

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _is_page(scope: Scope) -> bool:
    """A browser that opens a page asks for HTML; scripts, images and health checks do not."""
    return scope["method"] == "GET" and any(
        name == b"accept" and b"text/html" in value for name, value in scope["headers"]
    )


def _sent_cookie(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                return None
            return morsel.value if morsel else None
    return None


def _new_cookie(secure: bool) -> str:
    cookie = SimpleCookie({COOKIE: _signer().sign(secrets.token_hex(16)).decode()})
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    cookie[COOKIE].update(
        {"path": f"/{base}", "max-age": str(_TEN_YEARS), "samesite": "Lax", "httponly": True}
    )
    cookie[COOKIE]["secure"] = secure
    return cookie[COOKIE].OutputString()


def _verified(signed: str | None) -> str | None:
    if not signed:
        return None
    try:
        return _signer().unsign(signed).decode()
    except (BadSignature, UnicodeError):
        return None


@cache
def _signer() -> Signer:
    try:
        secret = _kept_secret(home() / "cookie-secret")
    except (HomeError, OSError):
        # The pages still open; visitors are new ones after a restart.
        secret = secrets.token_bytes(32)
    return Signer(secret, salt=COOKIE, key_derivation="hmac", digest_method=hashlib.sha256)


def _kept_secret(path: Path) -> bytes:
    """The lab's secret, made at the first start; only the lab's owner may read it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    if not path.exists():
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            # Of two servers that start together on one folder, the first to link wins.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_bytes()
    if len(secret) != 32:
        raise OSError(f"{path} is damaged")
    return secret
