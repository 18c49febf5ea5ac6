"""Networks take x as the data sets give it, can be stacked, and hash n-grams as plain Python would."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F
from transformers import BertModel

from kdlab.data import word_pieces
from kdlab.data.registry import DATASETS, get_dataset
from kdlab.data.text import WINDOW, encode
from kdlab.data.word_pieces import UNKNOWN
from kdlab.data.word_pieces import WINDOW as WORD_PIECES
from kdlab.models.catalogue import TEACHERS, students_for, teacher_logits
from kdlab.models.checkpoints import load_teacher
from kdlab.models.networks import HASH, build_student, ngram_buckets

STUDENTS_OF_DATA = [(shape.name, name) for name in DATASETS for shape in students_for(name)]
COHORT, BATCH = 9, 12


def examples(dataset_name: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    arrays = get_dataset(dataset_name).load()
    return torch.tensor(arrays.x_train[:count]), torch.tensor(arrays.y_train[:count])


@pytest.mark.parametrize(("student", "dataset_name"), STUDENTS_OF_DATA)
def test_stacked_students_answer_and_learn_as_each_does_alone(student: str, dataset_name: str) -> None:
    torch.manual_seed(0)
    students = [build_student(student, dataset_name) for _ in range(COHORT)]
    x, y = examples(dataset_name, COHORT * BATCH)
    x, y = x.reshape(COHORT, BATCH, *x.shape[1:]), y.reshape(COHORT, BATCH)
    weights, buffers = stack_module_state(students)
    shape = copy.deepcopy(students[0]).to("meta")

    def loss(weights, buffers, x, y):
        logits = functional_call(shape, (weights, buffers), (x,))
        return F.cross_entropy(logits, y), logits

    stacked_gradients, stacked_logits = vmap(grad(loss, has_aux=True), in_dims=(0, 0, 0, 0))(
        weights, buffers, x, y
    )
    for i, module in enumerate(students):
        logits = module(x[i])
        F.cross_entropy(logits, y[i]).backward()
        torch.testing.assert_close(stacked_logits[i], logits, atol=1e-5, rtol=1e-4)
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(stacked_gradients[name][i], parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("student", "dataset_name"), STUDENTS_OF_DATA)
def test_students_answer_the_same_in_training_and_evaluation(student: str, dataset_name: str) -> None:
    module = build_student(student, dataset_name)
    x, _ = examples(dataset_name, 5)
    assert not list(module.buffers())
    assert torch.equal(module.train()(x), module.eval()(x))


@pytest.mark.parametrize("student", [shape.name for shape in students_for("languages")])
def test_padding_and_neighbours_in_the_batch_do_not_change_an_answer(student: str) -> None:
    module = build_student(student, "languages")
    alone = torch.from_numpy(encode(["dobrý deň"]))
    among = torch.from_numpy(encode(["dobrý deň", "", "x" * WINDOW]))
    torch.testing.assert_close(module(alone[:, :20]), module(alone))
    torch.testing.assert_close(module(among)[:1], module(alone))
    assert torch.isfinite(module(among)).all()


@pytest.mark.parametrize("student", [shape.name for shape in students_for("glosses")])
def test_padding_and_neighbours_do_not_change_what_a_gloss_gets(student: str) -> None:
    module = build_student(student, "glosses")
    x, _ = examples("glosses", 40)
    short = x[(x > 0).sum(1).argmin()][None]
    real = int((short > 0).sum())
    torch.testing.assert_close(module(short[:, :real]), module(short), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(module(torch.cat([short, x]))[:1], module(short), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("student", [shape.name for shape in students_for("glosses")])
def test_a_piece_of_no_training_gloss_is_read_as_unknown(student: str) -> None:
    module = build_student(student, "glosses")
    x, _ = examples("glosses", 1)
    known = get_dataset("glosses").load().x_train.max()
    answers = []
    for piece in (known + 1, known + 20_000, UNKNOWN, known):
        x[0, 1] = piece
        answers.append(module(x))
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])
    assert not torch.equal(answers[0], answers[3])


def test_a_bag_of_embeddings_is_the_mean_over_real_pieces_in_any_order() -> None:
    bag = build_student("embedding-bag", "glosses")
    x = torch.tensor([[2, 9, 7, 3, 0, 0], [2, 7, 9, 3, 0, 0]])
    mean = bag.pieces.weight[[2, 9, 7, 3]].sum(0) / 4
    expected = bag.output.weight @ mean + bag.output.bias
    torch.testing.assert_close(bag(x), expected.expand(2, -1))


def test_a_bert_student_answers_as_transformers_own_model_does() -> None:
    student = build_student("bert-2x64", "glosses")
    x, _ = examples("glosses", 8)
    theirs = BertModel(student.bert.config, add_pooling_layer=False)
    theirs.load_state_dict(student.bert.state_dict())
    hidden = theirs(input_ids=x, attention_mask=(x > 0).long()).last_hidden_state
    pooled = torch.stack([row[ids > 0].mean(0) for row, ids in zip(hidden, x, strict=True)])
    torch.testing.assert_close(student(x), student.output(pooled), atol=1e-5, rtol=1e-4)


def test_hidden_states_and_attention_of_a_bert_student_can_be_asked_for() -> None:
    student = build_student("bert-2x128", "glosses")
    x, _ = examples("glosses", 3)
    said = student.encode(x, output_hidden_states=True, output_attentions=True)
    assert [tuple(hidden.shape) for hidden in said.hidden_states] == [(3, WORD_PIECES, 128)] * 3
    assert [tuple(attention.shape) for attention in said.attentions] == [(3, 4, WORD_PIECES, WORD_PIECES)] * 2
    padding = (x == 0)[:, None, None, :].expand_as(said.attentions[0])
    assert said.attentions[0][padding].max() == 0


def test_ngrams_are_counted_as_plain_python_counts_them() -> None:
    longest, bits = 4, 15
    texts = ["", "a", "dobrý deň", "x" * 300]
    x = torch.from_numpy(encode(texts))
    buckets, weight = ngram_buckets(x, longest, bits)
    for row in range(len(texts)):
        ids = [int(i) for i in x[row] if i]
        expected = np.zeros(1 << bits)
        for n in range(1, longest + 1):
            for end in range(n, len(ids) + 1):
                code = sum(
                    character << 7 * back for back, character in enumerate(reversed(ids[end - n : end]))
                )
                expected[(code * HASH >> 32 - bits) % (1 << bits)] += 1
        expected /= math.sqrt(max(1, expected.sum()))
        counted = np.bincount(buckets[row].numpy(), weight[row].numpy(), minlength=1 << bits)
        np.testing.assert_allclose(counted, expected, atol=1e-5)


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_gives_its_stored_answers(name: str) -> None:
    if name == "glosses" and not word_pieces.model_installed():
        pytest.skip("needs requirements-minilm.txt")
    arrays, stored = get_dataset(TEACHERS[name].dataset).load(), teacher_logits(name)
    teacher = load_teacher(name)
    for split, (x, _) in arrays.splits().items():
        logits = getattr(stored, split)
        sample = np.random.default_rng(0).choice(len(x), 64, replace=False)
        np.testing.assert_allclose(teacher(torch.tensor(x[sample])), logits[sample], atol=1e-3, rtol=1e-4)


def test_a_student_that_does_not_fit_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        build_student("ngram-linear", "fashion")
