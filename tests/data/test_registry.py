"""The data sets are what their entries say, balanced, and hold no test example among the training ones."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from kdlab.data.registry import DATASETS, LANGUAGE_CLASSES, SNIPPET_WORDS, get_dataset, language_paragraphs

IMAGES = [name for name, dataset in DATASETS.items() if dataset.kind == "image"]


@pytest.mark.parametrize("name", DATASETS)
def test_arrays_are_as_the_entry_describes_them(name: str) -> None:
    dataset = get_dataset(name)
    arrays = dataset.load()
    assert arrays.x_train.shape == (dataset.train_size, *dataset.input_shape)
    assert arrays.x_test.shape == (dataset.test_size, *dataset.input_shape)
    for labels, size in ((arrays.y_train, dataset.train_size), (arrays.y_test, dataset.test_size)):
        assert labels.shape == (size,)
        assert labels.dtype == np.int64
        assert set(labels) == set(range(len(dataset.classes)))
    assert len(set(dataset.classes)) == len(dataset.classes)


@pytest.mark.parametrize("name", IMAGES)
def test_images_span_black_to_white(name: str) -> None:
    for x in (get_dataset(name).load().x_train, get_dataset(name).load().x_test):
        assert x.dtype == np.float32
        assert x.min() == 0
        assert x.max() == 1


@pytest.mark.parametrize("name", IMAGES)
def test_no_test_image_is_a_training_image(name: str) -> None:
    arrays = get_dataset(name).load()
    assert not {x.tobytes() for x in arrays.x_train} & {x.tobytes() for x in arrays.x_test}


def test_arrays_are_read_once_and_cannot_be_changed() -> None:
    arrays = get_dataset("digits").load()
    assert get_dataset("digits").load() is arrays
    with pytest.raises(ValueError, match="read-only"):
        arrays.x_train[0] = 0


def test_classes_are_balanced() -> None:
    fashion, digits = get_dataset("fashion").load(), get_dataset("digits").load()
    assert set(np.bincount(fashion.y_train)) == {600}
    assert set(np.bincount(fashion.y_test)) == {200}
    assert np.bincount(digits.y_train).min() >= 80  # as they came: a random half of the original


def test_every_language_has_as_many_snippets_of_every_length() -> None:
    arrays = get_dataset("languages").load()
    for texts, labels in ((arrays.text_train, arrays.y_train), (arrays.text_test, arrays.y_test)):
        assert texts is not None
        cells = Counter((label, len(text.split())) for text, label in zip(texts, labels, strict=True))
        assert cells.keys() == {(label, words) for label in range(16) for words in SNIPPET_WORDS}
        assert len(set(cells.values())) == 1


def test_no_test_snippet_is_a_training_snippet() -> None:
    arrays = get_dataset("languages").load()
    assert arrays.text_train is not None
    assert arrays.text_test is not None
    assert not {text.lower() for text in arrays.text_train} & {text.lower() for text in arrays.text_test}


def test_snippets_come_from_paragraphs_of_their_split_and_language() -> None:
    arrays, paragraphs = get_dataset("languages").load(), language_paragraphs()
    joined = {key: [" ".join(words) for words in found] for key, found in paragraphs.items()}
    for split, texts, labels in (
        ("train", arrays.text_train, arrays.y_train),
        ("test", arrays.text_test, arrays.y_test),
    ):
        for text, label in zip(texts or (), labels, strict=True):
            assert any(text in paragraph for paragraph in joined[split, LANGUAGE_CLASSES[label]])


def test_train_and_test_paragraphs_are_disjoint() -> None:
    paragraphs = language_paragraphs()
    for language in LANGUAGE_CLASSES:
        train = {" ".join(words).lower() for words in paragraphs["train", language]}
        assert not train & {" ".join(words).lower() for words in paragraphs["test", language]}


def test_a_fresh_process_reads_the_same_data_without_torch() -> None:
    program = (
        "import sys; from kdlab.data.registry import DATASETS; "
        "print(*(dataset.fingerprint() for dataset in DATASETS.values()), 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [*(dataset.fingerprint() for dataset in DATASETS.values()), "False"]


def test_an_unknown_data_set_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="digits, fashion, languages"):
        get_dataset("mnist")
