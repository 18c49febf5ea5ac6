"""How soon the lab answers: its start, a launch, a stop; in Chromium, with a server of its own.

    python -m benchmarks.app [--json]

From `streamlit run app.py` to the first page's title; from the click on Launch to the first point on screen,
with a warm worker; from the click on Stop to "Stopped". Says too whether the server's process has loaded
torch. Ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS, FIRST_POINT_SECONDS, STOP_SECONDS = 4.0, 1.5, 1.0
LONG_RUN = "/distill?epochs=400"
TRIES = 3
OF_THIS_RUN = re.compile(r"At epoch (?!100:)\d+")  # the recorded run, which was on show before, ends at 100


def start(folder: str) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    environment = {**os.environ, "KDLAB_HOME": folder}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    return process, f"http://127.0.0.1:{port}"


def wait_until_it_answers(url: str) -> None:
    while True:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.02)


def has_torch(process: subprocess.Popen[bytes]) -> bool | None:
    """Whether torch's library is mapped into the server's process; None where the system does not say."""
    maps = Path(f"/proc/{process.pid}/maps")
    return "libtorch" in maps.read_text(encoding="utf-8") if maps.exists() else None


def launch_and_stop(page: Page) -> tuple[float, float]:
    """Seconds to the first drawn point and to the stop."""
    page.goto(LONG_RUN)
    page.get_by_role("button", name="Launch").wait_for()
    page.get_by_text("A run recorded on").wait_for()
    page.wait_for_timeout(10_000)  # the worker is warm
    begun = time.perf_counter()
    page.get_by_role("button", name="Launch").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_text(OF_THIS_RUN).first.wait_for()
    first_point = time.perf_counter() - begun
    page.wait_for_timeout(3000)
    begun = time.perf_counter()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped").first.wait_for()
    return first_point, time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        browser.new_page().goto("about:blank")  # the browser's own start is not the lab's
        begun = time.perf_counter()
        process, url = start(folder)
        try:
            page = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800}).new_page()
            wait_until_it_answers(url)
            page.goto("/")
            page.get_by_role("heading", level=1).first.wait_for()
            opened = time.perf_counter() - begun
            torch_at_home = has_torch(process)
            tries = [launch_and_stop(page) for _ in range(TRIES)]
            torch_after_runs = has_torch(process)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
            browser.close()
    first_point, stop = (sorted(values)[TRIES // 2] for values in zip(*tries, strict=True))
    figures = {
        "start to first page, s": opened,
        "launch to first point, s": first_point,
        "stop, s": stop,
        "torch in the server": bool(torch_at_home or torch_after_runs),
    }
    met = {
        f"first page within {START_SECONDS:g} s": opened <= START_SECONDS,
        f"first point within {FIRST_POINT_SECONDS:g} s": first_point <= FIRST_POINT_SECONDS,
        f"stop within {STOP_SECONDS:g} s": stop <= STOP_SECONDS,
        "no torch in the server": not figures["torch in the server"],
    }
    if options.json:
        print(json.dumps({"figures": figures, "met": met}))
    else:
        print(*(f"{name:<28}{value:8.2f}" for name, value in figures.items()), sep="\n")
        print(*(f"{'met' if good else 'NOT MET':<8}{bound}" for bound, good in met.items()), sep="\n")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
