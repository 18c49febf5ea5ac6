"""Scores against a computation of their own in NumPy."""

from __future__ import annotations

import numpy as np
import torch

from kdlab.core.divergences import forward_kl
from kdlab.core.probability import softmax
from kdlab.distill.evaluation import per_class_accuracy, score

_rng = np.random.default_rng(1)
STUDENTS = _rng.normal(size=(3, 40, 5)).astype(np.float32)
TEACHER = _rng.normal(size=(40, 5)).astype(np.float32)
LABELS = _rng.integers(5, size=40)


def test_scores_are_those_of_numpy() -> None:
    log_p = torch.log_softmax(torch.from_numpy(TEACHER), -1)
    scores = score(torch.from_numpy(STUDENTS), log_p, torch.from_numpy(LABELS))
    answers = STUDENTS.argmax(-1)
    np.testing.assert_allclose(scores["accuracy"], (answers == LABELS).mean(-1), rtol=1e-6)
    np.testing.assert_allclose(scores["agreement"], (answers == TEACHER.argmax(-1)).mean(-1), rtol=1e-6)
    np.testing.assert_allclose(scores["kl"], forward_kl(softmax(TEACHER), softmax(STUDENTS)).mean(-1), rtol=1e-4)


def test_a_class_that_the_teacher_rules_out_adds_nothing_to_the_kl() -> None:
    teacher, students = TEACHER.copy(), STUDENTS.copy()
    teacher[:, 3], students[:, :, 3] = -np.inf, -1e4
    log_p = torch.log_softmax(torch.from_numpy(teacher), -1)
    kept = [0, 1, 2, 4]
    expected = forward_kl(softmax(TEACHER[:, kept]), softmax(STUDENTS[:, :, kept])).mean(-1)
    found = score(torch.from_numpy(students), log_p, torch.from_numpy(LABELS))["kl"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_accuracy_of_the_classes_averages_to_the_whole() -> None:
    answers, labels = torch.from_numpy(STUDENTS.argmax(-1)), torch.from_numpy(LABELS)
    by_class = per_class_accuracy(answers, labels, 5)
    share = torch.from_numpy(np.bincount(LABELS, minlength=5) / 40).float()
    torch.testing.assert_close(by_class @ share, (answers == labels).float().mean(-1))
