"""What a run keeps of its students' inside: at their start and at their end, beside their teacher's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kdlab.data.registry import get_dataset
from kdlab.distill.cohort import fresh_student
from kdlab.models.bert import BertClassifier, bert_config
from kdlab.models.checkpoints import load_teacher
from kdlab.models.inside_examples import inside_examples
from kdlab.models.networks import build_student
from kdlab.runs import artifacts
from kdlab.runs.execute import execute
from kdlab.runs.inside_kept import START, TEACHER, InsideKept, of_arm, read_inside, start_of
from kdlab.runs.ladder import ladder
from kdlab.runs.store import Store
from kdlab.runs.students_inside import _seen


def test_a_ladder_keeps_the_inside_of_its_first_seed_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))
    spec = ladder(dataset="digits", student="mlp-16", labels=50, transfer=50, epochs=1, seeds=1)
    claim = Store().begin(spec, "ann")
    assert execute(claim, Store())
    kept = artifacts.load_inside(claim.run_id)
    assert kept is not None
    assert list(kept.examples) == list(inside_examples("digits"))
    assert kept.layers(TEACHER) == [1, 2]
    assert all(kept.layers(of_arm(arm.key)) == [1] for arm in spec.arms)
    assert kept.beginning("hidden") == START
    taught = build_student("mlp-16", "digits")
    taught.load_state_dict(load_file(artifacts.student_path(claim.run_id, "hidden", 0)))
    x = torch.from_numpy(get_dataset("digits").load().x_test[list(kept.examples)[2:3]].copy())
    for whose, layer, network in (
        (of_arm("hidden"), 1, taught),
        (START, 1, fresh_student("mlp-16", "digits", 0)),
        (TEACHER, 2, load_teacher("digits")),
    ):
        with torch.no_grad():
            hidden = network(x, inside=True)[1].hidden[layer - 1]
        strip = kept.seen(whose, layer, "strip", kept.examples[2])
        np.testing.assert_allclose(strip, hidden[0, 0].numpy(), atol=5e-3, rtol=1e-3)


def test_of_a_text_padding_is_neither_looked_at_nor_counted() -> None:
    torch.manual_seed(0)
    network = BertClassifier(bert_config(50, layers=2, width=64), 3).eval()
    x = torch.tensor([[2, 7, 8, 3, 0, 0], [2, 9, 3, 0, 0, 0]])
    seen = _seen(network, x, x != 0)
    assert sorted({layer for layer, _ in seen}) == [1, 2]
    attention, strip = seen[2, "attention"], seen[2, "strip"]
    assert attention.shape == (2, 6, 6)
    torch.testing.assert_close(attention.sum(-1), (x != 0).float())  # each piece looks at pieces alone
    said = network.encode(x).last_hidden_state
    torch.testing.assert_close(strip[1], said[1, :3].mean(0))


def test_likeness_is_the_mean_cosine_of_the_maps() -> None:
    maps = {
        f"{TEACHER}/1/attention": np.array([[1.0, 0.0], [0.0, 2.0]]),
        f"{TEACHER}/2/attention": np.ones((2, 3)),
        f"{of_arm('a')}/1/attention": np.array([[3.0, 0.0], [1.0, 1.0]]),
    }
    kept = InsideKept((4, 7), maps)
    assert kept.likeness(of_arm("a"), 1, 1) == pytest.approx((1 + 0.5**0.5) / 2)
    assert kept.likeness(of_arm("a"), 1, 2) is None
    assert kept.seen(TEACHER, 1, "attention", 7).tolist() == [0, 2]


def test_an_arm_of_copied_layers_has_a_start_of_its_own() -> None:
    kept = InsideKept((0,), {f"{start_of('weights')}/1/strip": np.zeros((1, 2)), f"{START}/1/strip": np.ones((1, 2))})
    assert kept.beginning("weights") == start_of("weights")
    assert kept.beginning("logits") == START


def test_what_another_lab_kept_counts_as_nothing() -> None:
    assert read_inside(None) is None
    assert read_inside({"examples": np.array([1])}) is None
    assert read_inside({"examples": np.array([1]), "teacher/1/strip": np.zeros((2, 3))}) is None
