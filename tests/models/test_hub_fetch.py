"""A model is fetched from a hub: a small one on loopback, asked by the hub's own client."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kdlab.models.classifier_folder import inspect_folder
from kdlab.models.classifier_sources import fetch
from kdlab.models.model_folder import ModelFolderError
from tests.tiny_classifier import tiny_classifier

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves one folder as the model org/model, and keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[tuple[str, str | None]]()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                hub.asked.append((path, self.headers.get("Authorization")))
                status, body, headers = hub.answer(path)
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        etags = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
        if path.startswith("/api/models/org/model/tree/"):
            tree = [{"type": "file", "path": n, "size": len(c), "oid": etags[n]} for n, c in files.items()]
            return 200, json.dumps(tree).encode(), {"Content-Type": "application/json"}
        if path.startswith("/api/models/org/model"):
            siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            told = {"id": "org/model", "sha": SHA, "siblings": siblings}
            return 200, json.dumps(told).encode(), {"Content-Type": "application/json"}
        name = path.rsplit("/", 1)[-1]
        if path == f"/org/model/resolve/{SHA}/{name}" and name in files:
            return 200, files[name], {"ETag": f'"{etags[name]}"', "X-Repo-Commit": SHA}
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_labs_owner")
    hub = Hub(tiny_classifier(tmp_path / "served"))
    serving = threading.Thread(target=hub.server.serve_forever, daemon=True)
    serving.start()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
    serving.join()


def test_its_revision_is_fetched_without_pickles_without_code_and_without_the_owners_token(hub: Hub, tmp_path: Path):
    (hub.folder / "pytorch_model.bin").write_bytes(b"pickle")
    (hub.folder / "modeling.py").write_bytes(b"code")
    said: list[str] = []
    folder, origin = fetch("org/model", None, said.append, hub.url)
    assert folder.is_relative_to(tmp_path / "home")
    assert origin == "the hub, org/model, revision 01234567"
    assert said == ["Fetching 0 MB from the hub"]
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert inspect_folder(folder, ("bad", "good")).sha256 == inspect_folder(hub.folder, ("bad", "good")).sha256
    assert {token for _, token in hub.asked} == {None}


@pytest.mark.parametrize(
    ("asked", "said"), [("org/other", "no public model org/other"), ("org/model", "no weights in safetensors form")]
)
def test_what_cannot_be_had_is_told_and_nothing_is_fetched(hub: Hub, asked: str, said: str):
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    with pytest.raises(ModelFolderError, match=said):
        fetch(asked, None, print, hub.url)
    assert not any("resolve" in path for path, _ in hub.asked)


def test_what_does_not_fit_the_memory_is_not_fetched(hub: Hub):
    with pytest.raises(ModelFolderError, match="memory"):
        fetch("org/model", 1000, print, hub.url)
    assert not any("resolve" in path for path, _ in hub.asked)


def test_what_the_disk_has_no_room_for_is_not_fetched_whatever_kind_of_file_it_is(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    (hub.folder / "vocab.json").write_bytes(b"[" + b" " * 3_000_000 + b"]")
    room = shutil.disk_usage("/")._replace(free=4_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(ModelFolderError, match="no room"):
        fetch("org/model", None, print, hub.url)
    assert not any("resolve" in path for path, _ in hub.asked)
