"""A visitor's own text: what is taken, what is refused and in which words, how it is split."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdlab.data import own_corpora
from kdlab.data.corpora import find_corpus, get_corpus, other_author
from kdlab.data.own_corpora import LEAST, MOST_BYTES, OwnTextError, add_own, split, take_away, text_of
from kdlab.data.visitor_sets import TextsGoneError

TEXT = other_author()[50_000:130_000]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_HOME", str(tmp_path))


def test_a_text_is_kept_offered_to_its_owner_and_taken_away() -> None:
    name = add_own(TEXT.encode(), "whale.txt", "me")
    assert [(own.name, own.title) for own in own_corpora.own_corpora("me")] == [(name, "whale.txt")]
    assert own_corpora.own_corpora("you") == []
    corpus = get_corpus(name)
    assert corpus.title == f"Own text {name[4:8]}"
    assert sum(len(part) for part in corpus.load()) == len(TEXT)
    assert add_own(TEXT.encode(), "the same.txt", "you") == name
    take_away(name, "me")
    assert find_corpus(name) is not None
    take_away(name, "you")
    assert find_corpus(name) is None
    with pytest.raises(TextsGoneError, match="Upload the file again"):
        own_corpora.splits_of(name)


def test_no_paragraph_is_in_two_splits_and_none_is_lost() -> None:
    parts = split(TEXT)
    assert sorted("".join(parts.values())) == sorted(TEXT)
    shares = {name: len(part) / len(TEXT) for name, part in parts.items()}
    assert 0.75 < shares["train"] < 0.85
    assert 0.07 < shares["validation"] < 0.13
    assert 0.07 < shares["test"] < 0.13
    paragraphs = [paragraph for paragraph in TEXT.split("\n\n") if 200 < len(paragraph) < 3000]
    assert len(paragraphs) > 20
    for paragraph in paragraphs[1:-1]:
        assert sum(paragraph in part for part in parts.values()) == 1


def test_a_file_of_one_line_works() -> None:
    line = (TEXT.replace("\n", " ") * 40)[: MOST_BYTES - 100_000]
    parts = split(text_of(line.encode()))
    assert all(part for part in parts.values())
    assert sum(map(len, parts.values())) == len(line)
    unbroken = "x" * 100_000
    assert sum(map(len, split(unbroken).values())) == len(unbroken)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_and_line_ends_are_read(encoding: str) -> None:
    assert text_of(TEXT.replace("\n", "\r\n").encode(encoding)) == TEXT


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b" \n\n ", "empty"),
        (TEXT[:1000].encode(), f"{LEAST:,} are the least"),
        (TEXT.encode() * 30, "Take a part of it"),
        (("é" * LEAST).encode("latin-1"), "not UTF-8"),
        (TEXT.encode() + b"\xef\xbb", "not UTF-8"),
        (bytes(range(256)) * 200, "not UTF-8"),
        (b"\x00\x01\x02abcdefg" * 5000, "no plain text"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(raw: bytes, words: str) -> None:
    with pytest.raises(OwnTextError, match=words):
        add_own(raw, "bad.txt", "me")
    assert own_corpora.own_corpora("me") == []


def test_an_address_names_no_file() -> None:
    for name in ("own-../../etc", "own-zzzzzzzzzzzz", "own-", "own-0123456789ab"):
        assert find_corpus(name) is None
        take_away(name, "me")
