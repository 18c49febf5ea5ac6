"""How well a language model says a text, in numbers that can be compared: by byte, by token, by its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from kdlab.core import checks
from kdlab.core.checks import Floats


def bits_per_byte(nats: ArrayLike, byte_count: ArrayLike) -> Floats:
    """What a text costs: Σ −log q(token), in bits for each of its bytes, (...,).

    nats / (ln 2 · bytes). nats: the sum over the text's tokens. byte_count: of the same text in UTF-8. It is comparable over
    tokenizers, as perplexity is not: fewer, longer tokens are each harder to guess. Gao et al. 2020 (The Pile), arXiv
    2101.00027. Raises ValueError where there is no byte.
    """
    return checks.numbers("nats", nats) / (np.log(2) * _counts("byte_count", byte_count))


def perplexity(nats: ArrayLike, tokens: ArrayLike) -> Floats:
    """exp(nats / tokens): among how many equally likely tokens the model hesitates, on average, (...,).

    nats: the sum over that many tokens. Infinite where e to that power is beyond a float. Comparable over one tokenizer
    only. Raises ValueError where there is no token.
    """
    with np.errstate(over="ignore"):
        return np.exp(checks.numbers("nats", nats) / _counts("tokens", tokens))


def distinct_n(texts: Iterable[Sequence[int]], n: int) -> float:
    """How little a model repeats itself: the share of different n-grams among all of its texts, from above 0 to 1.

    texts: token ids of each; no n-gram reaches from one text into the next. NaN where no text is n tokens long. It falls as
    texts get longer: compare equal amounts. Li et al. 2016, arXiv 1510.03055. Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; an n-gram has at least one token.")
    seen: set[tuple[int, ...]] = set()
    count = 0
    for text in texts:
        ids = [int(token) for token in text]
        grams = list(zip(*(ids[i:] for i in range(n)), strict=False))
        seen.update(grams)
        count += len(grams)
    return len(seen) / count if count else float("nan")


def top_k_overlap(p: ArrayLike, q: ArrayLike, k: int) -> Floats:
    """How many of the k likeliest tokens two models share: |top_k(p) ∩ top_k(q)| / k, from 0 to 1, (...,).

    p, q: (..., V), probabilities, logits or logarithms. Among equals the tokens with the smaller ids count.
    Raises ValueError for unlike shapes and for k that is not from 1 to V.
    """
    first, second = checks.logits("p", p), checks.logits("q", q)
    if first.shape != second.shape:
        raise ValueError(f"p has shape {first.shape} and q {second.shape}; both must be over the same tokens.")
    if not 1 <= k <= first.shape[-1]:
        raise ValueError(f"k is {k}; it must be from 1 to {first.shape[-1]}, the number of tokens.")
    return (_among_the_first(first, k) & _among_the_first(second, k)).sum(axis=-1) / k


def _among_the_first(values: Floats, k: int) -> np.ndarray:
    """Which are the k largest, (..., V): those above the k-th, and as many that equal it as there is room for."""
    kth = -np.partition(-values, k - 1, axis=-1)[..., k - 1 : k]
    above, equal = values > kth, values == kth
    room = k - above.sum(axis=-1, keepdims=True)
    return above | (equal & (np.cumsum(equal, axis=-1) <= room))


def _counts(name: str, values: ArrayLike) -> Floats:
    counts = checks.numbers(name, values)
    if counts.min() <= 0:
        raise ValueError(f"{name} is {counts.min():g}; there must be something to divide by.")
    return counts
