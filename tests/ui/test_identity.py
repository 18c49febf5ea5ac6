"""The visitor's cookie and the names the server answers to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from kdlab.server import identity
from kdlab.server.headers import SafeHeaders, frame_ancestors
from kdlab.server.hosts import KnownHosts

PAGE = {"accept": "text/html,*/*"}


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def _app(*middleware: type) -> Starlette:
    routes = [
        Route("/", lambda request: PlainTextResponse(request.cookies.get(identity.COOKIE, ""))),
        WebSocketRoute("/ws", _socket),
    ]
    return Starlette(routes=routes, middleware=[Middleware(each) for each in middleware])


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    identity._signer.cache_clear()
    yield tmp_path / "home"
    identity._signer.cache_clear()


def test_first_page_sets_a_cookie_that_later_pages_keep(lab):
    client = TestClient(_app(identity.VisitorCookie))
    first = client.get("/", headers=PAGE)
    assert "httponly" in first.headers["set-cookie"].lower()
    assert "samesite=lax" in first.headers["set-cookie"].lower()
    again = client.get("/", headers=PAGE)
    assert "set-cookie" not in again.headers
    assert identity._verified(again.text) is not None


def test_two_visitors_get_two_ids(lab):
    ids = {
        identity._verified(
            TestClient(_app(identity.VisitorCookie)).get("/", headers=PAGE).cookies[identity.COOKIE]
        )
        for _ in range(2)
    }
    assert len(ids) == 2
    assert None not in ids


def test_a_forged_cookie_is_no_identity_and_is_replaced(lab):
    client = TestClient(_app(identity.VisitorCookie))
    signed = client.get("/", headers=PAGE).cookies[identity.COOKIE]
    someone = "0" * 32 + signed[32:]
    assert identity._verified(someone) is None
    forged = TestClient(_app(identity.VisitorCookie), cookies={identity.COOKIE: someone}).get(
        "/", headers=PAGE
    )
    assert identity._verified(forged.cookies[identity.COOKIE]) is not None


def test_scripts_and_checks_get_no_cookie(lab):
    client = TestClient(_app(identity.VisitorCookie))
    assert "set-cookie" not in client.get("/", headers={"accept": "*/*"}).headers


def test_the_secret_is_the_owners_alone_and_survives_a_restart(lab):
    signed = identity._signer().sign("someone").decode()
    assert stat.S_IMODE((lab / "cookie-secret").stat().st_mode) == 0o600
    identity._signer.cache_clear()
    assert identity._verified(signed) == "someone"


@pytest.mark.parametrize("foreign", ['prefs={"a":1}', "a b=c", "[x]=1; é=2", "=", ",,;;=", '"', "expires=Thu, 1 Jan"])
def test_other_programs_cookies_make_nobody_a_stranger(lab, foreign):
    signed = TestClient(_app(identity.VisitorCookie)).get("/", headers=PAGE).cookies[identity.COOKIE]
    for cookie in (f"{foreign}; {identity.COOKIE}={signed}", f"{identity.COOKIE}={signed}; {foreign}"):
        raw = [(b"accept", b"text/html"), (b"cookie", cookie.encode("latin-1"))]
        answer = TestClient(_app(identity.VisitorCookie)).get("/", headers=raw)
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("client", "secure"), [("127.0.0.1", True), ("192.0.2.7", False)])
def test_a_cookie_is_secure_behind_a_tls_proxy_of_this_machine_and_nobody_else_can_claim_it(lab, client, secure):
    served = ProxyHeadersMiddleware(_app(identity.VisitorCookie), Config(app="").forwarded_allow_ips)
    answer = TestClient(served, client=(client, 1)).get("/", headers=PAGE | {"x-forwarded-proto": "https"})
    assert ("secure" in answer.headers["set-cookie"].lower()) == secure


@pytest.mark.parametrize("damaged", [b"", b"cut", b"x" * 33])
def test_a_damaged_secret_is_said_and_made_anew(lab, caplog, damaged):
    lab.mkdir()
    (lab / "cookie-secret").write_bytes(damaged)
    signed = identity._signer().sign("someone").decode()
    assert "damaged" in caplog.text
    identity._signer.cache_clear()
    assert identity._verified(signed) == "someone"
    assert stat.S_IMODE((lab / "cookie-secret").stat().st_mode) == 0o600


def test_the_secret_is_kept_on_a_file_system_without_links(lab, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    signed = identity._signer().sign("someone").decode()
    identity._signer.cache_clear()
    assert identity._verified(signed) == "someone"
    assert [path.name for path in lab.iterdir()] == ["cookie-secret"]


def test_a_secret_that_cannot_be_kept_is_said(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "file" / "home"))
    identity._signer.cache_clear()
    identity._signer()
    identity._signer.cache_clear()
    assert "strangers after a restart" in caplog.text


@pytest.mark.parametrize(
    ("named", "ancestors"),
    [
        ("", "'self'"),
        ("https://moodle.example.org", "'self' https://moodle.example.org"),
        ("https://*.example.org http://localhost:8080", "'self' https://*.example.org http://localhost:8080"),
        ("*", "'self' *"),
        ("https://x;script-src * 'unsafe-inline'", "'self' *"),
        ("javascript:alert(1)", "'self'"),
    ],
)
def test_only_the_sites_that_the_owner_names_may_show_the_lab_in_a_frame(monkeypatch, named, ancestors):
    monkeypatch.setenv("KDLAB_EMBED_IN", named)
    client = TestClient(_app(SafeHeaders, KnownHosts))
    for host in ("localhost", "evil.example"):
        answer = client.get("/", headers={"host": host})
        assert answer.headers["content-security-policy"] == f"frame-ancestors {ancestors}"
        assert answer.headers["x-content-type-options"] == "nosniff"
    with client.websocket_connect("/ws", headers={"host": "localhost"}):
        pass


def test_a_site_that_is_none_is_said(monkeypatch, caplog):
    monkeypatch.setenv("KDLAB_EMBED_IN", "moodle.example.org")
    assert frame_ancestors() == "'self'"
    assert "moodle.example.org" in caplog.text


def test_pages_open_where_the_home_folder_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "file" / "home"))
    identity._signer.cache_clear()
    try:
        client = TestClient(_app(identity.VisitorCookie))
        signed = client.get("/", headers=PAGE).cookies[identity.COOKIE]
        assert identity._verified(signed) is not None
    finally:
        identity._signer.cache_clear()


@pytest.mark.parametrize(
    "host", ["localhost:8501", "127.0.0.1:8501", "192.168.4.20:8501", "[::1]:8501", "lab.localhost"]
)
def test_numeric_addresses_and_own_names_are_answered(host):
    client = TestClient(_app(KnownHosts))
    assert client.get("/", headers={"host": host}).status_code == 200
    with client.websocket_connect("/ws", headers={"host": host}):
        pass


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "", "a b"])
def test_foreign_names_are_turned_away_with_a_way_out(host):
    client = TestClient(_app(KnownHosts))
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "--server.allowedHosts" in answer.text
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers={"host": host}):
        pass
