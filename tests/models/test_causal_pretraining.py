"""A training learns, chooses by the validation, and goes on to the bit where it was interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kdlab.data.corpora import get_corpus
from kdlab.models import causal_pretraining
from kdlab.models.causal import CausalNetwork, causal_config
from kdlab.models.causal_pretraining import (
    START,
    Pretraining,
    PretrainingRun,
    cross_entropy,
    draw_windows,
    logits_of,
    pretrain,
)
from kdlab.models.causal_shapes import LanguageStudent

SHAPE = LanguageStudent("tiny", "Tiny", "For tests.", "llama", 1, 32)
SETTINGS = Pretraining(steps=12, batch=4, learning_rate=1e-2, context=16, warm_up=3, validate_every=5)


def build() -> CausalNetwork:
    return CausalNetwork(causal_config(SHAPE, 257, positions=16))


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64) + 1


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return as_bytes(get_corpus("pride").load().train[:20_000])


@pytest.fixture(scope="module")
def validation() -> np.ndarray:
    windows = as_bytes(get_corpus("pride").load().validation[: 16 * 20]).reshape(-1, 16)
    return np.pad(windows, ((0, 0), (1, 0)), constant_values=START)


@pytest.fixture
def started(ids: np.ndarray, validation: np.ndarray) -> PretrainingRun:
    return PretrainingRun(build, SETTINGS, ids, validation)


def test_windows_are_the_texts_own_tokens_and_a_share_begins_with_the_start(ids: np.ndarray) -> None:
    settings = replace(SETTINGS, batch=2000, from_start=0.75)
    windows = draw_windows(ids, settings, 0).numpy()
    assert windows.shape == (2000, 17)
    assert (windows[:, 0] == START).mean() == pytest.approx(0.75, abs=0.03)
    text = ids.astype(np.uint16).tobytes()
    assert all(window[1:].astype(np.uint16).tobytes() in text for window in windows[:100])
    others = windows[windows[:, 0] != START]
    assert all(window.astype(np.uint16).tobytes() in text for window in others[:100])


def test_windows_reach_the_first_and_the_last_token() -> None:
    ids = np.arange(1, 20)
    windows = draw_windows(ids, replace(SETTINGS, batch=500, from_start=0.0), 0)
    assert windows.min() == 1
    assert windows.max() == 19


def test_a_steps_windows_follow_from_seed_and_step_alone(ids: np.ndarray) -> None:
    first = draw_windows(ids, SETTINGS, 7)
    assert torch.equal(first, draw_windows(ids, replace(SETTINGS, learning_rate=1), 7))
    assert not torch.equal(first, draw_windows(ids, SETTINGS, 8))
    assert not torch.equal(first, draw_windows(ids, replace(SETTINGS, seed=1), 7))


def test_the_learning_rate_rises_in_a_line_and_falls_as_a_cosine_to_0() -> None:
    settings = replace(SETTINGS, steps=103, warm_up=3, learning_rate=0.3)
    rates = [settings.learning_rate_at(step) for step in range(103)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert rates[52] == pytest.approx(0.15)
    assert rates[27] == pytest.approx(0.3 * (1 + 0.5**0.5) / 2)
    assert rates[102] == pytest.approx(0)


def test_only_matrices_are_pulled_towards_0(ids: np.ndarray, validation: np.ndarray) -> None:
    heavy = PretrainingRun(build, replace(SETTINGS, weight_decay=50.0, warm_up=1, clip=1e-12), ids, validation)
    before = {name: parameter.detach().clone() for name, parameter in heavy.network.named_parameters()}
    heavy.advance()  # what the gradient says is nothing beside the decay of a half
    for name, parameter in heavy.network.named_parameters():
        shrunk = parameter.detach().norm() / before[name].norm()
        assert shrunk == pytest.approx(0.5 if parameter.ndim > 1 else 1, abs=0.15), name


def test_the_whole_gradient_is_clipped(started: PretrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    step = torch.optim.AdamW.step

    def look(optimiser: torch.optim.AdamW, *asked: object) -> object:
        parts = [parameter.grad.norm() for group in optimiser.param_groups for parameter in group["params"]]
        norms.append(torch.stack(parts).norm().item())
        return step(optimiser, *asked)

    monkeypatch.setattr(torch.optim.AdamW, "step", look)
    run = PretrainingRun(build, replace(SETTINGS, clip=0.01), started._ids, started._validation)
    run.advance()
    assert norms == [pytest.approx(0.01, rel=1e-3)]


def test_a_few_steps_lower_the_validation_loss(started: PretrainingRun) -> None:
    before = cross_entropy(started.network, started._validation)
    network = pretrain(started, say=lambda words: None)
    assert cross_entropy(network, started._validation) < before - 0.5
    assert [one.step for one in started.curve] == [5, 10, 12]


def test_loss_and_logits_are_those_of_every_position(started: PretrainingRun) -> None:
    windows = started._validation
    log_p = torch.tensor(logits_of(started.network, windows)).double().log_softmax(-1).numpy()
    said = [log_p[row, place, windows[row, place + 1]] for row in range(len(windows)) for place in range(16)]
    assert cross_entropy(started.network, windows) == pytest.approx(-np.mean(said), abs=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_an_interrupted_training_goes_on_to_the_bit(
    dropout: float, ids: np.ndarray, validation: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, part = replace(SETTINGS, dropout=dropout), tmp_path / "tiny.part"
    whole = PretrainingRun(build, settings, ids, validation)
    pretrain(whole, say=lambda words: None)

    broken = PretrainingRun(build, settings, ids, validation)
    advance = broken.advance

    def until_the_eighth() -> None:
        if broken.step == 8:
            raise KeyboardInterrupt
        advance()

    monkeypatch.setattr(broken, "advance", until_the_eighth)
    with pytest.raises(KeyboardInterrupt):
        pretrain(broken, part, seconds_between=0, say=lambda words: None)
    torch.manual_seed(99)  # as another process would begin
    words: list[str] = []
    after = PretrainingRun(build, settings, ids, validation)
    pretrain(after, part, seconds_between=0, say=words.append)
    assert words[0] == "goes on after step 8"
    assert after.curve == whole.curve
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], tensor), name


def test_the_weights_that_did_best_on_the_validation_are_the_result(
    started: PretrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 2.5])
    seen = []

    def said(network: CausalNetwork, windows: np.ndarray) -> float:
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(causal_pretraining, "cross_entropy", said)
    network = pretrain(started, say=lambda words: None)
    assert (started.best.step, started.best.validation) == (10, 2.0)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, seen[1][name])


def test_dropout_hides_while_it_trains_and_not_while_it_is_measured(ids: np.ndarray, validation: np.ndarray) -> None:
    run = PretrainingRun(build, replace(SETTINGS, dropout=0.5), ids, validation)
    x = torch.from_numpy(validation[:, :-1])
    run.network.eval()
    sure = run.network(x)
    assert torch.equal(run.network(x), sure)
    run.network.train()
    assert not torch.allclose(run.network(x), sure)


def test_a_kept_training_is_written_whole_or_not_at_all(
    started: PretrainingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "tiny.part"
    started.advance()
    started.keep(part)
    before = part.read_bytes()
    started.advance()

    def full(path: Path, content: bytes) -> int:
        path.open("wb").write(content[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        started.keep(part)
    assert part.read_bytes() == before
    assert [*tmp_path.iterdir()] == [part]


@pytest.mark.parametrize("keep", [0, 100, -5000])
def test_a_damaged_kept_training_says_what_to_do(started: PretrainingRun, tmp_path: Path, keep: int) -> None:
    part = tmp_path / "tiny.part"
    started.advance()
    started.keep(part)
    part.write_bytes(part.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"is damaged\. Delete .*tiny\.part to begin anew"):
        started.take_up(part)


def test_a_kept_training_of_other_settings_or_text_is_not_gone_on_with(
    started: PretrainingRun, ids: np.ndarray, validation: np.ndarray, tmp_path: Path
) -> None:
    part = tmp_path / "tiny.part"
    started.advance()
    started.keep(part)
    for other in (
        PretrainingRun(build, replace(SETTINGS, learning_rate=2e-2), ids, validation),
        PretrainingRun(build, SETTINGS, ids[1:], validation),
        PretrainingRun(lambda: CausalNetwork(causal_config(SHAPE, 300, positions=16)), SETTINGS, ids, validation),
    ):
        with pytest.raises(ValueError, match=r"other settings or on another text.*Delete"):
            other.take_up(part)
        assert other.step == 0


def test_a_loss_that_is_no_number_ends_the_training(started: PretrainingRun) -> None:
    with torch.no_grad():
        started.network.head.fill_(float("nan"))
    with pytest.raises(ValueError, match="loss of step 1 is no number"):
        started.advance()
