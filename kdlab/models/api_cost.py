"""What asking an endpoint costs: told from the prompts alone before anything is sent, and from what it counted."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """What a provider takes for a million tokens, in its currency: of prompts, and of answers."""

    prompts: float
    answers: float

    def of(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompts + answer_tokens * self.answers) / 1e6


@dataclass(frozen=True)
class Estimate:
    """What asking would take. ``kept`` texts are answered on disk already; ``cost`` is None without a price."""

    texts: int
    kept: int
    queries: int
    prompt_tokens: int
    answer_tokens: int
    cost: float | None


def estimated_tokens(*parts: str) -> int:
    """Of a message: a token is taken as four ASCII characters, or two bytes of other scripts, and ten come with each
    message. English has about as many, other scripts mostly fewer."""
    ascii_only = sum(len(part.encode("ascii", errors="ignore")) for part in parts)
    other = sum(len(part.encode(errors="replace")) for part in parts) - ascii_only
    return 10 + math.ceil(ascii_only / 4 + other / 2)
