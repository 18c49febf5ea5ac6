"""A count that is one has its noun in the singular."""

from __future__ import annotations

import pytest

from kdlab.core.counted import counted


@pytest.mark.parametrize(
    ("nouns", "one"),
    [
        ("steps", "1 step"),
        ("test texts", "1 test text"),
        ("queries", "1 query"),
        ("passes", "1 pass"),
        ("classes", "1 class"),
        ("examples", "1 example"),
        ("", "1 "),
    ],
)
def test_one_is_singular_and_every_other_count_is_not(nouns: str, one: str) -> None:
    assert counted(1, nouns) == counted(1.2, nouns) == one
    assert counted(0, nouns) == f"0 {nouns}"
    assert counted(2000, nouns) == f"2,000 {nouns}"


def test_a_verb_comes_along() -> None:
    assert [counted(n, "rows have", "row has") for n in (1, 2)] == ["1 row has", "2 rows have"]
