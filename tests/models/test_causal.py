"""Causal students are transformers' own models, weight for weight; stacked, each answers and learns as it does alone."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, GPT2LMHeadModel, LlamaForCausalLM

from kdlab.models.causal import CausalNetwork, build_causal, causal_config
from kdlab.models.causal_shapes import LANGUAGE_STUDENTS, POCKET, WINDOW, get_shape, parameters

VOCABULARY = 211
EVERY = [*LANGUAGE_STUDENTS, POCKET.name]
COHORT, BATCH = 3, 2


def ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def lively(name: str, seed: int, positions: int = WINDOW, vocabulary: int = VOCABULARY) -> CausalNetwork:
    """A student whose weights are no longer those of the beginning: biases and norms count too."""
    torch.manual_seed(seed)
    student = CausalNetwork(causal_config(name, vocabulary, positions))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return student


def whole(student: CausalNetwork, name: str) -> LlamaForCausalLM | GPT2LMHeadModel:
    """transformers' model with the student's weights."""
    made = AutoModelForCausalLM.from_config(causal_config(name, VOCABULARY)).eval()
    made.load_state_dict(student.state_dict() | {"lm_head.weight": student.head}, strict=True)
    return made


@pytest.mark.parametrize("name", EVERY)
def test_logits_and_gradients_are_those_of_transformers_with_the_same_state(name: str) -> None:
    student = lively(name, 1)
    theirs = whole(student, name)
    assert type(theirs) is (GPT2LMHeadModel if name.startswith("gpt2") else LlamaForCausalLM)
    x, y = ids(BATCH, WINDOW), ids(BATCH, WINDOW, seed=1)
    logits, expected = student(x) @ student.head.T, theirs(x).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    for given in (logits, expected):
        F.cross_entropy(given.flatten(0, 1), y.flatten()).backward()
    for parameter_name, parameter in student.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(parameter_name).grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", ["llama-2x64", "gpt2-2x128"])
def test_the_state_has_the_names_that_transformers_saves(name: str, tmp_path: Path) -> None:
    student = lively(name, 1)
    whole(student, name).save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as saved:
        assert set(saved.keys()) == set(student.state_dict())
    assert student.head is student.get_parameter(student.head_name)


@pytest.mark.parametrize("name", EVERY)
def test_stacked_students_answer_and_learn_as_each_does_alone(name: str) -> None:
    students = [lively(name, seed) for seed in range(COHORT)]
    weights, buffers = stack_module_state(students)
    assert buffers == {}
    assert set(weights) == set(students[0].state_dict())
    shape = copy.deepcopy(students[0]).to("meta")
    x, y = ids(COHORT, BATCH, WINDOW), ids(COHORT, BATCH, WINDOW, seed=1)

    def loss(weights, buffers, x, y):
        hidden = functional_call(shape, (weights, buffers), (x,), strict=True)
        logits = hidden @ weights[shape.head_name].T
        return F.cross_entropy(logits.flatten(0, 1), y.flatten()), logits

    gradients, logits = vmap(grad(loss, has_aux=True))(weights, buffers, x, y)
    for i, student in enumerate(students):
        alone = student(x[i]) @ student.head.T
        F.cross_entropy(alone.flatten(0, 1), y[i].flatten()).backward()
        torch.testing.assert_close(logits[i], alone, atol=1e-5, rtol=1e-4)
        for parameter_name, parameter in student.named_parameters():
            torch.testing.assert_close(gradients[parameter_name][i], parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", ["llama-2x64", "gpt2-2x128"])
def test_no_position_sees_a_later_one(name: str) -> None:
    student, x = lively(name, 2), ids(1, WINDOW)
    other = x.clone()
    other[:, 40:] = (other[:, 40:] + 1) % VOCABULARY
    before, after = student(x), student(other)
    torch.testing.assert_close(before[:, :40], after[:, :40], atol=0, rtol=0)
    assert (before[:, 40:] - after[:, 40:]).abs().amax(-1).min() > 1e-3


@pytest.mark.parametrize("name", ["llama-2x64", "gpt2-2x128"])
def test_kept_keys_and_values_give_the_same_hidden_states_stacked_too(name: str) -> None:
    students = [lively(name, seed) for seed in range(COHORT)]
    weights, buffers = stack_module_state(students)
    shape = copy.deepcopy(students[0]).to("meta")
    x, kept = ids(COHORT, BATCH, WINDOW), torch.full((COHORT, BATCH, *shape.room(WINDOW)), torch.nan)

    def read(start: int, end: int) -> torch.Tensor:
        def one(weights, buffers, x, kept):
            return functional_call(shape, (weights, buffers), (x, kept, start))

        return vmap(one)(weights, buffers, x[..., start:end], kept)

    with torch.no_grad():
        hidden = torch.cat([read(start, end) for start, end in ((0, 20), (20, 21), (21, 22), (22, WINDOW))], dim=2)
        expected = torch.stack([student(x[i]) for i, student in enumerate(students)])
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_a_fresh_student_has_transformers_first_weights_and_the_counted_parameters(name: str) -> None:
    vocabulary = 5000
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        student = build_causal(name, vocabulary)
    assert sum(parameter.numel() for parameter in student.parameters()) == parameters(name, vocabulary)
    shape = get_shape(name)
    for parameter_name, parameter in student.named_parameters():
        if parameter.ndim == 2:
            # What is added to the residual stream is smaller in GPT-2, by the root of how often that happens.
            expected = 0.02 / math.sqrt(2 * shape.layers) if parameter_name.endswith("c_proj.weight") else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), parameter_name
        else:
            assert parameter.unique().tolist() == [0.0 if parameter_name.endswith("bias") else 1.0], parameter_name


@pytest.mark.parametrize("name", ["llama-2x64", "gpt2-2x128"])
def test_the_seed_alone_makes_a_student(name: str) -> None:
    def made(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return build_causal(name, VOCABULARY).state_dict()

    first, again, other = made(3), made(3), made(4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    head = next(iter(first))
    assert not torch.equal(first[head], other[head])


@pytest.mark.parametrize("name", ["llama-2x64", "gpt2-2x128"])
def test_training_mode_changes_nothing_and_the_way_has_a_second_derivative(name: str) -> None:
    student, x = lively(name, 2), ids(BATCH, 9)
    torch.testing.assert_close(student.train()(x), student.eval()(x), atol=0, rtol=0)
    weights = {key: tensor.detach() for key, tensor in student.named_parameters()}
    direction = {key: torch.randn_like(tensor) for key, tensor in weights.items()}

    def slope(step: torch.Tensor) -> torch.Tensor:
        def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
            return functional_call(student, weights, (x,)).square().sum()

        at = {key: tensor + step * direction[key] for key, tensor in weights.items()}
        return sum((gradient * direction[key]).sum() for key, gradient in grad(loss)(at).items())

    curvature = jvp(slope, (torch.tensor(0.0),), (torch.tensor(1.0),))[1]
    near = (slope(torch.tensor(1e-3)) - slope(torch.tensor(-1e-3))) / 2e-3
    assert curvature.item() == pytest.approx(near.item(), rel=0.02)


def test_rotary_positions_go_on_past_those_of_training_and_learned_ones_do_not() -> None:
    x = ids(1, WINDOW + 8)
    llama = lively("llama-2x64", 1)
    theirs = whole(llama, "llama-2x64")
    torch.testing.assert_close(llama(x) @ llama.head.T, theirs(x).logits, atol=1e-5, rtol=1e-5)
    with pytest.raises(IndexError):
        lively("gpt2-2x128", 1)(x)


def test_an_unknown_shape_is_refused_with_the_known_names() -> None:
    for ask in (get_shape, lambda name: build_causal(name, 9), lambda name: parameters(name, 9)):
        with pytest.raises(ValueError, match=r"llama-2x65.*llama-2x64, llama-2x128, llama-4x128, gpt2-2x128"):
            ask("llama-2x65")
