"""What it takes to distil one language model into another: the memory that training holds, and what a kept signal fills."""

from __future__ import annotations

from dataclasses import dataclass

from kdlab.distill.access import Access
from kdlab.lessons.systems import SYSTEMS
from kdlab.models.causal_shapes import LANGUAGE_STUDENTS, parameters
from kdlab.models.sizes import BYTES

_ADAM = {"weights": BYTES["bf16"], "gradients": BYTES["bf16"], "optimiser": 3 * BYTES["float32"]}
"""Bytes a trained parameter under AdamW in mixed precision: the optimiser holds a copy of the weights and two moments in float32.
16 in all (Rajbhandari et al. 2020, ZeRO, arXiv 1910.02054, section 3.1)."""
SMOLLM2_TOKENS, SMOLLM2_PARAMETERS, SMOLLM2_WIDTH = 49_152, 134_515_008, 576


@dataclass(frozen=True)
class Sizes:
    """A language model in numbers. parameters: None where they were not published. width: numbers in its last hidden state, None
    where nobody sees it. source: who says so."""

    name: str
    parameters: float | None
    vocabulary: int
    width: int | None
    source: str


def _named(name: str) -> float | None:
    return next(system.parameters for system in SYSTEMS if system.name == name)


TEACHERS: dict[str, Sizes] = {
    one.name: one
    for one in (
        Sizes("LLaMA-2-70B", _named("LLaMA-2-70B"), 32_000, 8_192, "its configuration (meta-llama/Llama-2-70b-hf)"),
        Sizes("GPT-4", _named("GPT-4"), 100_277, None, "its tokenizer, cl100k_base (github.com/openai/tiktoken)"),
        Sizes("TinyLLaMA", _named("TinyLLaMA"), 32_000, 2_048, "its configuration (TinyLlama/TinyLlama-1.1B-Chat-v1.0)"),
        Sizes("SmolLM2-135M", SMOLLM2_PARAMETERS, SMOLLM2_TOKENS, SMOLLM2_WIDTH, "its weights, which this lab reads"),
    )
}
_OWN = "llama-2x64"
STUDENTS: dict[str, float] = {
    "TinyLLaMA": _named("TinyLLaMA") or 0.0,
    "GPT-Neo": _named("GPT-Neo") or 0.0,
    "SmolLM2-135M": SMOLLM2_PARAMETERS,
    f"{LANGUAGE_STUDENTS[_OWN].title} (this lab)": parameters(_OWN, SMOLLM2_TOKENS),
}
"""Name → parameters; this lab's over all of SmolLM2's tokens."""

_KINDS: dict[str, Access] = {
    "One token drawn": Access("sampled", 1),
    "16 tokens drawn": Access("sampled", 16),
    "The 20 likeliest": Access("top_k", 20),
    "All probabilities": Access("probabilities"),
}
HIDDEN = "Last hidden state"
_SEEN_FROM_OUTSIDE = ("One token drawn", "16 tokens drawn", "The 20 likeliest")


def held_while_training(student: float) -> dict[str, float]:
    """Bytes that a student of so many parameters takes while it learns, by what they are; activations come on top."""
    return {part: each * student for part, each in _ADAM.items()}


def teachers_weights(teacher: Sizes) -> float | None:
    """Bytes of the teacher in the loop, at bf16; None where its size was not published."""
    return None if teacher.parameters is None else BYTES["bf16"] * teacher.parameters


def kept_signals(teacher: Sizes) -> dict[str, float]:
    """Bits that are kept for a token of the text, by kind. Of a teacher behind an API there is what such an API sends.

    Of the last hidden state (float16) the teacher's output matrix, kept once, makes all probabilities again.
    """
    found = {kind: access.bits_per_query(teacher.vocabulary) for kind, access in _KINDS.items()}
    if teacher.width is None:
        return {kind: found[kind] for kind in _SEEN_FROM_OUTSIDE}
    found[HIDDEN] = Access("hidden").bits_per_query(teacher.vocabulary, inside=teacher.width)
    return dict(sorted(found.items(), key=lambda one: one[1]))
