"""The passages that the page begins with: from the test text, with what the teacher says after each token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kdlab.models.own_tokens import OwnTokens
from kdlab.models.prompted import answers_at_once, kept_logits, prepared
from kdlab.models.shipped_smollm2 import shipped_for


@dataclass(frozen=True, eq=False)
class Passage:
    """``ids`` (L,) own tokens from end-of-text on; ``after``: the one that came after them; ``logits`` gives (L, V)."""

    name: str
    title: str
    ids: np.ndarray
    after: int | None
    logits: Callable[[], np.ndarray]


def passages_of(teacher: str, corpus: str, tokens: OwnTokens) -> dict[str, Passage]:
    """Name → passage. SmolLM2's ship with the lab; a teacher that answers at once reads the same words; of others there are none."""
    shipped = shipped_for("smollm2", corpus)
    if shipped is None:
        return {}
    if teacher == "smollm2":
        return {
            one.name: Passage(one.name, one.title, one.ids[:-1], int(one.ids[-1]), lambda one=one: one.hidden @ shipped.head.T)
            for one in shipped.passages
        }
    if not answers_at_once(teacher):
        return {}
    found = {}
    for one in shipped.passages:
        ids = prepared(tokens, one.text).ids
        found[one.name] = Passage(
            one.name, one.title, ids[:-1], int(ids[-1]), lambda ids=ids: kept_logits(teacher, tokens, ids[:-1])
        )
    return found
