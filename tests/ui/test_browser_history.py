"""The script that keeps the browser's history short reaches every page, and only pages."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from kdlab.server.browser_history import StepsInHistory

PAGE = "<html><head><title>Lab</title></head><body></body></html>"


def _client() -> TestClient:
    async def page(request):
        return HTMLResponse(PAGE, headers={"ETag": "x", "Cache-Control": "no-cache"})

    async def data(request):
        return PlainTextResponse("</head>")

    routes = [Route("/", page), Route("/data", data)]
    middleware = [Middleware(StepsInHistory), Middleware(GZipMiddleware, minimum_size=1)]
    return TestClient(Starlette(routes=routes, middleware=middleware))


def test_a_page_gets_the_script_before_its_head_ends():
    answer = _client().get("/", headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
    assert answer.text.startswith("<html><head><title>Lab</title><script>")
    assert answer.text.endswith("</script></head><body></body></html>")
    assert '"example"' in answer.text
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-cache"


def test_what_is_no_page_stays_as_it_is():
    answer = _client().get("/data", headers={"Accept-Encoding": "gzip"})
    assert answer.text == "</head>"
    assert answer.headers["Content-Encoding"] == "gzip"  # a script of megabytes travels compressed
