"""The passages that the page begins with: lines of the test chapters, with what the teacher says after each token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from kdlab.models.own_tokens import OwnTokens, own_tokens
from kdlab.models.prompted import answers_at_once, kept_logits, prepared
from kdlab.models.shipped_smollm2 import TEACHER as SHIPPED_TEACHER
from kdlab.models.shipped_smollm2 import Passage as ShippedPassage
from kdlab.models.shipped_smollm2 import Shipped, shipped_for
from kdlab.ui.url_state import as_it_is, shortened

_TITLE = 26  # letters of a passage's beginning


@dataclass(frozen=True, eq=False)
class Passage:
    """``ids`` (L,) own tokens from end-of-text on; ``after``: the one that came after them; ``logits`` gives (L, V)."""

    title: str
    ids: np.ndarray
    after: int
    logits: Callable[[], np.ndarray]


def passages_of(teacher: str, corpus: str, tokens: OwnTokens) -> dict[str, Passage]:
    """By their numbers. SmolLM2's ship with the lab; a teacher that answers at once reads the same words, as far as a window goes;
    of others there are none.

    tokens: the teacher's own tokens in the corpus. Raises ValueError where the file is damaged, or a teacher is not here.
    """
    shipped = shipped_for(SHIPPED_TEACHER, corpus)
    if shipped is None or not (teacher == SHIPPED_TEACHER or answers_at_once(teacher)):
        return {}
    if teacher == SHIPPED_TEACHER and not np.array_equal(shipped.teacher_ids, tokens.teacher_ids):
        raise ValueError("What SmolLM2 said of this text is of other tokens than the text has now. Fetch the project again.")
    found = {}
    words = own_tokens(SHIPPED_TEACHER, corpus).decode
    for number, one in enumerate(shipped.passages, 1):
        text = words(one.ids)
        ids, logits = one.ids, partial(_of_shipped, one, shipped)
        if teacher != SHIPPED_TEACHER:
            ids = prepared(tokens, text).ids
            logits = partial(kept_logits, teacher, tokens, ids[:-1])
        title = f"Chapter {one.chapter}: {as_it_is(shortened(text, _TITLE))}"
        found[str(number)] = Passage(title, ids[:-1], int(ids[-1]), logits)
    return found


def _of_shipped(one: ShippedPassage, shipped: Shipped) -> np.ndarray:
    return one.hidden @ shipped.head.T
