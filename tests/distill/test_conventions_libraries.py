"""The table of conventions against the libraries themselves; else against their formulas, written anew in torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kdlab.core.convention_terms import Convention
from kdlab.core.conventions import CONVENTIONS

Z_S = torch.tensor([[2.0, 0.5, -1.0, 0.3], [0.1, 1.2, 0.4, -0.6], [-0.5, 0.2, 1.5, 0.9]], dtype=torch.float64)
Z_T = torch.tensor([[3.0, 1.5, -2.0, 0.1], [0.4, 2.5, 1.9, -1.0], [0.6, -0.2, 2.5, 2.2]], dtype=torch.float64)
Y = torch.tensor([0, 2, 3])
SETTINGS = [0.0, 0.1, 0.5, 0.9, 1.0]


def defaults_of(convention: Convention) -> dict[str, float]:
    return {parameter.name: parameter.default for parameter in convention.parameters}


def total(name: str, rows: slice = slice(None), **values: float) -> float:
    """What our table says that the library computes."""
    convention = CONVENTIONS[name]
    return convention.loss(
        Z_S[rows].numpy(), Z_T[rows].numpy(), Y[rows].numpy(), defaults_of(convention) | values
    ).total


def soft_pair(temperature: float) -> tuple[Tensor, Tensor]:
    """log q_T and p_T."""
    return F.log_softmax(Z_S / temperature, dim=-1), F.softmax(Z_T / temperature, dim=-1)


@pytest.fixture
def trl_gkd(monkeypatch) -> Callable[..., Tensor]:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.gkd import GKDTrainer

    return GKDTrainer.generalized_jsd_loss


@pytest.mark.parametrize("beta", SETTINGS)
def test_trl_gkd(trl_gkd, beta):
    theirs = trl_gkd(Z_S[None], Z_T[None], Y[None], beta=beta)
    assert total("trl_gkd", beta=beta) == pytest.approx(theirs.item(), rel=1e-6)


def test_trl_gkd_has_no_t_squared(trl_gkd):
    cold = trl_gkd(Z_S[None], Z_T[None], Y[None], beta=0.0, temperature=1.0)
    same = trl_gkd(4 * Z_S[None], 4 * Z_T[None], Y[None], beta=0.0, temperature=4.0)
    torch.testing.assert_close(cold, same)


def test_trl_gkd_never_passes_its_temperature_to_the_loss(monkeypatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from types import SimpleNamespace

    from trl.experimental.gkd import GKDConfig, GKDTrainer

    defaults = {
        name: GKDConfig.__dataclass_fields__[name].default for name in ("temperature", "lmbda", "beta")
    }
    assert defaults == defaults_of(CONVENTIONS["trl_gkd"])
    model = SimpleNamespace(logits=F.pad(Z_S[None], (0, 0, 0, 1)))
    teacher = SimpleNamespace(logits=F.pad(Z_T[None], (0, 0, 0, 1)))
    inputs = {"input_ids": None, "attention_mask": None, "labels": F.pad(Y[None], (1, 0))}

    class Answer(torch.nn.Module):
        def forward(self, **_: object) -> SimpleNamespace:
            return teacher

    for temperature in (0.3, 2.0):
        trainer = SimpleNamespace(
            teacher_model=Answer(),
            beta=0.25,
            temperature=temperature,
            lmbda=0.9,
            generalized_jsd_loss=GKDTrainer.generalized_jsd_loss,
        )
        theirs = GKDTrainer.compute_loss(trainer, lambda **_: model, inputs)
        assert total("trl_gkd", beta=0.25) == pytest.approx(theirs.item(), rel=1e-6)


def test_trl_averages_over_tokens_with_labels_and_over_rows_without(trl_gkd):
    one_row = trl_gkd(Z_S[None], Z_T[None], Y[None])
    torch.testing.assert_close(trl_gkd(Z_S[None], Z_T[None]), 3 * one_row)
    torch.testing.assert_close(trl_gkd(Z_S[:, None], Z_T[:, None]), one_row)
    masked = trl_gkd(Z_S[None], Z_T[None], torch.tensor([[0, -100, 3]]))
    kept = slice(0, 3, 2)
    assert total("trl_gkd", rows=kept) == pytest.approx(masked.item(), rel=1e-6)


@pytest.mark.parametrize("beta", SETTINGS)
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_trl_distillation_trainer(beta, temperature):
    from trl.trainer.distillation_trainer import _chunked_divergence_loss

    z_s, z_t, eye = Z_S.float()[None], Z_T.float()[None], torch.eye(4)
    theirs, _, _ = _chunked_divergence_loss(
        z_s, z_t, eye, eye, torch.ones(1, 3), beta=beta, temperature=temperature
    )
    assert total("trl_distillation", beta=beta, temperature=temperature) == pytest.approx(
        theirs.item(), rel=1e-4
    )


def test_trl_distillation_trainers_defaults():
    from trl import DistillationConfig

    fields = DistillationConfig.__dataclass_fields__
    ours = defaults_of(CONVENTIONS["trl_distillation"])
    assert {name: fields[name].default for name in ours} == ours


class TestTorchdistill:
    """The library itself; it does without torchvision here."""

    @pytest.fixture
    def kd_loss(self) -> Callable[..., float]:
        mid_level = pytest.importorskip("torchdistill.losses.mid_level")

        def loss(rows: slice = slice(None), **settings: float) -> float:
            criterion = mid_level.KDLoss("s", "output", "t", "output", **settings)
            return criterion({"s": {"output": Z_S[rows]}}, {"t": {"output": Z_T[rows]}}, Y[rows]).item()

        return loss

    @pytest.mark.parametrize("alpha", SETTINGS)
    def test_loss(self, kd_loss, alpha):
        for rows in (slice(None), slice(1)):
            theirs = kd_loss(rows, temperature=4.0, alpha=alpha)
            assert total("torchdistill", rows, temperature=4.0, alpha=alpha) == pytest.approx(theirs)

    def test_drops_both_factors_at_alpha_zero(self, kd_loss):
        bare = kd_loss(temperature=4.0, alpha=0.0, beta=0.3)
        assert bare == pytest.approx(F.kl_div(*soft_pair(4.0), reduction="batchmean").item())

    def test_alpha_of_none_fails_without_beta(self, kd_loss):
        with pytest.raises(TypeError):
            kd_loss(temperature=4.0)
        assert kd_loss(temperature=4.0, beta=1.0) == pytest.approx(kd_loss(temperature=4.0, alpha=0.0))


class TestKeras:
    """The library itself, on its torch backend."""

    @pytest.fixture
    def keras(self, monkeypatch, tmp_path):
        monkeypatch.setenv("KERAS_BACKEND", "torch")
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        return pytest.importorskip("keras")

    @pytest.mark.parametrize("by_default", [False, True])
    @pytest.mark.parametrize("own", SETTINGS)
    def test_distiller(self, keras, own, by_default):
        chosen = {} if by_default else {"loss": keras.losses.KLDivergence()}

        def fixed(name: str) -> object:
            inputs = keras.Input((4,))
            return keras.Model(inputs, keras.layers.Activation("linear")(inputs), name=name)

        distiller = keras.distillation.Distiller(
            fixed("teacher"),
            fixed("student"),
            keras.distillation.LogitsDistillation(temperature=4.0, **chosen),
            student_loss_weight=own,
        )
        distiller.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        # The student's answers are given; what the teacher sees it also answers.
        theirs = float(distiller.compute_loss(x=Z_T.float(), y=Y, y_pred=Z_S.float()))
        name = "keras_default" if by_default else "keras"
        assert total(name, student_loss_weight=own, temperature=4.0) == pytest.approx(theirs, rel=1e-4)

    def test_the_examples_divergence_is_summed_over_classes(self, keras):
        log_q, p = soft_pair(3.0)
        theirs = float(keras.losses.KLDivergence()(p.float(), log_q.exp().float()))
        assert total("keras_example_2020", alpha=0.0, temperature=3.0) == pytest.approx(theirs, rel=1e-4)

    @pytest.mark.parametrize("temperature", [0.5, 3.0])
    def test_it_cuts_what_it_can_hardly_tell_from_nothing(self, keras, temperature):
        z_s, z_t = 8 * Z_S, 8 * Z_T
        p, q = F.softmax(z_t / temperature, -1), F.softmax(z_s / temperature, -1)
        theirs = float(keras.losses.KLDivergence()(p.float(), q.float()))
        values = {"alpha": 0.0, "temperature": temperature}
        ours = CONVENTIONS["keras_example_2020"].loss(z_s.numpy(), z_t.numpy(), Y.numpy(), values).total
        assert ours == pytest.approx(theirs, rel=1e-4)

    def test_defaults(self, keras):
        import inspect

        own = inspect.signature(keras.distillation.Distiller).parameters["student_loss_weight"].default
        t = inspect.signature(keras.distillation.LogitsDistillation).parameters["temperature"].default
        assert defaults_of(CONVENTIONS["keras"]) == {"student_loss_weight": own, "temperature": t}


CE = F.cross_entropy


def _torchdistill_formula(v: dict[str, float]) -> Tensor:
    # KDLoss in torchdistill/losses/mid_level.py, release 1.1.5
    soft = F.kl_div(*soft_pair(v["temperature"]), reduction="batchmean")
    if v["alpha"] == 0:
        return soft
    return v["alpha"] * CE(Z_S, Y) + (1 - v["alpha"]) * v["temperature"] ** 2 * soft


def _keras_formula(v: dict[str, float]) -> Tensor:
    # Distiller and LogitsDistillation in keras/src/distillation, release 3.15.1
    soft = F.kl_div(*soft_pair(v["temperature"]), reduction="none").sum(1).mean() * v["temperature"] ** 2
    return v["student_loss_weight"] * CE(Z_S, Y) + (1 - v["student_loss_weight"]) * soft


def _keras_default(v: dict[str, float]) -> Tensor:
    # The string "kl_divergence" becomes a function, which is no KLDivergence object: no softmax, no T²
    p, q = ((z / v["temperature"]).clamp(1e-7, 1) for z in (Z_T, Z_S))
    soft = (p * (p / q).log()).sum(1).mean()
    return v["student_loss_weight"] * CE(Z_S, Y) + (1 - v["student_loss_weight"]) * soft


def _keras_example(v: dict[str, float], power: int) -> Tensor:
    # Distiller in keras-io's examples/vision/knowledge_distillation.py
    log_q, p = soft_pair(v["temperature"])
    soft = (p * (p.log() - log_q)).sum(1).mean() * v["temperature"] ** power
    return v["alpha"] * CE(Z_S, Y) + (1 - v["alpha"]) * soft


def _repdistiller(v: dict[str, float]) -> Tensor:
    # DistillKL in distiller_zoo/KD.py and train_distill in helper/loops.py
    soft = F.kl_div(*soft_pair(v["kd_T"]), reduction="sum") * v["kd_T"] ** 2 / len(Y)
    return v["gamma"] * CE(Z_S, Y) + v["alpha"] * soft


def _haitongli(v: dict[str, float]) -> Tensor:
    # loss_fn_kd in model/net.py calls KLDivLoss() without a reduction
    soft = torch.nn.KLDivLoss()(*soft_pair(v["temperature"]))
    return v["alpha"] * v["temperature"] ** 2 * soft + (1 - v["alpha"]) * CE(Z_S, Y)


def _tutorial(v: dict[str, float], first: bool) -> Tensor:
    # train_knowledge_distillation in beginner_source/knowledge_distillation_tutorial.py
    log_q, p = soft_pair(v["T"])
    each = -p * log_q if first else p * (p.log() - log_q)
    soft = each.sum() / len(log_q) * v["T"] ** 2
    return v["soft_target_loss_weight"] * soft + v["ce_loss_weight"] * CE(Z_S, Y)


def _distilbert(v: dict[str, float]) -> Tensor:
    # Distiller.step in research_projects/distillation/distiller.py, on states with the cosine that is asked for
    soft = F.kl_div(*soft_pair(v["temperature"]), reduction="batchmean") * v["temperature"] ** 2
    angle = float(np.arccos(v["cosine"]))
    one = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(3, 2)
    other = torch.tensor([[np.cos(angle), np.sin(angle)]], dtype=torch.float64).expand(3, 2)
    hidden = F.cosine_embedding_loss(one, other, torch.ones(3))
    return v["alpha_ce"] * soft + v["alpha_mlm"] * CE(Z_S, Y) + v["alpha_cos"] * hidden


def _distillkit(v: dict[str, float]) -> Tensor:
    # KLDLoss in lossfuncs/kl.py and total_distillation_loss in trainer.py
    soft = F.kl_div(*soft_pair(v["temperature"]), reduction="sum") * v["temperature"] ** 2 / len(Y)
    weights = v["weight_cross_entropy"], v["weight_kl"]
    return (weights[0] * CE(Z_S, Y) + weights[1] * soft) / sum(weights)


def _distillkit_2024(v: dict[str, float]) -> Tensor:
    # distillation_loss in distil_logits.py, on one full row: (1, L, K), max_length = L
    log_q, p = soft_pair(v["temperature"])
    soft = F.kl_div(log_q[None], p[None], reduction="batchmean") * v["temperature"] ** 2 / len(Y)
    return v["alpha"] * soft + (1 - v["alpha"]) * CE(Z_S, Y)


FORMULAS: dict[str, Callable[[dict[str, float]], Tensor]] = {
    "torchdistill": _torchdistill_formula,
    "keras": _keras_formula,
    "keras_default": _keras_default,
    "keras_example": lambda v: _keras_example(v, 2),
    "keras_example_2020": lambda v: _keras_example(v, 0),
    "repdistiller": _repdistiller,
    "haitongli": _haitongli,
    "pytorch_tutorial": lambda v: _tutorial(v, first=False),
    "pytorch_tutorial_2023": lambda v: _tutorial(v, first=True),
    "distilbert": _distilbert,
    "distillkit": _distillkit,
    "distillkit_2024": _distillkit_2024,
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean':UserWarning")
@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    parameters = CONVENTIONS[name].parameters
    for part in (0.0, 0.37, 1.0):
        values = {p.name: p.low + part * (p.high - p.low) for p in parameters}
        assert total(name, **values) == pytest.approx(FORMULAS[name](values).item(), rel=1e-9)
    defaults = defaults_of(CONVENTIONS[name])
    assert total(name) == pytest.approx(FORMULAS[name](defaults).item(), rel=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
@pytest.mark.parametrize(
    ("name", "weight", "power"),
    [("keras", "student_loss_weight", 2), ("keras_example", "alpha", 2), ("keras_example_2020", "alpha", 0)],
)
def test_keras_cuts_both_sides_probabilities_at_its_epsilon(name, weight, power, temperature):
    z_s, z_t = 8 * Z_S, 8 * Z_T
    p, q = (F.softmax(z / temperature, -1).clamp(1e-7, 1) for z in (z_t, z_s))
    formula = 0.7 * (p * (p / q).log()).sum(1).mean() * temperature**power + 0.3 * CE(z_s, Y)
    values = {weight: 0.3, "temperature": temperature}
    ours = CONVENTIONS[name].loss(z_s.numpy(), z_t.numpy(), Y.numpy(), values).total
    assert ours == pytest.approx(formula.item(), rel=1e-9)


def test_every_convention_is_checked():
    assert set(FORMULAS) | {"trl_gkd", "trl_distillation"} == set(CONVENTIONS)


def test_padding_shrinks_only_the_soft_term_of_distillkits_script():
    log_q, p = soft_pair(2.0)
    padded = F.kl_div(log_q[None], p[None], reduction="batchmean") * 4 / 12
    assert total("distillkit_2024", alpha=1.0) == pytest.approx(4 * padded.item())
