"""WordNet's glosses: what a noun means, in a line, and which of ten kinds of thing it is."""

from __future__ import annotations

import csv
import gzip
import io
from typing import NamedTuple

import numpy as np

from kdlab.data import FILES
from kdlab.data.word_pieces import stored_ids

GLOSSES_FILE = FILES / "wordnet_glosses.tsv.gz"
# Living things, then their parts and what they are made of, then what people make and do.
GLOSS_CLASSES = (
    "person",
    "animal",
    "plant",
    "body",
    "food",
    "substance",
    "artifact",
    "communication",
    "act",
    "state",
)
VALIDATION_A_CLASS = 50


class Gloss(NamedTuple):
    """A row of the table: whose it is ("train" for the teacher, "transfer" for the students, "test"), its class, the
    noun and its gloss."""

    split: str
    label: str
    word: str
    gloss: str


def gloss_table() -> list[Gloss]:
    """Every row of the file, in its order."""
    raw = gzip.decompress(GLOSSES_FILE.read_bytes()).decode()
    rows = csv.reader(io.StringIO(raw), delimiter="\t", quoting=csv.QUOTE_NONE)
    next(rows)
    return [Gloss(*row) for row in rows]


class GlossRows(NamedTuple):
    """Glosses of one split: texts, ids (N, 32) int64, classes (N,) int64."""

    texts: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def at(self, rows: np.ndarray) -> GlossRows:
        """Some of them."""
        return GlossRows(self.texts[rows], self.x[rows], self.y[rows])


def gloss_rows(split: str) -> GlossRows:
    """The glosses of a split of the file, in its order: "train" are the teacher's own 6,000, "transfer", "test"."""
    table, ids = gloss_table(), stored_ids()
    rows = np.array([i for i, row in enumerate(table) if row.split == split])
    texts = np.array([table[i].gloss for i in rows], dtype=object)
    labels = np.array([GLOSS_CLASSES.index(table[i].label) for i in rows], dtype=np.int64)
    return GlossRows(texts, ids[rows], labels)
