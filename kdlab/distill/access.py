"""Access: what a teacher reveals of itself when it is asked about one example, and how much that is to send."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Rung = Literal[
    "nothing",
    "label",
    "top_k",
    "probabilities",
    "logits",
    "sampled",
    "token",
    "text",
    "hidden",
    "attention",
    "gradients",
    "weights",
]
Whose = Literal["teacher", "untrained", "shuffled"]
"""Whose inside is shown: the teacher's; that of its network with random weights; the teacher's, of other examples. The
last two are placebos."""

Form = Literal["map", "scores", "queries_keys_values"]
"""How attention is shown: where a layer is busy; each head's scores before the softmax; what those are made of."""

SHARE_OF_MEMORY = 0.25
"""Of what is free: how much of it a run's signals from inside a teacher may fill."""
_BITS_A_NUMBER = 32
_BITS_INSIDE = 16  # hidden states and what is made of them are kept as float16; weights as they are, float32


@dataclass(frozen=True)
class Access:
    """A rung of the ladder from black to white box. The rungs are no order of strength: a hint says nothing of classes.

    ``k`` is how many of its likeliest classes the teacher shows with their probabilities on the rung ``top_k`` (with one it
    is a label and its probability), and how many tokens it draws on the rung ``sampled``. On ``token`` it tells how likely
    one given token is, on ``text`` it writes. ``bits``: of each
    logit, on the rung ``logits`` (`kdlab.distill.signals.quantised`). ``layers`` (`kdlab.models.inner_layers.numbered`)
    and ``whose`` are read on the rungs inside the teacher, ``form`` on the rung ``attention``.
    """

    rung: Rung
    k: int = 0
    bits: int = _BITS_A_NUMBER
    layers: tuple[int, ...] = ()
    whose: Whose = "teacher"
    form: Form = "map"

    def bits_per_query(self, classes: int, inside: float = 0) -> float:
        """The payload of one answer in bits: log2 K for a label, 32 for a number. A size, not what is learned.

        inside: how many numbers a rung inside the teacher sends: weights of 32 bits, all others of 16.
        """
        label = math.log2(classes)
        match self.rung:
            case "nothing":
                return 0.0
            case "label" | "text":
                return label
            case "sampled":
                return self.k * label
            case "token":
                return float(_BITS_A_NUMBER)
            case "top_k":  # the classes shown and their probabilities, which tell the mass of the rest
                return min(self.k, classes) * (_BITS_A_NUMBER + label)
            case "probabilities":
                return float(_BITS_A_NUMBER * classes)
            case "logits":  # a coarser one comes with the ends of its scale
                return float(self.bits * classes) + (2 * _BITS_A_NUMBER if self.bits < _BITS_A_NUMBER else 0)
            case "hidden" | "attention" | "gradients":
                return float(_BITS_INSIDE * inside)
            case "weights":
                return float(_BITS_A_NUMBER * inside)
