"""What a student of texts is asked inside its teacher: a transformer's inside, formulas written out, what fits, training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kdlab.data import word_pieces
from kdlab.data.registry import get_dataset
from kdlab.distill import inside
from kdlab.distill.access import Access, Whose
from kdlab.distill.arms import Arm
from kdlab.distill.budget import Budget
from kdlab.distill.cohort import Cohort, Group, fresh_student
from kdlab.distill.derivative import derivative
from kdlab.distill.inside import load_inside, swaps
from kdlab.distill.objective_catalogue import ForwardKL
from kdlab.distill.signals import load_logits, reveal
from kdlab.distill.tasks.classification import Classification
from kdlab.distill.trainer import Trainer
from kdlab.distill.white_box import attention_scores, attention_scores_loss, hint_loss, relations_loss
from kdlab.distill.white_box_catalogue import (
    AttentionScores,
    CosineHidden,
    Gram,
    Hint,
    JacobianMatch,
    Relations,
    WhiteBox,
    mapped,
)
from kdlab.models.checkpoints import load_teacher
from kdlab.models.inner_layers import bert_layers, layers_of_student, layers_of_teacher
from kdlab.models.networks import build_student, build_teacher

CPU = torch.device("cpu")
TEACHER = layers_of_teacher("glosses")
GENERATOR = torch.Generator().manual_seed(0)


def glosses(count: int) -> Tensor:
    return torch.tensor(get_dataset("glosses").load().x_train[:count])


# --------------------------------------------------------------- the inside


def test_a_bert_shows_its_hidden_states_and_what_its_attention_is_made_of() -> None:
    student, x = build_student("bert-2x128", "glosses"), glosses(6)
    logits, inner = student(x, inside=True)
    said = student.encode(x, output_hidden_states=True, output_attentions=True)
    torch.testing.assert_close(logits, student(x))
    real = x > 0
    assert len(inner.hidden) == 3
    for own, theirs in zip(inner.hidden, said.hidden_states, strict=True):
        torch.testing.assert_close(own[real], theirs[real])
        assert own[~real].abs().max() == 0
    for heads, attention in zip(inner.heads, said.attentions, strict=True):
        scores = attention_scores(heads, 4).masked_fill(~real[:, None, None, :], -torch.inf)
        torch.testing.assert_close(scores.softmax(-1), attention, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("student", ["embedding-bag", "bert-2x64"])
def test_a_swap_is_the_way_from_one_piece_to_another_in_the_networks_own_table(student: str) -> None:
    network, x = build_student(student, "glosses").double(), glosses(4)
    table = network.pieces if student == "embedding-bag" else network.bert.embeddings.word_embeddings
    swap = torch.from_numpy(swaps(x.numpy(), range(4)))
    found, far = derivative(network, x, swap), 1e-4
    for i, (place, other) in enumerate(swap.tolist()):
        own, piece = x[i : i + 1].clone(), int(x[i, place])
        # A piece of no gloss, whose embedding is a step on the way from the one to the other.
        spare = table.num_embeddings - 1
        assert not (own == spare).any()
        own[0, place] = spare
        logits = []
        for step in (0.0, far):
            with torch.no_grad():
                kept = table.weight[spare].clone()
                table.weight[spare] = table.weight[piece] + step * (table.weight[other] - table.weight[piece])
                logits.append(network(own)[0])
                table.weight[spare] = kept
        torch.testing.assert_close(found[i], (logits[1] - logits[0]) / far, atol=1e-5, rtol=1e-2)


def test_what_is_swapped_stands_between_the_marks_and_is_a_rows_own() -> None:
    x = get_dataset("glosses").load().x_train
    found = swaps(x, range(60))
    places, pieces = found.T
    assert (found[30:] == swaps(x, range(30, 60))).all()
    assert places.min() >= 1
    assert (places < np.count_nonzero(x[:60], axis=1) - 1).all()
    assert pieces.min() > 3  # no mark, no padding


def test_stacked_students_show_and_turn_as_each_does_alone() -> None:
    students = [fresh_student("bert-2x64", "glosses", seed) for seed in range(3)]
    x = glosses(12).reshape(3, 4, -1)
    swap = torch.from_numpy(swaps(x.flatten(0, 1).numpy(), range(12))).reshape(3, 4, 2)
    stacked = Group([fresh_student("bert-2x64", "glosses", seed) for seed in range(3)], 1e-3, CPU, slice(0, 3), arms=1)
    logits, inner = stacked.outputs_and_inside(x)
    along = stacked.derivative(slice(None), x, swap)
    for i, student in enumerate(students):
        own_logits, own = student(x[i], inside=True)
        torch.testing.assert_close(logits[i], own_logits, atol=1e-5, rtol=1e-4)
        for parts, own_parts in zip(inner, own, strict=True):
            for part, own_part in zip(parts, own_parts, strict=True):
                torch.testing.assert_close(part[i], own_part, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(along[i], derivative(student, x[i], swap[i]), atol=1e-6, rtol=1e-3)


# ------------------------------------------------------------------ formulas

B, P, A, C_S, C_T = 3, 5, 2, 8, 12
STUDENT, OTHER = (torch.randn(B, P, 3 * c, generator=GENERATOR) for c in (C_S, C_T))
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] * 4 + [False]])


def parts(heads: Tensor, b: int, a: int, count: int) -> list[np.ndarray]:
    """Queries, keys and values of an example's head: (P, d) each."""
    wide = heads.shape[-1] // 3
    d = wide // count
    return [heads[b, :, part * wide + a * d : part * wide + (a + 1) * d].numpy().astype(float) for part in range(3)]


def test_attention_scores_are_compared_before_the_softmax_head_by_head() -> None:
    teacher, by_hand, pairs = torch.randn(B, A, P, P, generator=GENERATOR), 0.0, 0
    for b in range(B):
        for a in range(A):
            queries, keys, _ = parts(STUDENT, b, a, A)
            for i in range(P):
                for j in range(P):
                    if MASK[b, i] and MASK[b, j]:
                        by_hand += (queries[i] @ keys[j] / np.sqrt(C_S / A) - teacher[b, a, i, j].item()) ** 2
                        pairs += 1
    found = attention_scores_loss(STUDENT, teacher, MASK)
    assert found.item() == pytest.approx(by_hand / pairs, rel=1e-5)
    other = teacher.masked_fill(~MASK[:, None, None, :], 1e4)
    assert attention_scores_loss(STUDENT, other, MASK).item() == pytest.approx(found.item(), rel=1e-5)
    assert attention_scores_loss(STUDENT, attention_scores(STUDENT, A), MASK).item() == 0


@pytest.mark.parametrize("count", [1, 2, 4])
def test_relations_are_compared_by_kl_whatever_the_widths(count: int) -> None:
    by_hand = 0.0
    for kind in range(3):
        total, rows = 0.0, 0
        for b in range(B):
            real = MASK[b].numpy()
            for a in range(count):
                p, q = (_relation(parts(h, b, a, count)[kind][real]) for h in (OTHER, STUDENT))
                total += (p * np.log(p / q)).sum() / count
            rows += real.sum()
        by_hand += total / rows
    assert relations_loss(STUDENT, OTHER, count, MASK).item() == pytest.approx(by_hand, rel=1e-4)
    assert relations_loss(STUDENT, STUDENT, count, MASK).item() == pytest.approx(0, abs=1e-6)
    # What stands at padding does not count, on either side.
    noise = [h.masked_fill(~MASK[..., None], 50.0) for h in (STUDENT, OTHER)]
    assert relations_loss(*noise, count, MASK).item() == pytest.approx(by_hand, rel=1e-4)


def _relation(x: np.ndarray) -> np.ndarray:
    e = np.exp(x @ x.T / np.sqrt(x.shape[1]))
    return e / e.sum(1, keepdims=True)


def test_relations_do_not_see_a_turn_of_a_head_but_its_length() -> None:
    turn = torch.linalg.qr(torch.randn(C_S, C_S, generator=GENERATOR))[0]
    turned = torch.cat([part @ turn for part in STUDENT.chunk(3, dim=-1)], dim=-1)
    assert relations_loss(turned, STUDENT, 1, MASK).item() == pytest.approx(0, abs=1e-5)
    assert relations_loss(2 * STUDENT, STUDENT, 1, MASK).item() > 0.01


# ---------------------------------------------------------------- what fits


def test_layers_are_paired_as_the_papers_pair_them() -> None:
    assert [mapped("uniform", m, 4, 12) for m in range(5)] == [0, 3, 6, 9, 12]  # TinyBERT's g(m) = 3 · m
    assert [mapped("top", m, 2, 6) for m in (1, 2)] == [5, 6]
    assert [mapped("bottom", m, 2, 6) for m in (1, 2)] == [1, 2]
    student = layers_of_student("bert-2x384", "glosses")
    assert AttentionScores().pairs(student, TEACHER) == ((1, 3), (2, 6))
    assert Relations().pairs(student, TEACHER) == ((2, 6),)
    assert Hint(layer_map="uniform", embeddings=True).pairs(student, TEACHER) == ((0, 0), (1, 3), (2, 6))
    assert Hint(layer_map="uniform", embeddings=True).reads(student, TEACHER).layers == (0, 3, 6)
    assert Hint(layer_map="uniform", embeddings=True).extra_parameters(student, TEACHER) == 3 * 384 * 384


def test_what_does_not_fit_a_transformer_is_refused_with_both_layers_and_both_shapes() -> None:
    small, wide = (layers_of_student(name, "glosses") for name in ("bert-2x64", "bert-2x384"))
    told = AttentionScores().unfit_because(small, TEACHER) or ""
    for part in ("head by head", "layer 1 has 32 positions of 64 numbers in 2 heads", "layer 3 has 32 positions of 384 numbers in 12 heads"):
        assert part in told
    assert AttentionScores().unfit_because(wide, TEACHER) is None
    told = CosineHidden().unfit_because(small, TEACHER) or ""
    assert "number by number" in told
    assert "layer 2 has 32 positions of 64" in told
    for objective in (Hint(), Gram(), Relations(), JacobianMatch()):
        assert objective.unfit_because(small, TEACHER) is None
    assert "7 even heads" in (Relations(relation_heads=7).unfit_because(small, TEACHER) or "")
    bag = layers_of_student("embedding-bag", "glosses")
    assert "without heads" in (Relations().unfit_because(bag, TEACHER) or "")
    assert "transformer on both sides" in (Hint(embeddings=True).unfit_because(bag, TEACHER) or "")
    assert "the student has 7 and the teacher 6" in (Hint(layer_map="top").unfit_because(bert_layers(7, 64), TEACHER) or "")


# ----------------------------------------------------------------- training


def make(*asked: WhiteBox | None, size: int = 64, steps: int = 3, student: str = "bert-2x64") -> Trainer:
    """Arms with soft targets, each asked one of these too; what a teacher reveals is drawn, in a teacher's shapes."""
    layers = layers_of_student(student, "glosses"), TEACHER
    soft = {"label": "Soft", "hue": "0", "objective": ForwardKL(), "kd_weight": 0.9, "temperature": 2.0}
    arms = tuple(Arm(key=f"arm_{i}", white_box=objective, **soft) for i, objective in enumerate(asked))
    task = Classification(
        get_dataset("glosses").load(),
        10,
        load_logits("glosses", Path("unused")),
        labels=20,
        transfer=30,
        batch_size=4,
        steps=steps,
        seeds=1,
        device=CPU,
    )
    cohort = Cohort(partial(build_student, student, "glosses"), arms=len(arms), seeds=1, group_size=size, learning_rate=2e-3, device=CPU)
    signals = {arm.access: reveal(arm.access, task.teacher_logits) for arm in arms}
    shown = {o: drawn(o.reads(*layers), task) for o in asked if o is not None}
    return Trainer(task, arms, cohort, signals, Budget(steps, 10, 2e-3), shown)


def drawn(access: Access, task: Classification) -> tuple[Tensor, ...]:
    n, generator = len(task.seen), torch.Generator().manual_seed(1)
    if access.rung == "gradients":
        return torch.randn(n, 10, generator=generator), torch.from_numpy(swaps(task.x.numpy(), range(n)))
    shape = {"map": (32, 384), "scores": (12, 32, 32), "queries_keys_values": (32, 3 * 384)}[access.form]
    return tuple(torch.randn(n, *shape, generator=generator).half() for _ in access.layers)


def answers(trainer: Trainer) -> Tensor:
    """Of every student: a softmax does not see the keys' bias, so Adam moves weights by rounding errors alone."""
    return torch.cat([group.shared_outputs(trainer.task.x[:10]).detach() for group in trainer.cohort.groups])


EACH = (
    Hint(weight=1, layer_map="uniform", embeddings=True),
    Relations(weight=1),
    Gram(weight=10),
    JacobianMatch(weight=1),
)


def test_students_of_texts_learn_the_same_stacked_and_alone() -> None:
    stacked, in_turn = (make(None, *EACH, size=size) for size in (64, 1))
    for trainer in (stacked, in_turn):
        for _ in range(trainer.budget.steps):
            trainer.step()
    torch.testing.assert_close(answers(stacked), answers(in_turn), atol=1e-3, rtol=1e-2)
    plain, *others = answers(stacked)
    for other in others:
        assert (plain - other).abs().max() > 5e-3


def test_each_pair_of_layers_has_the_weight_of_its_objective() -> None:
    trainer = make(Hint(weight=3, layer_map="uniform", embeddings=True))
    (group,) = trainer.cohort.groups
    batch = trainer.task.batch(0, group)
    student = trainer.task.output(group, batch, inside=True)
    mask, shown = trainer.task.positions(batch), trainer.task.reveal(trainer.inside[trainer.arms[0].insides[0]], batch)
    pairs = zip(student.inside.hidden, shown, group.own.values(), strict=True)
    by_hand = 3 * sum(hint_loss(ours[0], theirs[0], projection[0], mask[0]) for ours, theirs, projection in pairs)
    torch.testing.assert_close(trainer.white_box_term(group, student, batch)[0], by_hand)


@pytest.mark.parametrize("student", ["bert-1x64", "bert-2x384"])
def test_a_weight_of_nothing_changes_nothing_to_the_bit(student: str) -> None:
    wide = (AttentionScores(weight=0), CosineHidden(weight=0)) if student == "bert-2x384" else (JacobianMatch(weight=0),)
    trainer = make(None, Hint(weight=0), Relations(weight=0), *wide, steps=1, student=student)
    trainer.step()
    plain, *others = answers(trainer)
    assert all(torch.equal(plain, other) for other in others)


@pytest.mark.parametrize("objective", [Hint(weight=10), Relations(weight=10), JacobianMatch(weight=10)])
def test_a_student_of_texts_comes_nearer_to_what_it_is_asked(objective: WhiteBox) -> None:
    trainer = make(objective, steps=10, student="bert-1x64")

    def distance() -> float:
        (group,) = trainer.cohort.groups
        batch = trainer.task.batch(0, group)
        student = trainer.task.output(group, batch, inside=True)
        return trainer.white_box_term(group, student, batch).sum().item()

    before = distance()
    for _ in range(10):
        trainer.step()
    assert distance() < 0.95 * before


# ------------------------------------------------------------------ signals


@pytest.mark.skipif(not word_pieces.model_installed(), reason="needs requirements-minilm.txt")
def test_what_the_teacher_of_texts_holds_inside_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "_SHARD_ROWS", 4)  # only what is asked for is computed
    rows, student = np.array([6, 1]), layers_of_student("bert-2x384", "glosses")
    x = glosses(8)
    _, inner = load_teacher("glosses")(x[rows], inside=True)

    def shown(objective: WhiteBox) -> tuple[Tensor, ...]:
        return load_inside("glosses", objective.reads(student, TEACHER), rows, tmp_path, CPU)

    hidden = shown(Hint(layer_map="uniform", embeddings=True))
    for part, number in zip(hidden, (0, 3, 6), strict=True):
        torch.testing.assert_close(part.float(), inner.hidden[number], atol=2e-3, rtol=2e-3)
    for part, number in zip(shown(AttentionScores()), (3, 6), strict=True):
        torch.testing.assert_close(part.float(), attention_scores(inner.heads[number - 1], 12), atol=1e-2, rtol=2e-3)
    (heads,) = shown(Relations())
    torch.testing.assert_close(heads.float(), inner.heads[5], atol=5e-3, rtol=2e-3)
    along, swap = shown(JacobianMatch())
    assert along.dtype == heads.dtype == torch.float16
    assert (swap.numpy() == swaps(get_dataset("glosses").load().x_train, range(8))[rows]).all()
    monkeypatch.setattr(inside, "load_teacher", lambda name: pytest.fail("asked twice"))
    assert torch.equal(shown(JacobianMatch())[0], along)


def test_the_inside_of_a_teacher_is_asked_again_where_another_model_lies_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "_SHARD_ROWS", 2)
    asked, network = [], build_teacher("glosses").eval()
    monkeypatch.setattr(inside, "load_teacher", lambda name: asked.append(name) or network)
    for folder, often in (("one", 1), ("one", 1), ("other", 2)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "model.safetensors").write_bytes(folder.encode())
        monkeypatch.setattr(word_pieces, "FOLDER", tmp_path / folder)
        load_inside("glosses", Hint().reads(layers_of_student("bert-2x64", "glosses"), TEACHER), np.array([0]), tmp_path / "cache", CPU)
        assert len(asked) == often


@pytest.mark.skipif(not word_pieces.model_installed(), reason="needs requirements-minilm.txt")
@pytest.mark.parametrize("objective", [Hint(layer_map="uniform", embeddings=True), AttentionScores(), Relations(), JacobianMatch()])
def test_an_untrained_teacher_of_texts_is_as_large_as_the_teacher_where_no_padding_is(
    objective: WhiteBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "_SHARD_ROWS", 4)
    rows, access = np.array([6, 1, 4]), objective.reads(layers_of_student("bert-2x384", "glosses"), TEACHER)
    real = glosses(8)[rows] > 0

    def compared(whose: Whose) -> list[Tensor]:
        shown = load_inside("glosses", replace(access, whose=whose), rows, tmp_path, CPU)
        match access.rung, access.form:
            case "gradients", _:
                return [shown[0].double() - shown[0].double().mean(1, keepdim=True)]
            case _, "scores":
                return [part.movedim(1, -1)[real[:, :, None] & real[:, None, :]].double() for part in shown]
            case _, "queries_keys_values":
                return [kind.double() for part in shown for kind in part[real].chunk(3, dim=-1)]
        return [part[real].double() for part in shown]

    for theirs, placebo in zip(compared("teacher"), compared("untrained"), strict=True):
        assert placebo.square().mean().item() == pytest.approx(theirs.square().mean().item(), rel=1e-2)
        assert not torch.allclose(placebo, theirs, atol=0.1)


@pytest.mark.parametrize("count", [2, 5, 400])
def test_a_text_is_shown_another_of_like_length(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = get_dataset("glosses").load().x_train
    # A teacher that shows which text it read.
    monkeypatch.setattr(inside, "teacher_identity", lambda teacher: "drawn")
    monkeypatch.setattr(inside, "_network", lambda teacher, untrained: None)
    monkeypatch.setattr(inside, "_ask", lambda network, access, x, rows: (np.array(rows, dtype=np.int64)[:, None],))
    rows = np.random.default_rng(5).permutation(len(x))[:count]
    asked = replace(Hint().reads(layers_of_student("bert-2x64", "glosses"), TEACHER), whose="shuffled")
    other = load_inside("glosses", asked, rows, tmp_path, CPU)[0].squeeze(1).numpy()
    assert set(other) == set(rows)
    assert (other != rows).all()
    own, shown = (np.count_nonzero(x[some], axis=1) for some in (rows, other))
    by_length = np.sort(own)
    apart = np.abs(np.searchsorted(by_length, own) - np.searchsorted(by_length, shown))
    assert (apart <= np.bincount(own).max() + 1).all()  # a neighbour by length
    if count == 400:
        at_padding = np.maximum(own - shown, 0).sum() / own.sum()
        assert at_padding < 0.01  # by chance alone a fifth of all places


def test_without_the_model_its_inside_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    asked = Hint().reads(layers_of_student("bert-2x64", "glosses"), TEACHER)
    with pytest.raises(word_pieces.ModelMissing, match=r"requirements-minilm\.txt"):
        load_inside("glosses", asked, np.array([0]), tmp_path, CPU)
