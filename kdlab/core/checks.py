"""Arguments are checked once, here, and refused in words that a learner understands."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SUM_TOLERANCE = (
    1e-5  # float32 softmax over 50,000 classes stays within it, a typed vector with a slip does not
)

Floats = NDArray[np.float64]


def numbers(name: str, values: ArrayLike) -> Floats:
    """Values as float64; raises ValueError where one is no number, NaN or infinite, or where there is none."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers only, in rows of equal length.") from None
    if array.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to compute with.")
    if not np.isfinite(array).all():
        found = "NaN (not a number)" if np.isnan(array).any() else "infinity"
        raise ValueError(f"{name} holds {found}; every value must be an ordinary, finite number.")
    return array


def logits(name: str, values: ArrayLike) -> Floats:
    """Scores with the classes along the last axis."""
    array = numbers(name, values)
    if array.ndim == 0:
        raise ValueError(f"{name} is a single number; it must hold one score for each class.")
    return array


def probabilities(name: str, values: ArrayLike) -> Floats:
    """Distributions along the last axis: nothing negative, each summing to 1 within `SUM_TOLERANCE`."""
    array = logits(name, values)
    if array.min() < 0:
        raise ValueError(f"{name} holds {array.min():.4g}; a probability is never below 0.")
    sums = array.sum(axis=-1)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > SUM_TOLERANCE:
        raise ValueError(f"{name} sums to {worst:.6g}; probabilities of all classes together must sum to 1.")
    return array


def temperature(value: ArrayLike) -> Floats:
    """Temperatures above 0."""
    array = numbers("temperature", value)
    if array.min() <= 0:
        raise ValueError(
            f"temperature is {array.min():g}; it must be above 0, because every logit is divided by it "
            "(near 0 only the top class is left, far above 1 all classes become alike)."
        )
    return array


def fraction(name: str, value: float) -> float:
    """One number from 0 to 1."""
    array = numbers(name, value)
    if array.ndim or not 0 <= array <= 1:
        raise ValueError(f"{name} must be one number from 0 to 1, not {value}.")
    return float(array)


def class_labels(name: str, values: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Class numbers, counted from 0."""
    array = numbers(name, values)
    whole = array.astype(np.int64)
    if (whole != array).any() or array.min() < 0 or array.max() >= classes:
        wrong = array[(whole != array) | (array < 0) | (array >= classes)].flat[0]
        raise ValueError(f"{name} holds {wrong:g}; it must be a class number from 0 to {classes - 1}.")
    return whole
