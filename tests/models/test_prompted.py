"""A teacher reads what a visitor typed, in a process of its own: what it says, what is kept, and what is told where it cannot."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from kdlab.models import causal_teacher, prompted, smollm2
from kdlab.models.added_teachers import visitor_mark
from kdlab.models.own_tokens import own_tokens
from kdlab.models.prompted import JOBS, STOPPED, Prompt, kept_logits, prepared, prompt_of
from kdlab.models.visitor_jobs import ENDED_WITHOUT_A_WORD
from tests.tiny_causal import tiny_causal

TINY = "folder:tiny"
TEXT = "It is a truth universally acknowledged"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    return tmp_path


def asked(teacher: str = TINY, text: str = TEXT) -> Prompt:
    """What came of it, in this process."""
    JOBS.write(visitor_mark("ann"), Prompt(teacher, "pride", text))
    prompted.main(visitor_mark("ann"))
    found = prompt_of("ann")
    assert found is not None
    return found


def test_it_says_what_the_model_says_after_each_token(home: Path):
    from transformers import AutoModelForCausalLM

    folder = tiny_causal(home / "models" / "tiny")
    tokens = own_tokens(TINY, "pride")
    ids = prepared(tokens, TEXT).ids
    assert kept_logits(TINY, tokens, ids) is None
    found = asked()
    assert (found.state, found.words) == ("done", "")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        alone = model(torch.from_numpy(tokens.teacher_ids[ids])[None]).logits[0].numpy()
    logits = kept_logits(TINY, tokens, ids)
    assert logits is not None
    np.testing.assert_allclose(logits, alone[:, tokens.teacher_ids], atol=1e-4)


def test_the_same_text_is_not_read_twice_and_another_is(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_causal(home / "models" / "tiny")
    assert asked().state == "done"
    monkeypatch.setattr(prompted, "_asked_now", lambda *_: pytest.fail("it was read again"))
    assert asked().state == "done"
    tokens = own_tokens(TINY, "pride")
    assert kept_logits(TINY, tokens, prepared(tokens, TEXT + " that").ids) is None


def test_old_answers_go(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prompted, "_KEPT", 2)
    for n in range(4):
        prompted._keep(home / "prompts" / f"{n}.npz", np.zeros((1, 2)))
    assert len(list((home / "prompts").iterdir())) == 2


def test_too_little_memory_is_told_with_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_causal(home / "models" / "tiny")
    monkeypatch.setattr(causal_teacher, "usable", lambda: 1000)
    found = asked()
    assert found.state == "refused"
    assert "are free on this machine" in found.words


def test_a_missing_package_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(smollm2, "PACKAGE_FILE", None)
    found = asked("smollm2")
    assert (found.state, found.words) == ("refused", smollm2.MISSING)


def test_it_can_be_stopped_before_it_loads_anything(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_causal(home / "models" / "tiny")
    monkeypatch.setattr(prompted, "_asked_now", lambda *_: pytest.fail("it was loaded"))
    mark = visitor_mark("ann")
    JOBS.write(mark, Prompt(TINY, "pride", TEXT))
    JOBS.stopping(mark).touch()
    prompted.main(mark)
    found = prompt_of("ann")
    assert found is not None
    assert (found.state, found.words) == ("refused", STOPPED)


def test_what_goes_wrong_in_the_lab_itself_is_told_too(home: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_causal(home / "models" / "tiny")

    def fails(*_: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(prompted, "_asked_now", fails)
    assert asked().words == "Something went wrong while the teacher was loaded or read (RuntimeError: no such kernel)."


def test_a_process_of_its_own_reads_and_one_that_dies_is_not_waited_for(home: Path):
    tiny_causal(home / "models" / "tiny")
    prompted.start(TINY, "pride", TEXT, "ann")
    while (found := prompt_of("ann")) is not None and found.goes_on:
        time.sleep(0.1)
    assert found is not None
    assert (found.state, found.words) == ("done", "")
    tokens = own_tokens(TINY, "pride")
    assert kept_logits(TINY, tokens, prepared(tokens, TEXT).ids) is not None
    prompted.start(TINY, "pride", f"{TEXT} that", "ann")
    JOBS._processes[visitor_mark("ann")].kill()
    JOBS._processes[visitor_mark("ann")].wait()
    found = prompt_of("ann")
    assert found is not None
    assert (found.state, found.words) == ("refused", ENDED_WITHOUT_A_WORD)
    assert prompt_of("bob") is None
