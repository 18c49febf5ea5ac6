"""The sentences of the estimator bench, made from its numbers. Bold as in `live_plot`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdlab.ui.examples.words import percent
from kdlab.ui.language.estimator_bench import (
    BATCHES,
    FORWARD,
    METHODS,
    REVERSE,
    STUDENT_PLACE,
    TEACHER_PLACE,
    Bench,
    tokens,
    vocabulary,
)
from kdlab.ui.look.numbers import interval_words, minus, number

RIGHT = 0.05
"""Up to this part of the KL a mean is off, it is nearly the right value."""
ALIKE = 0.98
"""From this cosine on two directions are told to be nearly the same."""
MISSED = 0.85
"""Where fewer of the 95 % intervals hold the KL, that is told."""
AT_THE_TEACHER = 1e-12  # nats: the student says what the teacher says

INTRODUCTION = (
    "A student that learns from its own text has drawn **one token** a position and asked its teacher about that one. From "
    "log q and log p of drawn tokens the KL is not computed but **estimated**, by one of a few formulas, and then somebody "
    "calls `backward()`. A formula may have the right value and the wrong gradient. Drag the student away from its teacher."
)
ASKED = (
    "Who asked: a reader of slime, why its on-policy distillation has an advantage and no KL for its loss "
    "([slime#1068](https://github.com/THUDM/slime/issues/1068)): that is the log-ratio as policy gradient, the last two rows. "
    "In open-instruct k1 as a loss turned out to ignore the reference model "
    "([open-instruct#534](https://github.com/allenai/open-instruct/issues/534)). OpenRLHF mended its losses: k1’s gradient "
    "vanishes on average, k3’s goes down the forward KL ([OpenRLHF#1309](https://github.com/OpenRLHF/OpenRLHF/pull/1309)). "
    "The formulas: Schulman 2020, [Approximating KL Divergence](http://joschu.net/blog/kl-approx.html); their gradients: Liu "
    "et al. 2025, [arXiv 2510.01555](https://arxiv.org/abs/2510.01555)."
)


def source_words() -> str:
    """Who the teacher and the student are."""
    return (
        f"Teacher: SmolLM2-135M-Instruct after “{TEACHER_PLACE}”, the first words of Pride and Prejudice. Student: the same "
        f"logits, mixed with those that SmolLM2 gives three lines on, after “{STUDENT_PLACE}”. Both softmaxes are over {tokens():,} "
        f"of its {vocabulary():,} tokens, drawn at random."
    )


def said(nats: float) -> str:
    """Three significant digits, however small, below 0 too: 0.000223, 3.52, −0.01."""
    return minus(np.format_float_positional(nats, precision=3, fractional=False, trim="-"))


def bench_words(now: Bench) -> str:
    """What is seen: whose value is right, and whose gradient each method has."""
    kl, found = now.exact.reverse_kl, now.found
    if kl < AT_THE_TEACHER:
        return (
            "**Student and teacher are one**: every formula gives 0 for every token, and nothing should pull. Only **k1** as a "
            f"loss still pushes, each batch another way, {number(float(found['k1'].lengths.mean))} long."
        )
    wrong = abs(found["k2"].mean - kl) > RIGHT * kl
    k2 = f"value {'**wrong**' if wrong else 'nearly right, so close to the teacher'}, {said(found['k2'].mean)} on average"
    held = found["k3"].held
    k3 = f", though a batch’s interval holds it only {percent(held)} of the time, for a few rare tokens carry it" if held < MISSED else ""
    cosine = minus(f"{now.exact.cosine:.2f}")
    forward = f"here nearly the same as the reverse KL’s (cosine {cosine})" if now.exact.cosine >= ALIKE else f"cosine {cosine} with the reverse KL’s"
    plain, less = (_cosine(found[name].cosines[REVERSE].mean) for name in ("policy", "baseline"))
    return (
        f"The KL(q‖p) is {said(kl)} nats. **k1**: value right, gradient **nothing**: its mean is 0, and where a batch points is "
        f"chance. **k2**: {k2}; gradient the reverse KL’s. **k3**: value right on average{k3}; gradient the **forward** KL’s, "
        f"{forward}. **Log-ratio as policy gradient**: k1’s value and the reverse KL’s gradient; a batch of {now.samples:,} "
        f"comes to a cosine of {plain} with it, with a baseline to {less}."
    )


def reading_words() -> str:
    """How the picture is read."""
    return (
        "◇ mean over all tokens; ● one batch with its 95 % interval. Right: large signs, the mean gradient over all tokens "
        f"(a gradient of length 0 points nowhere); lines, the middle 95 % of {BATCHES} batches, with their mean. All distances "
        "use the same random numbers. Baseline: the mean log-ratio of the batch’s other samples."
    )


def lengths_words(now: Bench) -> str:
    """How long the gradients are, how much of a batch's is noise, and what the baseline takes of it."""
    found = now.found
    noise = number(float(found["k1"].lengths.mean))
    if now.exact.reverse_kl < AT_THE_TEACHER:
        return f"Nothing pulls but **k1**, whose batches are {noise} long, each another way: all noise."
    plain, less = found["policy"], found["baseline"]
    taken = 1 - less.variance / plain.variance
    if taken > 0:
        baseline = f"a baseline takes {percent(taken)} of a single sample’s scatter off it and leaves its mean"
    else:
        baseline = "a baseline takes nothing of a single sample’s scatter off it here"
    return (
        f"**k1** as a loss has length 0 on average: the {noise} of a batch are noise. As policy gradient a batch of {now.samples:,} "
        f"pulls with {number(float(plain.lengths.mean))} where {number(now.exact.lengths[REVERSE])} is right; {baseline}. The "
        f"batches of **k3** are {number(float(found['k3'].lengths.low))} to {number(float(found['k3'].lengths.high))} long."
    )


def bench_alt(now: Bench) -> str:
    """The picture of values and directions in numbers, for those who do not see it."""
    rows = []
    for name, method in METHODS.items():
        found = now.found[name]
        rows.append(
            f"{method.title}: value {said(found.mean)} on average, {said(float(found.batch.mean))} in one batch"
            f"{interval_words(float(found.batch.low), float(found.batch.high), '.3g')}; cosine "
            + " and ".join(
                f"{_cosine(found.cosine[one])} with the {one} KL’s gradient, {_cosine(found.cosines[one].mean)} in batches"
                for one in (REVERSE, FORWARD)
            )
        )
    return (
        f"Value and direction of the gradient for five methods at distance {now.distance:g}, {now.samples:,} samples a batch. "
        f"Exact KL(q‖p) {said(now.exact.reverse_kl)} nats. {'. '.join(rows)}."
    )


def lengths_alt(now: Bench) -> str:
    """The picture of lengths in numbers."""
    rows = [
        f"{method.title} {number(now.found[name].length)} on average, {number(float(now.found[name].lengths.mean))} in a batch"
        for name, method in METHODS.items()
    ]
    exact = " and ".join(f"{number(now.exact.lengths[one])} for the {one} KL" for one in (REVERSE, FORWARD))
    return f"Length of the gradient: exactly {exact}. {'; '.join(rows)}."


def both_say_alt(words: Sequence[str], teacher: Sequence[float], student: Sequence[float]) -> str:
    """The words' probabilities, the teacher's and the student's."""
    listed = "; ".join(f"{word} {percent(p)} and {percent(q)}" for word, p, q in zip(words, teacher, student, strict=True))
    return f"Probability of words, teacher and student: {listed}."


def _cosine(value: float) -> str:
    return minus(f"{value:.2f}") if np.isfinite(value) else "none"


