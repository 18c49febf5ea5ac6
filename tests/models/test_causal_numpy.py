"""The NumPy models answer as torch's do, and write the same text from the same numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from kdlab.models.causal_generation import write_on
from kdlab.models.causal_numpy import continue_text, draw, head, hidden
from kdlab.models.causal_shapes import END, WINDOW, get_shape
from tests.models.test_causal import EVERY, VOCABULARY, ids, lively

CONTEXT = 128  # the pocket teacher's


def both(name: str, seed: int = 1):
    positions = CONTEXT if name == "pocket" else WINDOW
    student = lively(name, seed, positions)
    return student, {key: tensor.numpy() for key, tensor in student.state_dict().items()}, get_shape(name), positions


@pytest.mark.parametrize("name", EVERY)
def test_logits_are_those_of_torch(name: str) -> None:
    student, weights, shape, positions = both(name)
    x = ids(2, positions)
    with torch.no_grad():
        expected = (student(x) @ student.head.T).numpy()
    logits = hidden(weights, shape, x.numpy()) @ head(weights, shape).T
    assert logits.dtype == np.float32
    assert expected.std() > 0.5
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=0)
    np.testing.assert_allclose(hidden(weights, shape, x[1].numpy()) @ head(weights, shape).T, expected[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", EVERY)
def test_the_same_numbers_give_the_text_that_torch_writes(name: str) -> None:
    student, weights, shape, positions = both(name)
    prompt, uniforms = ids(3), torch.rand(positions - 3, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        expected = write_on(
            lambda x: student(x[0])[None], student.head[None], prompt[None, None], positions - 3, uniforms[None, None]
        )[0, 0].tolist()
    written = continue_text(weights, shape, prompt.numpy(), positions - 3, uniforms.numpy()).tolist()
    assert len(written) > 8
    assert len(set(written)) > 5
    assert END not in written[:-1]
    assert written == expected[: len(written)]
    assert len(written) == positions - 3 or written[-1] == END


def test_a_text_stops_after_its_end() -> None:
    _, weights, shape, _ = both("llama-2x64")
    prompt = ids(3).numpy()
    at_first = (hidden(weights, shape, prompt) @ head(weights, shape).T)[-1]
    assert draw(at_first, 0.0) == END  # the end is the first token in the cumulated probabilities
    assert continue_text(weights, shape, prompt, 5, np.array([0.9, 0.0, 0.9, 0.9, 0.9])).tolist()[1:] == [END]
    assert len(continue_text(weights, shape, prompt, 0, np.zeros(0))) == 0


def test_a_learned_position_more_is_refused_and_a_rotary_one_is_not() -> None:
    _, weights, shape, _ = both("gpt2-2x128")
    prompt, uniforms = ids(WINDOW - 4).numpy(), np.full(9, 0.5)
    assert len(continue_text(weights, shape, prompt, 5, uniforms)) == 5
    with pytest.raises(ValueError, match=r"learned 64 positions.*takes 65"):
        continue_text(weights, shape, prompt, 6, uniforms)
    with pytest.raises(ValueError, match="learned 64 positions"):
        hidden(weights, shape, np.zeros(WINDOW + 1, dtype=int))
    _, weights, shape, _ = both("llama-2x64")
    assert len(continue_text(weights, shape, prompt, 9, uniforms)) == 9


@pytest.mark.parametrize("wrong", [-1, VOCABULARY])
def test_an_id_that_the_model_does_not_know_is_refused(wrong: int) -> None:
    _, weights, shape, _ = both("llama-2x64")
    with pytest.raises(IndexError, match=f"tokens 0 to {VOCABULARY - 1}"):
        hidden(weights, shape, np.array([0, wrong]))


def test_draws_come_as_often_as_their_probabilities_say() -> None:
    logits = np.array([0.0, 2.0, -np.inf, 1.0, -np.inf], dtype=np.float32)
    counts = np.bincount([draw(logits, number) for number in (np.arange(10_000) + 0.5) / 10_000], minlength=5)
    chances = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(counts / 10_000, chances, atol=1e-4)
    assert draw(logits, float(np.nextafter(1.0, 0.0))) == 3


def test_neither_torch_nor_transformers_is_loaded() -> None:
    program = "import sys; import kdlab.models.causal_numpy; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
