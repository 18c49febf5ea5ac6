"""Who a visitor is: a random number in a signed cookie, never a typed name.

The cookie is set with the first page and sent back with the websocket, where the script reads it.
Whoever changes it, or takes another's number without the lab's secret, is a new visitor.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path

import streamlit as st
from itsdangerous import BadSignature, Signer
from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from kdlab.data.home import HomeError, home
from kdlab.server.headers import opens_a_page

_log = logging.getLogger("kdlab")
COOKIE = "kdlab_visitor"
_SECRET_BYTES = 32
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
        if not opens_a_page(scope) or _verified(_sent_cookie(scope)) is not None:
            await self.app(scope, receive, send)
            return
        # Behind a TLS proxy the scheme is the browser's where uvicorn trusts the proxy's X-Forwarded-Proto: from this
        # machine always, from another where FORWARDED_ALLOW_IPS names it. Anybody else could only lie about it.
        cookie = _new_cookie(secure=scope.get("scheme") == "https")

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _sent_cookie(scope: Scope) -> str | None:
    """What the browser sent; other programs on this host may have set cookies that no standard allows."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    return cookie_parser("; ".join(sent)).get(COOKIE)


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
    except (HomeError, OSError) as error:
        _log.error("Visitors will be strangers after a restart: the cookie's secret cannot be kept (%s).", error)
        secret = secrets.token_bytes(_SECRET_BYTES)
    return Signer(secret, salt=COOKIE, key_derivation="hmac", digest_method=hashlib.sha256)


def _kept_secret(path: Path) -> bytes:
    """The lab's secret, made where there is none or a damaged one; only the lab's owner may read it."""
    if path.exists() and path.stat().st_size != _SECRET_BYTES:
        _log.error("The cookie's secret was damaged and is made anew: visitors of before are strangers now.")
        path.unlink()
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        try:
            os.link(draft, path)  # of two servers that start together on one folder, the first to link wins
        except FileExistsError:
            pass
        except OSError:
            draft.replace(path)  # a file system without links
        finally:
            draft.unlink(missing_ok=True)
    return path.read_bytes()
