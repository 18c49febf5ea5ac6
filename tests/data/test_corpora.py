"""The corpora are whole, their splits are apart, and a process finds the same texts again."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys

import pytest

from kdlab.data.corpora import CORPORA, PRIDE_FILE, get_corpus, other_author, pride_chapters

HEADING = re.compile(r"(?m)^Chapter (\d+)$")


def test_every_chapter_of_the_novel_stands_whole_in_one_split() -> None:
    texts, chapters = get_corpus("pride").load(), pride_chapters()
    assert "".join(chapters) == gzip.decompress(PRIDE_FILE.read_bytes()).decode()
    assert [HEADING.findall(chapter) for chapter in chapters] == [[str(number)] for number in range(1, 62)]
    for chapter in chapters:
        assert [chapter in split for split in texts].count(True) == 1
    assert sum(map(len, texts[:3])) == sum(map(len, chapters))


def test_chapters_that_are_not_trained_on_are_spread_evenly() -> None:
    texts = get_corpus("pride").load()
    assert HEADING.findall(texts.validation) == ["3", "15", "27", "39", "51"]
    assert HEADING.findall(texts.test) == ["9", "21", "33", "45", "57"]
    assert len(HEADING.findall(texts.train)) == 51
    for split in (texts.validation, texts.test):
        assert 0.06 < len(split) / sum(map(len, texts[:3])) < 0.08


def test_transfer_text_is_the_other_five_novels() -> None:
    transfer = get_corpus("pride").load().transfer
    openings = (
        "Emma Woodhouse, handsome, clever, and rich, with a comfortable home",
        "About thirty years ago Miss Maria Ward, of Huntingdon, with only seven",
        "No one who had ever seen Catherine Morland in her infancy",
        "Sir Walter Elliot, of Kellynch Hall, in Somersetshire, was a man who,",
        "The family of Dashwood had long been settled in Sussex.",
    )
    places = [transfer.index(opening) for opening in openings]
    assert places == sorted(places)
    assert "Bennet" not in transfer


def test_another_author_writes_with_the_marks_of_the_novels() -> None:
    text = other_author()
    assert text.startswith("CHAPTER 1. Loomings.\n\nCall me Ishmael. Some years ago--never mind how long precisely")
    assert text.isascii()
    assert '"It\'s' in text


def test_a_fresh_process_reads_the_same_texts_without_torch() -> None:
    program = (
        "import sys; from kdlab.data.corpora import CORPORA; "
        "print(*(corpus.fingerprint() for corpus in CORPORA.values()), 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [*(corpus.fingerprint() for corpus in CORPORA.values()), "False"]


def test_texts_are_read_once() -> None:
    assert get_corpus("pride").load() is get_corpus("pride").load()


def test_an_unknown_corpus_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match=r"'dracula'\. Known: pride"):
        get_corpus("dracula")
