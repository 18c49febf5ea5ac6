"""What a student is asked inside its teacher: formulas written out, identities, what fits, and training with it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from kdlab.data.registry import get_dataset
from kdlab.distill import inside
from kdlab.distill.access import Access, Whose
from kdlab.distill.arms import Arm
from kdlab.distill.budget import Budget
from kdlab.distill.cohort import Cohort
from kdlab.distill.derivative import derivative
from kdlab.distill.inside import directions, load_inside
from kdlab.distill.loss import white_box_term
from kdlab.distill.objective_catalogue import ForwardKL
from kdlab.distill.signals import load_logits, reveal
from kdlab.distill.tasks.classification import Classification
from kdlab.distill.trainer import Trainer
from kdlab.distill.white_box import (
    attention_map,
    attention_transfer_loss,
    cosine_hidden_loss,
    gram_loss,
    hint_loss,
    jacobian_match_loss,
)
from kdlab.distill.white_box_catalogue import (
    WHITE_BOX,
    AttentionTransfer,
    CosineHidden,
    Gram,
    Hint,
    JacobianMatch,
    WhiteBox,
)
from kdlab.models.catalogue import TEACHERS, students_for
from kdlab.models.checkpoints import load_teacher
from kdlab.models.inner_layers import Inner, Layer, layers_of_student, layers_of_teacher, numbered
from kdlab.models.networks import build_student, build_teacher

B, P, C_S, C_T, K = 5, 9, 4, 6, 10
GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(B, P, c, generator=GENERATOR) for c in (C_S, C_T))
PROJECTION = torch.randn(C_T, C_S, generator=GENERATOR)
MASK = torch.rand(B, P, generator=GENERATOR) < 0.6


# ------------------------------------------------------------------ formulas


def test_a_hint_is_the_mean_square_of_what_the_projection_misses() -> None:
    by_hand = 0.0
    for b in range(B):
        for p in range(P):
            by_hand += float(((PROJECTION @ STUDENT[b, p] - TEACHER[b, p]) ** 2).sum()) / C_T
    assert hint_loss(STUDENT, TEACHER, PROJECTION).item() == pytest.approx(by_hand / (B * P), rel=1e-5)
    assert hint_loss(STUDENT, STUDENT @ PROJECTION.T, PROJECTION).item() == pytest.approx(0, abs=1e-10)


def test_a_masked_position_counts_for_nothing() -> None:
    other = STUDENT.masked_fill(~MASK[..., None], 1e3)
    for loss in (lambda s: hint_loss(s, TEACHER, PROJECTION, MASK), lambda s: cosine_hidden_loss(s, STUDENT, MASK)):
        assert loss(other).item() == pytest.approx(loss(STUDENT).item(), abs=1e-6)
    kept = hint_loss(STUDENT[MASK][None], TEACHER[MASK][None], PROJECTION)
    assert hint_loss(STUDENT, TEACHER, PROJECTION, MASK).item() == pytest.approx(kept.item(), rel=1e-5)
    assert hint_loss(STUDENT, TEACHER, PROJECTION, torch.zeros_like(MASK)).item() == 0


def test_attention_transfer_compares_maps_of_length_one() -> None:
    by_hand = 0.0
    for b in range(B):
        s, t = (np.array([float((x[b, p] ** 2).mean()) for p in range(P)]) for x in (STUDENT, TEACHER))
        by_hand += ((s / np.linalg.norm(s) - t / np.linalg.norm(t)) ** 2).sum()
    found = attention_transfer_loss(STUDENT, attention_map(TEACHER))
    assert found.item() == pytest.approx(by_hand / B, rel=1e-5)
    # The sign and the scale of what is seen do not count, nor which channel sees it.
    same = attention_transfer_loss(-3 * STUDENT.flip(-1), attention_map(STUDENT))
    assert same.item() == pytest.approx(0, abs=1e-10)


def test_gram_compares_how_alike_examples_are_and_nothing_else() -> None:
    def rows(h: Tensor) -> np.ndarray:
        flat = h.reshape(B, -1).numpy()
        g = flat @ flat.T
        return g / np.linalg.norm(g, axis=1, keepdims=True)

    by_hand = ((rows(STUDENT) - rows(TEACHER)) ** 2).sum() / B**2
    assert gram_loss(STUDENT, TEACHER).item() == pytest.approx(by_hand, rel=1e-4)
    turned = STUDENT.flatten(1) @ torch.linalg.qr(torch.randn(P * C_S, P * C_S, generator=GENERATOR))[0]
    assert gram_loss(2 * turned, STUDENT).item() == pytest.approx(0, abs=1e-6)


def test_cosine_hidden_is_one_minus_the_cosine() -> None:
    other = torch.randn(B, P, C_S, generator=GENERATOR)
    a, b = STUDENT.numpy(), other.numpy()
    cosines = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    assert cosine_hidden_loss(STUDENT, other).item() == pytest.approx((1 - cosines).mean(), rel=1e-5)
    assert cosine_hidden_loss(7 * STUDENT, STUDENT).item() == pytest.approx(0, abs=1e-6)


def test_jacobians_are_compared_but_for_what_is_added_to_all_logits() -> None:
    s, t = (torch.randn(B, K, generator=GENERATOR) for _ in range(2))
    difference = (s - t).numpy()
    difference = difference - difference.mean(1, keepdims=True)
    assert jacobian_match_loss(s, t).item() == pytest.approx((difference**2).mean(), rel=1e-5)
    assert jacobian_match_loss(s + 3, s).item() == pytest.approx(0, abs=1e-10)


def test_directions_of_signs_estimate_the_whole_jacobian() -> None:
    network = load_teacher("digits")
    x = torch.from_numpy(get_dataset("digits").load().x_test[:1].copy())
    jacobian = torch.func.jacrev(network)(x).squeeze().flatten(1)  # (K, 64)
    signs = torch.from_numpy(directions(np.zeros((2000, 8, 8), dtype=np.float32), range(2000)))
    with torch.no_grad():
        along = derivative(network, x.repeat(2000, 1, 1), signs)
    torch.testing.assert_close(along[7], jacobian @ signs[7].flatten().float(), atol=1e-3, rtol=1e-3)
    estimated = along.square().sum(1).mean() / jacobian.square().sum()
    assert estimated.item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", WHITE_BOX)
def test_no_objective_teaches_the_teacher(name: str) -> None:
    objective = WHITE_BOX[name]()  # type: ignore[call-arg]
    size = (2, B, K) if objective.compares_gradients else (2, B, P, 3 * 8 if objective.reads_heads else C_S)
    shown = {"attention_transfer": (2, B, P, 1), "attention_scores": (2, B, 2, P, P)}.get(name, size)
    student = torch.randn(size, generator=GENERATOR, requires_grad=True)
    teacher = torch.randn(shown, generator=GENERATOR).requires_grad_()
    projection = torch.randn(2, C_S, C_S, requires_grad=True) if objective.projects else None
    terms = white_box_term(objective, student, teacher, projection)
    terms.sum().backward()
    assert terms.shape == (2,)
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    for i in range(2):  # each student alone
        own = None if projection is None else projection[i : i + 1]
        alone = white_box_term(objective, student[i : i + 1], teacher[i : i + 1], own)
        torch.testing.assert_close(alone[0], terms[i])


# ---------------------------------------------------------------- what fits


@pytest.mark.parametrize("teacher", [name for name in TEACHERS if layers_of_teacher(name)])
def test_the_layers_that_are_declared_are_those_of_the_networks(teacher: str) -> None:
    dataset = TEACHERS[teacher].dataset
    x = torch.from_numpy(get_dataset(dataset).load().x_test[:2].copy())
    found = build_teacher(teacher).eval()(x, inside=True)[1]
    assert sizes(found) == layers_of_teacher(teacher)
    for shape in students_for(dataset):
        student = build_student(shape.name, dataset)
        logits, inner = student(x, inside=True)
        assert sizes(inner) == layers_of_student(shape.name, dataset)
        torch.testing.assert_close(logits, student(x))


def sizes(inner: Inner) -> tuple[Layer, ...]:
    """Of its layers; a head has 32 numbers, and queries, keys and values are side by side."""
    embeddings = len(inner.hidden) - len(inner.heads) if inner.heads else len(inner.hidden)
    heads = [0] * embeddings + [part.shape[-1] // 3 // 32 for part in inner.heads]
    return tuple(Layer(*layer.shape[1:], n) for layer, n in zip(inner.hidden, heads, strict=True))


def test_what_does_not_fit_is_refused_with_both_layers_and_both_shapes() -> None:
    student, teacher = layers_of_student("mlp-16", "fashion"), layers_of_teacher("fashion")
    told = Hint().unfit_because(student, teacher)
    assert told is not None
    for part in ("layer 1", "1 position of 16", "layer 4", "49 positions of 128"):
        assert part in told
    assert "none" in (Gram().unfit_because(layers_of_student("linear", "fashion"), teacher) or "")
    cnn = layers_of_student("cnn-small", "fashion")
    assert Hint().unfit_because(cnn, teacher) is None
    assert "number by number" in (CosineHidden().unfit_because(cnn, teacher) or "")
    assert Gram().unfit_because(student, teacher) is None


# ------------------------------------------------------------------ signals


def test_the_inside_is_asked_once_and_the_placebos_are_not_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = layers_of_student("mlp-16", "digits"), layers_of_teacher("digits")
    rows, cpu = np.array([5, 0, 799, 17]), torch.device("cpu")
    x = torch.from_numpy(get_dataset("digits").load().x_train[rows])
    truth = load_teacher("digits")(x, inside=True)[1].hidden[-1].half()

    def shown(objective: Any) -> tuple[Tensor, ...]:
        return load_inside("digits", objective.reads(*layers), rows, tmp_path, cpu)

    (hidden,) = shown(Hint())
    torch.testing.assert_close(hidden, truth, atol=2e-3, rtol=2e-3)
    with monkeypatch.context() as patched:
        patched.setattr(inside, "load_teacher", lambda name: pytest.fail("asked twice"))
        assert torch.equal(shown(Hint())[0], hidden)
    assert not torch.allclose(shown(Hint(whose="untrained"))[0], hidden, atol=0.1)
    (shuffled,) = shown(Hint(weight=1, whose="shuffled"))
    assert not torch.equal(shuffled, hidden)
    assert torch.equal(shuffled.flatten(1).sum(1).sort().values, hidden.flatten(1).sum(1).sort().values)
    assert not (shuffled == hidden).flatten(1).all(1).any()  # nobody is shown its own
    along, signs = shown(JacobianMatch())
    assert along.shape == (4, 10)
    assert torch.equal(signs, torch.from_numpy(directions(get_dataset("digits").load().x_train, range(800)))[rows])
    assert shown(AttentionTransfer())[0].shape == (4, 1, 1)


@pytest.mark.parametrize(("dataset", "student"), [("digits", "mlp-16"), ("fashion", "cnn-small")])
def test_an_untrained_teachers_signal_is_as_large_as_the_teachers(
    dataset: str, student: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "_SHARD_ROWS", 32)  # only what is asked for is computed, and a signal is read in pieces
    layers = layers_of_student(student, dataset), layers_of_teacher(dataset)
    rows, everywhere = np.array([70, 0, 35, *range(3, 30)]), Access("hidden", layers=tuple(numbered(layers[1])))

    def shown(access: Access, whose: Whose) -> tuple[Tensor, ...]:
        return load_inside(dataset, replace(access, whose=whose), rows, tmp_path, torch.device("cpu"))

    for access in (everywhere, replace(everywhere, rung="attention")):
        for theirs, placebo in zip(shown(access, "teacher"), shown(access, "untrained"), strict=True):
            assert mean_square(placebo) == pytest.approx(mean_square(theirs), rel=1e-2)
    access = JacobianMatch().reads(*layers)
    (along, direction), (placebo, same) = shown(access, "teacher"), shown(access, "untrained")
    assert torch.equal(same, direction)
    # What all logits share is no part of what is compared.
    centred, own = (part.float() - part.float().mean(1, keepdim=True) for part in (along, placebo))
    assert mean_square(own) == pytest.approx(mean_square(centred), rel=1e-2)
    assert not torch.allclose(own, centred, atol=0.1)


def mean_square(part: Tensor) -> float:
    return part.double().square().mean().item()


# ----------------------------------------------------------------- training


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def make(
    cache: Path, *asked: WhiteBox | None, size: int = 64, steps: int = 30, student: str = "mlp-16", **how: Any
) -> Trainer:
    """Arms with soft targets at T = 2, each asked one of these too, on digits. how: other fields of the arms."""
    layers = layers_of_student(student, "digits"), layers_of_teacher("digits")
    cpu, seeds = torch.device("cpu"), 2
    soft = {"label": "Soft", "hue": "0", "objective": ForwardKL(), "kd_weight": 0.9, "temperature": 2.0} | how
    arms = tuple(Arm(key=f"arm_{i}", white_box=objective, **soft) for i, objective in enumerate(asked))
    task = Classification(
        get_dataset("digits").load(),
        K,
        load_logits("digits", cache),
        labels=50,
        transfer=100,
        batch_size=16,
        steps=steps,
        seeds=seeds,
        device=cpu,
    )
    cohort = Cohort(
        partial(build_student, student, "digits"), arms=len(arms), seeds=seeds, group_size=size, learning_rate=5e-3, device=cpu
    )
    signals = {arm.access: reveal(arm.access, task.teacher_logits) for arm in arms}
    shown = {o: load_inside("digits", o.reads(*layers), task.seen, cache, cpu) for arm in arms for o in arm.insides}
    return Trainer(task, arms, cohort, signals, Budget(steps, 10, 5e-3), shown)


class Silent:
    def point(self, point: Any) -> None: ...

    def before_step(self, trainer: Trainer) -> bool:
        return False


def students(trainer: Trainer) -> list[Tensor]:
    return [torch.cat([t.flatten() for t in weights.values()]) for weights in trainer.cohort.weights()]


ALL = (Hint(weight=1), AttentionTransfer(weight=5), Gram(weight=10), JacobianMatch(weight=0.1), Hint(weight=1, whose="shuffled"))


@pytest.mark.parametrize("student", ["mlp-16", "cnn-small"])
def test_students_learn_the_same_stacked_and_alone(cache: Path, student: str) -> None:
    # A digit's map has four positions, the teacher's layer one: only what is free of positions fits both.
    asked = (None, *ALL) if student == "mlp-16" else (None, Gram(weight=10), JacobianMatch(weight=0.1))
    stacked, in_turn = (make(cache, *asked, size=size, steps=8, student=student) for size in (64, 1))
    for trainer in (stacked, in_turn):
        trainer.train(Silent())
    for one, other in zip(students(stacked), students(in_turn), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3)


def test_each_arm_learns_as_it_would_without_the_others(cache: Path) -> None:
    together = make(cache, None, *ALL)
    together.train(Silent())
    found = students(together)
    for i, objective in enumerate((None, *ALL)):
        alone = make(cache, objective)
        alone.train(Silent())
        torch.testing.assert_close(students(alone)[0], found[i], atol=2e-4, rtol=1e-3)


def test_a_weight_of_nothing_changes_nothing_and_a_weight_does(cache: Path) -> None:
    trainer = make(cache, None, Hint(weight=0), Hint(weight=1), Gram(weight=10), JacobianMatch(weight=0.1))
    trainer.train(Silent())
    plain, nothing, *others = students(trainer)[: len(trainer.arms)]
    assert torch.equal(plain, nothing)
    for other in others:
        assert (plain - other).abs().max() > 1e-3


@pytest.mark.parametrize("objective", [Hint(weight=10), Gram(weight=100), JacobianMatch(weight=1)])
def test_a_student_comes_nearer_to_what_it_is_asked(cache: Path, objective: WhiteBox) -> None:
    trainer = make(cache, objective, steps=60)

    def distance() -> float:
        (group,) = trainer.cohort.groups
        batch = trainer.task.batch(0, group)
        with torch.no_grad():
            student = trainer.task.output(group, batch, inside=True)
            return trainer.white_box_term(group, student, batch).sum().item()

    before = distance()
    trainer.train(Silent())
    assert distance() < 0.9 * before


def test_an_arm_that_is_asked_two_things_is_asked_their_sum(cache: Path) -> None:
    both, one, other = make(cache, Hint(weight=1), also=(Gram(weight=10),)), make(cache, Hint(weight=1)), make(cache, Gram(weight=10))
    terms = []
    for trainer in (both, one, other):
        (group,) = trainer.cohort.groups
        batch = trainer.task.batch(0, group)
        terms.append(trainer.white_box_term(group, trainer.task.output(group, batch, inside=True), batch))
    torch.testing.assert_close(terms[0], terms[1] + terms[2])


def test_an_arm_may_learn_from_the_inside_first_and_from_the_outputs_then(cache: Path) -> None:
    staged = make(cache, Hint(weight=1), steps=4, layers_first=0.5)
    inside_alone = make(cache, Hint(weight=1), steps=4, objective=None, kd_weight=1.0)
    for trainer in (staged, inside_alone):
        trainer.step()
        trainer.step()
    for one, other in zip(students(staged), students(inside_alone), strict=True):
        assert torch.equal(one, other)
    outputs_alone = make(cache, None, steps=4)
    (group,), (other,) = staged.cohort.groups, outputs_alone.cohort.groups
    other.restore({name: t for name, t in group.state().items() if not name.startswith("projection")})
    outputs_alone.step_number = staged.step_number
    for trainer in (staged, outputs_alone):
        trainer.step()
    for one, two in zip(students(staged), students(outputs_alone), strict=True):
        assert torch.equal(one, two)


def test_the_gradients_are_those_of_the_stage_that_an_arm_is_at(cache: Path) -> None:
    staged = make(cache, Hint(weight=1), steps=4, layers_first=0.5)
    plain, hint = make(cache, None, steps=4), make(cache, Hint(weight=1), steps=4, kd_weight=0.0)

    def budget(trainer: Trainer) -> dict[str, list[list[float]]]:
        return {name: of for name, of in trainer.measure().values.items() if name.startswith("gradient")}

    first = budget(staged)
    assert first["gradient_supervised"] == [[0, 0]]
    np.testing.assert_allclose(first["gradient_share"], 1)
    # At a KD weight of 0 what is asked inside is all that the distillation term has.
    np.testing.assert_allclose(first["gradient_distillation"], budget(hint)["gradient_distillation"], rtol=1e-5)
    for trainer in (staged, plain):
        trainer.step_number = 2
    for name, of in budget(plain).items():
        np.testing.assert_allclose(budget(staged)[name], of, rtol=1e-5, err_msg=name)


def test_an_arm_that_takes_the_inside_first_is_asked_something_there() -> None:
    with pytest.raises(ValidationError, match="ask it something with white_box, or set layers_first to 0"):
        Arm(key="arm", label="Soft", hue="0", objective=ForwardKL(), layers_first=0.5)
    assert Arm(key="arm", label="Soft", hue="0", white_box=Hint(), layers_first=0.5).layers_first == 0.5


def test_a_trainer_that_restores_its_state_goes_on_to_the_bit(cache: Path) -> None:
    whole, first, second = (make(cache, None, *ALL) for _ in range(3))
    for _ in range(12):
        first.step()
    assert second.restore(first.state(), {})
    for _ in range(12):
        second.step()
    for _ in range(24):
        whole.step()
    for one, other in zip(students(whole), students(second), strict=True):
        assert torch.equal(one, other)
