"""Low-rank updates change what is trained and what is stored, and nothing of what is answered."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdlab.models.low_rank import RANK, LowRankLinear, add_updates, merge_updates


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 40), nn.Sequential(nn.Tanh(), nn.Linear(40, 3)), nn.LayerNorm(3))


def test_an_update_begins_as_none_and_is_all_that_is_trained(network: nn.Sequential) -> None:
    before, x = copy.deepcopy(network), torch.randn(5, 6)
    add_updates(network)
    assert torch.equal(network(x), before(x))
    trained = {name: tuple(p.shape) for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {"0.a": (RANK, 6), "0.b": (40, RANK), "1.1.a": (RANK, 40), "1.1.b": (3, RANK)}


def test_merged_the_network_has_its_old_shape_and_the_new_answers(network: nn.Sequential) -> None:
    before, x = copy.deepcopy(network), torch.randn(5, 6)
    add_updates(network)
    updates = [module for module in network.modules() if isinstance(module, LowRankLinear)]
    for update in updates:
        nn.init.normal_(update.b)
    answers = network(x)
    expected = before[0].weight + updates[0].b @ updates[0].a
    merged = merge_updates(network)
    torch.testing.assert_close(merged(x), answers, atol=1e-5, rtol=1e-4)
    assert {name: t.shape for name, t in merged.state_dict().items()} == {
        name: t.shape for name, t in before.state_dict().items()
    }
    torch.testing.assert_close(merged[0].weight, expected)
