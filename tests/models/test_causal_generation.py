"""Students write what inverse transform sampling of their own probabilities gives: stacked, alone, with kept keys and without."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.func import stack_module_state

from kdlab.models.causal import CausalNetwork
from kdlab.models.causal_generation import drawn, stacked_hidden, until_end, write_on, write_on_kept
from kdlab.models.causal_shapes import END, WINDOW
from tests.models.test_causal import VOCABULARY, ids, lively

COHORT, BATCH, PROMPT = 2, 3, 40


def cohort(name: str) -> tuple[list[CausalNetwork], CausalNetwork, dict[str, torch.Tensor]]:
    students = [lively(name, seed) for seed in range(COHORT)]
    return students, copy.deepcopy(students[0]).to("meta"), stack_module_state(students)[0]


def uniform(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["llama-2x64", "gpt2-2x128"])
def test_stacked_students_write_what_each_writes_alone_token_by_token(name: str) -> None:
    students, shape, weights = cohort(name)
    prompts, numbers = ids(COHORT, BATCH, PROMPT), uniform(COHORT, BATCH, WINDOW - PROMPT)
    written = write_on(stacked_hidden(shape, weights), weights[shape.head_name], prompts, WINDOW - PROMPT, numbers)
    assert written.shape == (COHORT, BATCH, WINDOW - PROMPT)
    assert (written != END).float().mean() > 0.2  # else the test shows little
    for i, student in enumerate(students):
        for b in range(BATCH):
            text = prompts[i, b].tolist()
            for number in numbers[i, b].tolist():
                with torch.no_grad():
                    chances = (student(torch.tensor([text]))[0, -1] @ student.head.T).double().softmax(-1).tolist()
                reached, token = chances[0], 0
                while reached <= number * sum(chances):
                    token += 1
                    reached += chances[token]
                text.append(token)
                if token == END:
                    break
            expected = text[PROMPT:] + [END] * (WINDOW - len(text))
            assert written[i, b].tolist() == expected


@pytest.mark.parametrize("name", ["llama-2x128", "gpt2-2x128", "pocket"])
def test_kept_keys_and_values_change_nothing_in_what_is_written(name: str) -> None:
    _, shape, weights = cohort(name)
    prompts, numbers = ids(COHORT, BATCH, PROMPT), uniform(COHORT, BATCH, WINDOW - PROMPT)
    given = stacked_hidden(shape, weights), weights[shape.head_name], prompts, WINDOW - PROMPT, numbers
    assert torch.equal(write_on_kept(*given, shape.room), write_on(*given))


def test_draws_come_as_often_as_their_probabilities_say_and_never_an_impossible_one() -> None:
    logits = torch.tensor([0.0, 2.0, -torch.inf, 1.0, -torch.inf])
    numbers = (torch.arange(100_000) + 0.5) / 100_000
    counts = drawn(logits.expand(100_000, 5), numbers).bincount(minlength=5)
    torch.testing.assert_close(counts / 100_000, logits.softmax(-1), atol=1e-5, rtol=0)
    ends = drawn(logits.expand(2, 5), torch.tensor([0.0, 1 - 2**-24]))
    assert ends.tolist() == [0, 3]


def test_what_follows_the_first_end_is_masked_by_position() -> None:
    written = torch.tensor([[4, 9, END, END], [END, END, END, END], [3, 2, 1, 5]])
    assert until_end(written).tolist() == [[True] * 3 + [False], [True] + [False] * 3, [True] * 4]


def test_a_text_that_ended_stays_ended_whatever_the_numbers_say() -> None:
    """All mass on the end: a prompt's own begin mark ends nothing, the first token does."""
    head = torch.zeros(1, VOCABULARY, 2)
    head[0, END], head[0, 7] = torch.tensor([50.0, 0.0]), torch.tensor([0.0, 50.0])
    asked = []

    def hidden(text: torch.Tensor) -> torch.Tensor:
        asked.append(text.shape[-1])
        ends = (torch.arange(text.shape[-1]) == 3).float()  # after four tokens the end is certain, else a 7
        return torch.stack([ends, 1 - ends], dim=-1).expand(*text.shape, 2)

    prompts = torch.zeros(1, 2, 2, dtype=torch.long)
    written = write_on(hidden, head, prompts, 5, uniform(1, 2, 5))
    assert written.tolist() == [[[7, 7, END, END, END]] * 2]
    assert asked == [2, 3, 4, 5, 6]
