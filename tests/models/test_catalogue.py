"""The catalogue opens without torch, and the bundled teachers are as good and as small as they should be."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

from kdlab.core.probability import softmax
from kdlab.core.similarity import class_similarity
from kdlab.data.build import FASHION_PACKAGE
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
from kdlab.models.train_teachers import TRAININGS


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
    berts = ["bert-1x64", "bert-2x64", "bert-2x128", "bert-2x384"]
    assert [shape.name for shape in students_for("glosses")] == ["embedding-bag", *berts]


def test_unknown_and_unfitting_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no teacher called 'bert'\. Known: digits, fashion, languages, glosses"):
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
    assert logits.validation.shape == (dataset.validation_size, len(dataset.classes))
    assert logits.test.shape == (dataset.test_size, len(dataset.classes))
    assert logits.train.dtype == logits.test.dtype == np.float32
    right = logits.test.argmax(1) == dataset.load().y_test
    assert card["test_errors"] == np.count_nonzero(~right)
    assert card["test_accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    assert card["weights_sha256"] == catalogue.weights_sha256(name)


@pytest.mark.parametrize("name", TEACHERS)
def test_the_card_tells_calibration_and_doubt_as_counted_one_by_one(name: str) -> None:
    arrays, logits, card = (
        get_dataset(TEACHERS[name].dataset).load(),
        teacher_logits(name),
        teacher_card(name),
    )
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for z, label in zip(logits.test.astype(np.float64), arrays.y_test, strict=True):
        p = np.exp(z) / np.exp(z).sum()
        (place,) = [m for m in range(15) if m / 15 < p.max() <= (m + 1) / 15]
        bins[place].append((p.max(), p.argmax() == label))
    error = sum(
        len(full)
        / len(logits.test)
        * abs(np.mean([right for _, right in full]) - np.mean([sure for sure, _ in full]))
        for full in bins
        if full
    )
    assert card["calibration_error"] == pytest.approx(error, abs=1e-4)
    doubt = [-sum(p * math.log2(p) for p in special.softmax(z) if p) for z in logits.train.astype(np.float64)]
    assert card["soft_target_entropy"] == pytest.approx(np.mean(doubt), abs=1e-4)


@pytest.mark.parametrize(
    "name", ["digits", "languages"]
)  # of fashion and glosses students and tests have nothing that the teacher saw
def test_the_card_tells_how_often_the_teacher_is_right_on_what_it_did_not_see(name: str) -> None:
    splits, logits, card = (
        get_dataset(TEACHERS[name].dataset).load().splits(),
        teacher_logits(name),
        teacher_card(name),
    )
    right = {split: getattr(logits, split).argmax(1) == y for split, (_, y) in splits.items()}
    for split, found in right.items():
        assert card[f"{split}_accuracy"] == pytest.approx(found.mean(), abs=1e-4)
    met = {tuple(example.ravel()) for example in TRAININGS[name].examples()[0].numpy()}
    unseen = []
    for split, (x, _) in splits.items():
        new = np.array([tuple(example.ravel()) not in met for example in x])
        assert card[f"{split}_seen"] == np.sum(~new)
        unseen.append(right[split][new])
    assert card["unseen_accuracy"] == pytest.approx(np.concatenate(unseen).mean(), abs=1e-4)
    assert card["unseen_size"] == sum(map(len, unseen))


def test_digits_card_says_that_the_students_digits_were_the_teachers() -> None:
    card = teacher_card("digits")
    assert card["train_seen"] == get_dataset("digits").train_size
    assert card["validation_seen"] == card["test_seen"] == 0
    assert card["seen_accuracy"] == card["train_accuracy"]
    assert card["seen_size"] == get_dataset("digits").train_size
    assert "students learn from too" in card["data"]


@pytest.mark.parametrize("name", ["fashion", "languages", "glosses"])
def test_teachers_are_trained_apart_from_the_students_where_there_is_enough(name: str) -> None:
    card = teacher_card(name)
    assert card["train_seen"] <= 0.1 * get_dataset(name).train_size
    assert name == "languages" or card["train_seen"] == card["validation_seen"] == card["test_seen"] == 0


@pytest.mark.skipif(not FASHION_PACKAGE.exists(), reason="needs the package dataset-fashion-mnist")
def test_fashion_teacher_sees_54000_pictures_and_none_of_the_labs() -> None:
    x, _ = TRAININGS["fashion"].examples()
    own = {np.round(picture * 255).astype(np.uint8).tobytes() for picture in x.numpy()}
    assert len(x) == teacher_card("fashion")["seen_size"] == 54_000
    for pictures, _ in get_dataset("fashion").load().splits().values():
        assert not own & {np.round(picture * 255).astype(np.uint8).tobytes() for picture in pictures}


def test_digits_teacher_errs_on_at_most_24_of_797() -> None:
    assert teacher_card("digits")["test_errors"] <= 24


def test_fashion_teacher_is_right_on_at_least_92_of_100() -> None:
    assert teacher_card("fashion")["test_accuracy"] >= 0.92


def test_glosses_teacher_is_right_on_at_least_88_of_100() -> None:
    card, met = teacher_card("glosses"), TRAININGS["glosses"].examples()[0].numpy()
    assert card["test_accuracy"] >= 0.88
    assert card["seen_size"] == len(met) == 6000


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
