"""The catalogue opens without torch, and the bundled teachers are as good and as small as they should be."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from kdlab.core.probability import softmax
from kdlab.core.similarity import class_similarity
from kdlab.data.registry import DATASETS, get_dataset
from kdlab.models import catalogue
from kdlab.models.catalogue import (
    STUDENTS,
    TEACHERS,
    WEIGHTS,
    students_for,
    teacher_card,
    teacher_logits,
    teachers_for,
)


def test_answers_of_every_teacher_are_read_without_torch() -> None:
    program = (
        "import sys; from kdlab.models.catalogue import *; "
        "[(teacher_logits(n), teacher_card(n)) for n in TEACHERS]; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_every_data_set_has_a_teacher_and_students_of_its_kind() -> None:
    for name, dataset in DATASETS.items():
        assert {teacher.dataset for teacher in teachers_for(name)} == {name}
        assert {shape.kind for shape in students_for(name)} == {dataset.kind}
    assert [shape.name for shape in students_for("digits")] == ["linear", "mlp-16", "mlp-64", "cnn-small"]
    assert [shape.name for shape in students_for("languages")] == ["ngram-linear", "char-cnn-small"]


def test_unknown_and_unfitting_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no teacher called 'bert'\. Known: digits, fashion, languages"):
        teacher_card("bert")
    with pytest.raises(ValueError, match=r"no data set called 'mnist'"):
        students_for("mnist")
    with pytest.raises(ValueError, match=r"'mlp-16' does not fit languages.*ngram-linear"):
        catalogue.get_student("mlp-16", "languages")
    with pytest.raises(ValueError, match=r"'mlp-8' is unknown"):
        catalogue.get_student("mlp-8", "digits")
    assert catalogue.get_student("mlp-16", "digits") is STUDENTS["mlp-16"]


@pytest.mark.parametrize("name", TEACHERS)
def test_answers_cover_the_data_set_and_make_up_the_card(name: str) -> None:
    dataset, logits, card = get_dataset(TEACHERS[name].dataset), teacher_logits(name), teacher_card(name)
    assert logits.train.shape == (dataset.train_size, len(dataset.classes))
    assert logits.test.shape == (dataset.test_size, len(dataset.classes))
    assert logits.train.dtype == logits.test.dtype == np.float32
    right = logits.test.argmax(1) == dataset.load().y_test
    assert card["test_errors"] == np.count_nonzero(~right)
    assert card["test_accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    assert card["weights_sha256"] == catalogue.weights_sha256(name)


def test_digits_teacher_errs_on_at_most_24_of_797() -> None:
    assert teacher_card("digits")["test_errors"] <= 24


def test_fashion_teacher_is_right_on_at_least_92_of_100() -> None:
    assert teacher_card("fashion")["test_accuracy"] >= 0.92


def test_languages_teacher_is_right_on_at_least_85_of_100_four_word_snippets() -> None:
    arrays = get_dataset("languages").load()
    right = teacher_logits("languages").test.argmax(1) == arrays.y_test
    four = np.array([len(text.split()) == 4 for text in arrays.text_test or ()])
    assert right[four].mean() >= 0.85
    assert teacher_card("languages")["test_accuracy_by_words"]["4"] == pytest.approx(
        right[four].mean(), abs=1e-4
    )


@pytest.mark.parametrize(
    "family", [("Czech", "Slovak"), ("Danish", "Norwegian"), ("Galician", "Portuguese", "Spanish")]
)
def test_languages_soft_targets_point_to_neighbours(family: tuple[str, ...]) -> None:
    classes, labels = get_dataset("languages").classes, get_dataset("languages").load().y_test
    similarity = class_similarity(softmax(teacher_logits("languages").test, temperature=2.0), labels)
    np.fill_diagonal(similarity, 0)
    for language in family:
        nearest = classes[similarity[classes.index(language)].argmax()]
        assert nearest in family, f"{language} is taken for {nearest}"


def test_all_bundled_weights_fit_in_8_mb() -> None:
    assert {path.stem for path in WEIGHTS.glob("*.safetensors")} == set(TEACHERS)
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*.safetensors")) <= 8_000_000


def test_answers_of_other_data_or_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    read = teacher_logits.__wrapped__  # past the cache
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "weights_sha256", lambda name: "0" * 64)
        with pytest.raises(ValueError, match=r"come from other weights.*train_teachers digits --logits-only"):
            read("digits")
    monkeypatch.setattr(type(get_dataset("digits")), "fingerprint", lambda self: "0" * 64)
    with pytest.raises(ValueError, match="computed on other data"):
        read("digits")


def test_missing_answers_say_how_to_make_them(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    with pytest.raises(
        ValueError, match=r"answers of the teacher 'fashion' are missing.*train_teachers fashion"
    ):
        teacher_logits.__wrapped__("fashion")


@pytest.mark.parametrize("keep", [0, 5000, -200])
def test_damaged_answers_say_how_to_make_them_again(
    keep: int, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (WEIGHTS / "digits.logits.npz").read_bytes()
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    (tmp_path / "digits.logits.npz").write_bytes(whole[:keep])
    with pytest.raises(
        ValueError, match=r"are damaged\. Run: python -m kdlab\.models\.train_teachers digits"
    ):
        teacher_logits.__wrapped__("digits")


def test_answers_with_a_flipped_byte_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmed = bytearray((WEIGHTS / "digits.logits.npz").read_bytes())
    harmed[20_000] ^= 255
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    (tmp_path / "digits.logits.npz").write_bytes(harmed)
    with pytest.raises(ValueError, match="are damaged"):
        teacher_logits.__wrapped__("digits")
