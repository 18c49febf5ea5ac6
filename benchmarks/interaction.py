"""How the soft-targets and the loss page answer a drag, in Chromium, beside a plain Streamlit page as the yardstick.

    python benchmarks/interaction.py [--seconds 4] [--json]

Both pages show the soft targets of one example as bars under a temperature slider: the lab's page with
`live_slider` and `live_plot` and everything else that it draws, the yardstick with `st.slider` and
`st.plotly_chart` alone. On the loss page a student's logit is dragged, and the arrows of both terms'
gradients are watched. A state is a change of the bars' outlines between two frames, watched from
outside the components. Ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[1]
AT_LEAST_STATES_A_SECOND = 15
AT_MOST_MS_AFTER_THE_STOP = 150

YARDSTICK = """
import numpy as np
import plotly.graph_objects as go
import streamlit as st

st.set_page_config(layout="wide")
logits = np.array([4.1, 3.2, 1.6, 1.2, 0.4, 0.1, -0.6, -1.1, -2.0, -2.6])
temperature = st.slider("Temperature T", 0.5, 20.0, 4.0, 0.1)
soft_targets = np.exp(logits / temperature)
soft_targets /= soft_targets.sum()
figure = go.Figure(go.Bar(x=soft_targets, y=list("ABCDEFGHIJ"), orientation="h"))
figure.update_layout(xaxis_range=[0, 1], height=330)
st.plotly_chart(figure, key="bars")
"""

WATCH = """
() => {
  const w = (window.watched = { states: [], moves: [], last: "" });
  document.addEventListener("pointermove", () => w.moves.push(performance.now()), true);
  document.addEventListener("keydown", () => (w.key = performance.now()), true);
  const look = () => {
    const bars = document.querySelector(".js-plotly-plot .barlayer")?.closest(".js-plotly-plot");
    const outline = [...(bars?.querySelectorAll(".barlayer path") ?? [])].map((p) => p.getAttribute("d")).join();
    if (outline && outline !== w.last) { w.last = outline; w.states.push(performance.now()); }
    requestAnimationFrame(look);
  };
  look();
}
"""


@contextmanager
def served(script: Path, folder: Path) -> Iterator[str]:
    """The script behind `streamlit run` on a free port, ended with all that it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += [
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
        "--server.fileWatcherType",
        "none",
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "KDLAB_HOME": str(folder / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        _wait_for_warm_worker(folder / "home")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def _wait_for_warm_worker(home: Path) -> None:
    """The lab's first worker warms up beside the server; a visitor's drag comes later. The yardstick has none."""
    for _ in range(100):
        if not home.exists():
            return
        if (home / "device.json").exists():
            time.sleep(8)
            return
        time.sleep(0.3)


def measured(page: Page, address: str, seconds: float, handle: str = "") -> dict[str, Any]:
    """Drags to and fro, stops, lets go; then presses the arrow keys. handle: how the slider's name begins."""
    frames: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda f: frames.append(_bytes(f))))
    page.goto(address)
    page.wait_for_selector(".js-plotly-plot .barlayer path")
    page.wait_for_timeout(3000)
    page.evaluate(WATCH)
    page.evaluate("document.querySelector('.js-plotly-plot').sameNode = true")
    slider = page.get_by_role("slider", name=handle).first
    frames.clear()
    result = _dragged(page, slider, seconds)
    result["kilobytes_a_change"] = _kilobytes_a_run(frames)
    result["same_node"] = page.evaluate("document.querySelector('.js-plotly-plot').sameNode === true")
    result["key_to_state_ms"] = _keyed(page, slider)
    return result


def _bytes(frame: bytes | str) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def _kilobytes_a_run(frames: list[bytes]) -> float | None:
    """What the server sent through the websocket, over the script runs that it was sent for; uncompressed."""
    runs = sum(ForwardMsg.FromString(frame).WhichOneof("type") == "new_session" for frame in frames)
    return round(sum(map(len, frames)) / runs / 1000, 1) if runs else None


def _dragged(page: Page, slider: Locator, seconds: float) -> dict[str, Any]:
    box = slider.bounding_box()
    assert box is not None
    middle, left, way = box["y"] + box["height"] / 2, box["x"] + 12, box["width"] - 24
    if (
        box["width"] < 100
    ):  # Streamlit's own slider: the thumb is the slider, its track the next wider element
        box = slider.locator("xpath=ancestor::*[@data-testid='stSlider']").bounding_box() or box
        left, way = box["x"] + 12, box["width"] - 24
    start = slider.bounding_box() or box
    page.mouse.move(start["x"] + start["width"] * (0.7 if start is box else 0.5), middle)
    page.mouse.down()
    page.evaluate("watched.states = []; watched.moves = []")
    began = time.monotonic()
    while (gone := time.monotonic() - began) < seconds:
        along = abs((gone / 1.3) % 2 - 1)  # one way in 1.3 s
        page.mouse.move(left + way * along, middle)
        page.wait_for_timeout(8)
    page.mouse.move(left + way * 0.45, middle)
    page.wait_for_timeout(600)  # still holding: what comes now is late
    seen = page.evaluate("({states: watched.states, first: watched.moves[0], last: watched.moves.at(-1)})")
    page.mouse.up()
    page.wait_for_timeout(800)
    span = (seen["last"] - seen["first"]) / 1000
    during = [t for t in seen["states"] if t <= seen["last"]]
    return {
        "states_while_dragging": len(during),
        "seconds": round(span, 2),
        "states_a_second": round(len(during) / span, 1),
        "last_state_after_stop_ms": round(max(0, seen["states"][-1] - seen["last"])) if during else None,
    }


def _keyed(page: Page, slider: Locator) -> float:
    """Median time from an arrow key to the next state of the bars."""
    slider.focus()
    waits = []
    for _ in range(9):
        page.evaluate("watched.states = []")
        slider.press("ArrowLeft")
        page.wait_for_function("watched.states.length > 0")
        waits.append(page.evaluate("watched.states[0] - watched.key"))
        page.wait_for_timeout(400)
    return round(sorted(waits)[len(waits) // 2], 1)


def _bounds(result: dict[str, Any]) -> dict[str, bool]:
    """What a page must hold."""
    return {
        f"at least {AT_LEAST_STATES_A_SECOND} states a second": result["states_a_second"]
        >= AT_LEAST_STATES_A_SECOND,
        f"last state within {AT_MOST_MS_AFTER_THE_STOP} ms of the stop": result["states_while_dragging"] > 0
        and result["last_state_after_stop_ms"] <= AT_MOST_MS_AFTER_THE_STOP,
        "the chart's node stays": result["same_node"],
    }


def main() -> int:
    """Measures the pages and prints them side by side."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        plain = folder / "yardstick.py"
        plain.write_text(YARDSTICK, encoding="utf-8")
        chromium = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        results = {}
        visits = {
            ROOT / "app.py": {"lab": ("/soft-targets", ""), "loss": ("/loss", "Student, ")},
            plain: {"yardstick": ("/", "")},
        }
        for script, visited in visits.items():
            with served(script, folder) as url:
                for title, (path, handle) in visited.items():
                    page = chromium.new_page(viewport={"width": 1280, "height": 800})
                    results[title] = measured(page, url + path, given.seconds, handle)
                    page.close()
        chromium.close()
    lab, yardstick = results["lab"], results["yardstick"]
    verdicts = {
        f"{what}: {bound}": met
        for what, result in (("soft targets", lab), ("loss", results["loss"]))
        for bound, met in _bounds(result).items()
    }
    ratios = {
        "states while dragging, lab to yardstick": f"{lab['states_while_dragging']} : "
        f"{yardstick['states_while_dragging']}",
        "arrow key to new bars, yardstick to lab": round(
            yardstick["key_to_state_ms"] / lab["key_to_state_ms"], 2
        ),
    }
    if given.json:
        print(json.dumps({**results, "ratios": ratios, "met": verdicts}))
    else:
        for title, result in results.items():
            print(
                title, *(f"  {name.replace('_', ' ')}: {value}" for name, value in result.items()), sep="\n"
            )
        print("ratios", *(f"  {name}: {value}" for name, value in ratios.items()), sep="\n")
        print(
            "bounds",
            *(f"  {'met   ' if met else 'MISSED'} {name}" for name, met in verdicts.items()),
            sep="\n",
        )
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
