"""Access: what a teacher reveals of itself when it is asked about one example, and how much that is to send."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Rung = Literal["nothing", "label", "label_and_probability", "top_k", "probabilities", "logits"]

_BITS_A_NUMBER = 32


@dataclass(frozen=True)
class Access:
    """A rung of the ladder from black to white box, as far as outputs go.

    ``k`` is how many of its likeliest classes the teacher shows, read on the rung ``top_k`` alone.
    """

    rung: Rung
    k: int = 0

    def bits_per_query(self, classes: int) -> float:
        """The payload of one answer in bits: log2 K for a label, 32 for each number. A size, not what is learned."""
        label = math.log2(classes)
        match self.rung:
            case "nothing":
                return 0.0
            case "label":
                return label
            case "label_and_probability":
                return label + _BITS_A_NUMBER
            case "top_k":  # the classes shown, their probabilities, the mass of the rest
                return min(self.k, classes) * (_BITS_A_NUMBER + label) + _BITS_A_NUMBER
            case "probabilities" | "logits":
                return float(_BITS_A_NUMBER * classes)
