"""The data sets are what their entries say, balanced, and hold no test example among the training ones."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.data.registry import (
    DATASETS,
    LANGUAGE_CLASSES,
    SNIPPET_WORDS,
    get_dataset,
    language_paragraphs,
    validation_rows,
)

IMAGES = [name for name, dataset in DATASETS.items() if dataset.kind == "image"]


@pytest.mark.parametrize("name", DATASETS)
def test_arrays_are_as_the_entry_describes_them(name: str) -> None:
    dataset = get_dataset(name)
    arrays = dataset.load()
    sizes = (dataset.train_size, dataset.validation_size, dataset.test_size)
    for (x, labels), size in zip(arrays.splits().values(), sizes, strict=True):
        assert x.shape == (size, *dataset.input_shape)
        assert labels.shape == (size,)
        assert labels.dtype == np.int64
        assert set(labels) == set(range(len(dataset.classes)))
    assert len(set(dataset.classes)) == len(dataset.classes)


@pytest.mark.parametrize("name", IMAGES)
def test_images_span_black_to_white(name: str) -> None:
    for x, _ in get_dataset(name).load().splits().values():
        assert x.dtype == np.float32
        assert x.min() == 0
        assert x.max() == 1


@pytest.mark.parametrize("name", IMAGES)
def test_no_image_is_in_two_splits(name: str) -> None:
    splits = get_dataset(name).load().splits()
    images = [image.tobytes() for x, _ in splits.values() for image in x]
    assert len(set(images)) == len(images)


def test_arrays_are_read_once_and_cannot_be_changed() -> None:
    arrays = get_dataset("digits").load()
    assert get_dataset("digits").load() is arrays
    with pytest.raises(ValueError, match="read-only"):
        arrays.x_train[0] = 0


def test_classes_are_balanced() -> None:
    fashion, digits = get_dataset("fashion").load(), get_dataset("digits").load()
    assert set(np.bincount(fashion.y_train)) == {500}
    assert set(np.bincount(fashion.y_validation)) == {100}
    assert set(np.bincount(fashion.y_test)) == {200}
    assert set(np.bincount(digits.y_validation)) == {20}
    glosses = get_dataset("glosses").load()
    assert [set(np.bincount(y)) for _, y in glosses.splits().values()] == [{350}, {50}, {200}]
    assert (
        np.bincount(digits.y_train).min() >= 60
    )  # as they came: a random half of the original, less 20 a class


@given(
    y=st.lists(st.integers(0, 3), min_size=60, max_size=200).filter(
        lambda y: min(map(y.count, range(4))) >= 5
    )
)
def test_validation_takes_as_many_of_every_class_evenly_from_the_file(y: list[int]) -> None:
    labels = np.array(y)
    kept = validation_rows(labels, 5)
    assert set(np.bincount(labels[kept])) == {5}
    assert np.array_equal(kept, np.unique(kept))
    for k in range(4):
        members = np.flatnonzero(labels == k)
        places = np.searchsorted(members, kept[labels[kept] == k])
        fifths = [len(members) * i / 5 for i in range(6)]
        assert all(a - 1 < place < b for a, place, b in zip(fifths, places, fifths[1:], strict=False))


def test_every_language_has_as_many_snippets_of_every_length() -> None:
    arrays = get_dataset("languages").load()
    for texts, labels in (
        (arrays.text_train, arrays.y_train),
        (arrays.text_validation, arrays.y_validation),
        (arrays.text_test, arrays.y_test),
    ):
        assert texts is not None
        cells = Counter((label, len(text.split())) for text, label in zip(texts, labels, strict=True))
        assert cells.keys() == {(label, words) for label in range(16) for words in SNIPPET_WORDS}
        assert len(set(cells.values())) == 1


def test_no_snippet_is_in_two_splits() -> None:
    arrays = get_dataset("languages").load()
    splits = [
        {text.lower() for text in texts or ()}
        for texts in (arrays.text_train, arrays.text_validation, arrays.text_test)
    ]
    assert all(splits)
    assert len(set.union(*splits)) == sum(map(len, splits))


def test_snippets_come_from_paragraphs_of_their_split_and_language() -> None:
    arrays, paragraphs = get_dataset("languages").load(), language_paragraphs()
    joined = {key: [" ".join(words) for words in found] for key, found in paragraphs.items()}
    for split, texts, labels in (
        ("train", arrays.text_train, arrays.y_train),
        ("validation", arrays.text_validation, arrays.y_validation),
        ("test", arrays.text_test, arrays.y_test),
    ):
        for text, label in zip(texts or (), labels, strict=True):
            assert any(text in paragraph for paragraph in joined[split, LANGUAGE_CLASSES[label]])


def test_paragraphs_of_the_teacher_and_of_every_split_are_disjoint() -> None:
    paragraphs = language_paragraphs()
    assert {split for split, _ in paragraphs} == {"teacher", "train", "validation", "test"}
    for language in LANGUAGE_CLASSES:
        splits = [
            {" ".join(words).lower() for words in found}
            for (_, of), found in paragraphs.items()
            if of == language
        ]
        assert len(set.union(*splits)) == sum(map(len, splits))


def test_a_fresh_process_reads_the_same_data_without_torch() -> None:
    program = (
        "import sys; from kdlab.data.registry import DATASETS; "
        "print(*(dataset.fingerprint() for dataset in DATASETS.values()), 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [*(dataset.fingerprint() for dataset in DATASETS.values()), "False"]


def test_an_unknown_data_set_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="digits, fashion, languages, glosses"):
        get_dataset("mnist")
