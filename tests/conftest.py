"""What tests share: how hypothesis searches, which tests need a graphics card, the running app and a browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import kdlab  # noqa: F401 - before torch: it sets how OpenMP waits
from tests.postgresql import PostgreSQL, server_programs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Error, Page

PATIENCE = 180_000
"""Milliseconds that a test waits in a browser. No bound: a busy machine may take its time over a first page."""
ROOT = Path(__file__).resolve().parents[1]

# Tests assert behaviour, never a time; the same code must always give the same verdict.
settings.register_profile("kdlab", deadline=None, derandomize=True)
settings.load_profile("kdlab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The fault tests wait the most: begun first, they wait beside the others and not alone at the end.
    items.sort(key=lambda item: "faults" not in item.path.parts)
    on_card = [item for item in items if item.get_closest_marker("gpu")]
    if not on_card:
        return
    import torch

    if not torch.cuda.is_available():
        for item in on_card:
            item.add_marker(pytest.mark.skip(reason="needs a graphics card"))


@dataclass(frozen=True)
class AppServer:
    """The lab as a visitor meets it: a server process with a home folder of its own."""

    url: str
    home: Path
    log: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running_app(folder: Path, port: int) -> Iterator[AppServer]:
    """`streamlit run app.py` with its home in the folder, ended with everything that it started in its group."""
    url, log = f"http://127.0.0.1:{port}", folder / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1"]
    command += ["--server.port", str(port), "--server.headless", "true", "--server.fileWatcherType", "none"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "KDLAB_HOME": str(folder / "home")},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(url, process, log)
        yield AppServer(url, folder / "home", log, process)
    finally:
        _end_group(process)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server that tests share; skips where none is installed. `new_database` gives each its own."""
    with running_postgresql() as server:
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSQL]:
    """One that the test may stop and start."""
    with running_postgresql() as server:
        yield server


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install -r requirements-postgresql.txt")
    programs = server_programs()
    if programs is None:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    # Not below pytest's own folders, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="kdlab-postgresql-") as folder:
        server = PostgreSQL(Path(folder), free_port(), programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The lab on a free port."""
    with running_app(tmp_path_factory.mktemp("lab"), free_port()) as server:
        yield server


@pytest.fixture
def start_app(tmp_path: Path) -> Callable[..., AbstractContextManager[AppServer]]:
    """Starts a lab of the test's own, again and again on the same home and port if need be."""
    port = free_port()
    return lambda: running_app(tmp_path, port)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.fail(f"the server ended at its start:\n{log.read_text(encoding='utf-8')}")
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server does not answer:\n{log.read_text(encoding='utf-8')}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for order in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, order)
            process.wait(timeout=10)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without windows where it has that, else Playwright's own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        # Wherever a test opens a tab: Playwright has no default for all.
        chromium.new_context = _patient(chromium.new_context)  # type: ignore[method-assign]
        chromium.new_page = _patient(chromium.new_page)  # type: ignore[method-assign]
        yield chromium
        chromium.close()


def _patient(opens: Callable[..., Any]) -> Callable[..., Any]:
    def opened(**how: Any) -> Any:
        context_or_page = opens(**how)
        context_or_page.set_default_timeout(PATIENCE)
        return context_or_page

    return opened


class Tabs:
    """Tabs that tests take over from each other: to start a browser's process anew costs more than most tests."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._open: dict[str, tuple[Page, CDPSession]] = {}

    @contextmanager
    def new_visitor(self, **how: Any) -> Iterator[Page]:
        """A tab as a new visitor has it: no cookie, nothing stored, no history. A script error in it fails the test.

        how: as `Browser.new_context` takes it; "viewport" at least. For an init script, open a tab of your own.
        """
        page, developer = self._tab(how)
        for other in page.context.pages:
            if other is not page:
                other.close()
        page.goto("/_stcore/health")  # of the lab's origin, whose storage it can clear
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        page.context.clear_cookies()
        page.context.clear_permissions()
        page.set_viewport_size(how["viewport"])
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        page.goto("about:blank")
        developer.send("Page.resetNavigationHistory")
        errors: list[str] = []

        def keep(error: Error) -> None:
            errors.append(str(error))

        page.on("pageerror", keep)
        try:
            yield page
            page.goto("about:blank")  # what it still shows ends here, not in the next test
        finally:
            page.remove_listener("pageerror", keep)
            page.unroute_all(behavior="ignoreErrors")
        assert errors == []

    def _tab(self, how: dict[str, Any]) -> tuple[Page, CDPSession]:
        key = repr(sorted((name, said) for name, said in how.items() if name != "viewport"))
        if key not in self._open:
            page = self._browser.new_context(base_url=self._url, **how).new_page()
            self._open[key] = page, page.context.new_cdp_session(page)
        return self._open[key]


@pytest.fixture(scope="session")
def tabs(browser: Browser, app_server: AppServer) -> Tabs:
    """The tabs of `app_server`'s visitors."""
    return Tabs(browser, app_server.url)


@pytest.fixture
def browser_page(tabs: Tabs) -> Iterator[Page]:
    """A new visitor's tab: `browser_page.goto("/soft-targets")`. A script error in the page fails the test."""
    with tabs.new_visitor(viewport={"width": 1280, "height": 800}) as page:
        yield page


@pytest.fixture
def phone(tabs: Tabs) -> Iterator[Page]:
    """A new visitor's phone, 390 px wide."""
    with tabs.new_visitor(viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True) as page:
        yield page
