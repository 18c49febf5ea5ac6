"""The shapes of causal language models that the lab builds, in numbers; needs no torch, so that a page can say them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kdlab.models.sizes import HEAD

WINDOW = 64
"""Positions of a window: what a student reads at once, and how many places a GPT-2 student has learned."""

END = 0
"""The own token that ends a text, and begins every window."""

LLAMA_EPSILON, GPT2_EPSILON = 1e-6, 1e-5
"""What their norms add to a variance: transformers' own defaults."""

ROPE_BASE = 10_000.0
"""The base of the rotary positions' wavelengths (Su et al. 2021, arXiv 2104.09864)."""


@dataclass(frozen=True)
class LanguageStudent:
    """A causal language model: ``layers`` blocks, ``width`` numbers a position, heads of 32, input and output embeddings tied.

    "llama": rotary positions, RMSNorm, SwiGLU, no bias (Touvron et al. 2023, arXiv 2302.13971); "gpt2": learned positions,
    LayerNorm, GELU, biases (Radford et al. 2019).
    """

    name: str
    title: str
    what: str
    family: Literal["llama", "gpt2"]
    layers: int
    width: int

    @property
    def heads(self) -> int:
        """Heads of attention."""
        return self.width // HEAD

    @property
    def inner(self) -> int:
        """Width inside a feed-forward layer: 4 · width; a LLaMA's has three matrices, so 8/3 · width, up to a multiple of 32."""
        return 4 * self.width if self.family == "gpt2" else 32 * -(-8 * self.width // (3 * 32))


LANGUAGE_STUDENTS: dict[str, LanguageStudent] = {
    shape.name: shape
    for shape in (
        LanguageStudent("llama-2x64", "LLaMA, 2 × 64", "A LLaMA of two layers, 64 wide, with 2 heads.", "llama", 2, 64),
        LanguageStudent("llama-2x128", "LLaMA, 2 × 128", "A LLaMA of two layers, 128 wide, with 4 heads.", "llama", 2, 128),
        LanguageStudent("llama-4x128", "LLaMA, 4 × 128", "A LLaMA of four layers, 128 wide, with 4 heads.", "llama", 4, 128),
        LanguageStudent(
            "gpt2-2x128",
            "GPT-2, 2 × 128",
            "A GPT-2 of two layers, 128 wide, with 4 heads; it has learned 64 positions and knows no further one.",
            "gpt2",
            2,
            128,
        ),
    )
}

POCKET = LanguageStudent("pocket", "Pocket teacher", "A LLaMA of four layers, 256 wide, with 8 heads.", "llama", 4, 256)


def get_shape(name: str) -> LanguageStudent:
    """The shape of that name, a student's or the pocket teacher's. Raises ValueError with the known names."""
    found = {**LANGUAGE_STUDENTS, POCKET.name: POCKET}.get(name)
    if found is None:
        raise ValueError(f"There is no language student called {name!r}. Known: {', '.join(LANGUAGE_STUDENTS)}.")
    return found


def head_name(shape: LanguageStudent) -> str:
    """What the output matrix, which is the table of embeddings too, is called among a shape's weights."""
    return "transformer.wte.weight" if shape.family == "gpt2" else "model.embed_tokens.weight"


def parameters(name: str, vocabulary: int) -> int:
    """The trained parameters of that shape over V tokens, those of tied embeddings once. Raises ValueError for an unknown name."""
    shape = get_shape(name)
    width, inner = shape.width, shape.inner
    attention, norm = 4 * width * width, width
    if shape.family == "llama":
        return vocabulary * width + shape.layers * (attention + 3 * width * inner + 2 * norm) + norm
    layer = attention + 4 * width + 2 * width * inner + inner + width + 2 * 2 * norm
    return (vocabulary + WINDOW) * width + shape.layers * layer + 2 * norm
