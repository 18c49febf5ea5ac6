"""A chat-completions server on loopback that answers with log-probabilities, or with the fault that a test scripts;
and a clock for those who wait for it."""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kdlab.models.api_teacher import Answer

Turn = Callable[["Handler", dict[str, Any]], None]
CLASSES = ("Coat", "Bag", "Boot", "Dress")
TEXTS = [f"{number} {CLASSES[number % 4]}" for number in range(12)]
RIGHT = [CLASSES.index(text.split()[-1]) for text in TEXTS]
KEY = "sk-test/0123456789-nobody-may-see-this"
START = 1_800_000_000.0
SHARES = {
    " {}": 0.5,
    "{}": 0.2,
    "{} ": 0.05,
    "The": 0.1,
}  # of the right letter's spellings, and of a word; the rest
LOWER, OTHER = 0.04, 0.06  # is the small letter's and another option's
SMALLEST = LOWER


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return START + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)


class Loopback(ThreadingHTTPServer):
    """Answers each text, "… Coat", with its last word's class. ``script``: what the next requests get instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: deque[Turn] = deque()
        self.usually: Turn = answer()
        self.received: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def texts(self) -> list[str]:
        """What was asked, in turn."""
        return [text_of(payload) for payload in self.received]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.received.append(payload)
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            turn = self.server.script.popleft() if self.server.script else self.server.usually
        turn(self, payload)

    def send(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@contextmanager
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


def by_position(answers: Iterator[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda found: found.position)


def labels(answers: Iterator[Answer]) -> list[int | None]:
    return [found.label for found in by_position(answers)]


def text_of(payload: dict[str, Any]) -> str:
    return payload["messages"][0]["content"].split("Text: ")[1].split("\n\nAnswer")[0]


def letter_of(payload: dict[str, Any]) -> str:
    """The letter before the class that is the text's last word; else the first."""
    wanted = text_of(payload).split()[-1]
    options = payload["messages"][0]["content"].split("\n\n")[1].splitlines()
    return next((line[0] for line in options if line[3:] == wanted), "A")


def top_of(letter: str) -> dict[str, float]:
    other = "B" if letter == "A" else "A"
    return {**{form.format(letter): p for form, p in SHARES.items()}, letter.lower(): LOWER, other: OTHER}


def completion(content: str, top: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """The body of a chat completion; ``top``: the first token's likeliest, by probability."""
    shown = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in (top or {}).items()]
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "model-1-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "length",
                "logprobs": {"content": [{**shown[0], "top_logprobs": shown}]} if shown else None,
            }
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": 1, "total_tokens": 41},
        **more,
    }


def answer(logprobs: bool = True, **more: Any) -> Turn:
    """The right answer; log-probabilities where they are asked for, unless the server leaves them out in silence."""

    def turn(handler: Handler, payload: dict[str, Any]) -> None:
        letter = letter_of(payload)
        top = top_of(letter) if logprobs and payload.get("logprobs") else None
        handler.send(200, json.dumps(completion(letter, top, **more)))

    return turn


def knows(classes: dict[str, str], logprobs: bool = True) -> Turn:
    """The class of each of these texts, of another the first letter."""

    def turn(handler: Handler, payload: dict[str, Any]) -> None:
        options = payload["messages"][0]["content"].split("\n\n")[1].splitlines()
        wanted = classes.get(text_of(payload))
        letter = next((line[0] for line in options if line[3:] == wanted), "A")
        top = top_of(letter) if logprobs and payload.get("logprobs") else None
        handler.send(200, json.dumps(completion(letter, top)))

    return turn


def says(content: str, top: dict[str, float] | None = None) -> Turn:
    return lambda handler, _: handler.send(200, json.dumps(completion(content, top)))


def plain(status: int, body: str, kind: str = "application/json", **headers: str) -> Turn:
    return lambda handler, _: handler.send(status, body, kind, **headers)


def error(
    status: int, message: str, code: str | None = None, param: str | None = None, **headers: str
) -> Turn:
    body = {"error": {"message": message, "type": code, "code": code, "param": param}}
    return plain(status, json.dumps(body), **headers)


def refuses(*names: str, status: int = 400, message: str = "Unsupported parameter: {}") -> Turn:
    """Refuses requests that have one of these parameters, by its name; else the right answer."""

    def turn(handler: Handler, payload: dict[str, Any]) -> None:
        refused = next((name for name in names if name in payload), None)
        (error(status, message.format(refused), param=refused) if refused else answer())(handler, payload)

    return turn


def silence(handler: Handler, _: dict[str, Any]) -> None:
    """No answer until the test is over."""
    handler.server.released.wait()
    handler.close_connection = True  # else who asked would wait for the time-out


def cut(handler: Handler, _: dict[str, Any]) -> None:
    """Half of an answer."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id"')
    handler.close_connection = True


def drips(handler: Handler, _: dict[str, Any]) -> None:
    """A byte now and then, so that no single wait is long, for ever."""
    handler.send_response(200)
    handler.send_header("content-length", "100000")
    handler.end_headers()
    while not handler.server.released.wait(0.02):
        handler.wfile.write(b" ")


def floods(handler: Handler, _: dict[str, Any]) -> None:
    """An answer that has no end."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.released.is_set():
        handler.wfile.write(b" " * 65536)
