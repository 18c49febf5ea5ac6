"""The lab's causal language models in NumPy: they answer and write without torch, which takes seconds to import.

weights: a student's state by the names that `kdlab.models.causal` gives it, float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from kdlab.models.causal_shapes import END, GPT2_EPSILON, LLAMA_EPSILON, ROPE_BASE, LanguageStudent, head_name
from kdlab.models.sizes import HEAD

Weights = Mapping[str, np.ndarray]


def hidden(weights: Weights, shape: LanguageStudent, ids: np.ndarray) -> np.ndarray:
    """ids (…, L) → the last hidden states after the final norm, (…, L, H) float32; logits are hidden @ `head`.T.

    Raises ValueError where a GPT-2 has learned fewer positions, IndexError for an id that the model does not know.
    """
    ids = np.asarray(ids)
    return _Reading(weights, shape, ids.shape[:-1], ids.shape[-1]).read(ids)


def head(weights: Weights, shape: LanguageStudent) -> np.ndarray:
    """(V, H) the output matrix."""
    return weights[head_name(shape)]


def continue_text(
    weights: Weights, shape: LanguageStudent, prompt_ids: np.ndarray, count: int, uniforms: np.ndarray
) -> np.ndarray:
    """What the model writes after prompt_ids (P,), P > 0: at most ``count`` own ids, the last of them `END` if it comes before.

    At T = 1: a token is where its number of uniforms (count,) in [0, 1) falls in the cumulated probabilities. Errors as `hidden`.
    """
    # The last token is written and not read.
    reading = _Reading(weights, shape, (), len(prompt_ids) + count - 1)
    return np.fromiter(islice(_written(reading, head(weights, shape), prompt_ids, uniforms), count), dtype=np.int64)


def _written(reading: _Reading, head: np.ndarray, prompt_ids: np.ndarray, uniforms: np.ndarray) -> Iterator[int]:
    new = np.asarray(prompt_ids)
    for number in uniforms:
        drawn = draw(head @ reading.read(new)[-1], number)
        yield drawn
        if drawn == END:
            return
        new = np.array([drawn])


def draw(logits: np.ndarray, number: float) -> int:
    """Inverse transform sampling of softmax(logits): logits (V,), a number in [0, 1) → an id."""
    upto = np.exp(logits.astype(np.float64) - logits.max()).cumsum()
    return min(int(upto.searchsorted(number * upto[-1], side="right")), len(upto) - 1)


class _Reading:
    """Texts of one length that are read from the left; the keys and values of what was read are kept."""

    def __init__(self, weights: Weights, shape: LanguageStudent, batch: tuple[int, ...], positions: int) -> None:
        """batch: how many texts, as the dimensions before their positions. Raises ValueError, as `hidden`."""
        self._weights, self._shape, self._at = weights, shape, 0
        self._keys, self._values = np.empty((2, shape.layers, *batch, shape.heads, positions, HEAD), np.float32)
        if shape.family == "llama":
            self._cosines, self._sines = _rotary(positions)
        elif positions > (learned := len(weights["transformer.wpe.weight"])):
            raise ValueError(f"{shape.title} has learned {learned} positions, and the text with what is to follow takes {positions}.")

    def read(self, ids: np.ndarray) -> np.ndarray:
        """The next ids (…, L) → their last hidden states (…, L, H)."""
        known = len(head(self._weights, self._shape))
        if ids.size and (ids.min() < 0 or ids.max() >= known):
            raise IndexError(f"The model knows the tokens 0 to {known - 1}, and is given {ids.min()} to {ids.max()}.")
        here = slice(self._at, self._at + ids.shape[-1])
        self._at = here.stop
        return self._llama(ids, here) if self._shape.family == "llama" else self._gpt2(ids, here)

    def _llama(self, ids: np.ndarray, here: slice) -> np.ndarray:
        w = self._weights
        cosines, sines = self._cosines[here], self._sines[here]
        x = w["model.embed_tokens.weight"][ids]
        for layer in range(self._shape.layers):
            name = f"model.layers.{layer}."
            normed = _rms_norm(x, w[f"{name}input_layernorm.weight"])
            queries, keys, values = (_heads(normed @ w[f"{name}self_attn.{part}_proj.weight"].T) for part in "qkv")
            queries, keys = (_turned(part, cosines, sines) for part in (queries, keys))
            x = x + self._attended(layer, here, queries, keys, values) @ w[f"{name}self_attn.o_proj.weight"].T
            normed = _rms_norm(x, w[f"{name}post_attention_layernorm.weight"])
            gate = _silu(normed @ w[f"{name}mlp.gate_proj.weight"].T)
            x = x + (gate * (normed @ w[f"{name}mlp.up_proj.weight"].T)) @ w[f"{name}mlp.down_proj.weight"].T
        return _rms_norm(x, w["model.norm.weight"])

    def _gpt2(self, ids: np.ndarray, here: slice) -> np.ndarray:
        w = self._weights

        def linear(x: np.ndarray, name: str) -> np.ndarray:
            return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

        def norm(x: np.ndarray, name: str) -> np.ndarray:
            return _layer_norm(x, w[f"{name}.weight"], w[f"{name}.bias"])

        x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][here]
        for layer in range(self._shape.layers):
            name = f"transformer.h.{layer}."
            three = np.split(linear(norm(x, f"{name}ln_1"), f"{name}attn.c_attn"), 3, axis=-1)
            x = x + linear(self._attended(layer, here, *map(_heads, three)), f"{name}attn.c_proj")
            x = x + linear(_gelu(linear(norm(x, f"{name}ln_2"), f"{name}mlp.c_fc")), f"{name}mlp.c_proj")
        return norm(x, "transformer.ln_f")

    def _attended(
        self, layer: int, here: slice, queries: np.ndarray, keys: np.ndarray, values: np.ndarray
    ) -> np.ndarray:
        """Queries, keys and values (…, heads, L, d) of the positions ``here`` → what they attend to, (…, L, H)."""
        kept_keys, kept_values = self._keys[layer], self._values[layer]
        kept_keys[..., here, :], kept_values[..., here, :] = keys, values
        scores = queries @ kept_keys[..., : here.stop, :].swapaxes(-1, -2) * np.float32(HEAD**-0.5)  # (…, heads, L, end)
        if scores.shape[-2] > 1:
            scores = np.where(np.tri(*scores.shape[-2:], here.start, dtype=bool), scores, np.float32(-np.inf))
        weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weight /= weight.sum(axis=-1, keepdims=True)
        said = (weight @ kept_values[..., : here.stop, :]).swapaxes(-2, -3)  # (…, L, heads, d)
        return said.reshape(*said.shape[:-2], -1)


def _heads(x: np.ndarray) -> np.ndarray:
    """(…, L, H) → (…, heads, L, d)."""
    return x.reshape(*x.shape[:-1], -1, HEAD).swapaxes(-2, -3)


def _rotary(positions: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of what each position turns each pair of numbers by, (L, d / 2) both; as `kdlab.models.causal` has them."""
    frequencies = 1 / np.float32(ROPE_BASE) ** (np.arange(0, HEAD, 2, dtype=np.float32) / HEAD)
    angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies
    return np.cos(angles), np.sin(angles)


def _turned(x: np.ndarray, cosines: np.ndarray, sines: np.ndarray) -> np.ndarray:
    """x (…, L, d), whose first half is turned against its second."""
    first, second = x[..., : HEAD // 2], x[..., HEAD // 2 :]
    return np.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)


def _rms_norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt(_mean(x * x) + np.float32(LLAMA_EPSILON)) * weight


def _layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = x - _mean(x)
    return x / np.sqrt(_mean(x * x) + np.float32(GPT2_EPSILON)) * weight + bias


def _mean(x: np.ndarray) -> np.ndarray:
    return np.add.reduce(x, axis=-1, keepdims=True) / np.float32(x.shape[-1])  # np.mean takes three times as long


def _silu(x: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * x * (1 + np.tanh(np.float32(0.5) * x))  # x · sigmoid(x), which does not overflow


def _gelu(x: np.ndarray) -> np.ndarray:
    """GPT-2's, with tanh (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""
    return np.float32(0.5) * x * (1 + np.tanh(np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x * x * x)))
