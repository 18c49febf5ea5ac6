"""The loss page's formula and sentences, made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from kdlab.core import cross_entropy, forward_kl_from_logits, hinton_loss, logit_gradients
from kdlab.core.counted import counted
from kdlab.ui.examples.words import called, percent
from kdlab.ui.look.numbers import direction, minus, number
from kdlab.ui.look.tokens import ROLE_COLOURS, ROLE_INKS

SILENT = 1e-4


@dataclass(frozen=True)
class LossAndGradients:
    """The loss and its gradient at the present setting, all in nats."""

    temperature: float
    kd_weight: float
    t_squared: bool
    cross_entropy: float
    kl: float
    supervised: float
    distillation: float
    supervised_gradient: np.ndarray
    distillation_gradient: np.ndarray

    @property
    def total(self) -> float:
        return self.supervised + self.distillation

    @property
    def cosine(self) -> float | None:
        """Of the angle between the two gradients; None where one of them is nearly 0."""
        one, other = self.lengths
        if min(one, other) < SILENT:
            return None
        return float(self.supervised_gradient @ self.distillation_gradient / (one * other))

    @property
    def lengths(self) -> tuple[float, float]:
        """Norms of the supervised and the soft term's gradient."""
        return float(np.linalg.norm(self.supervised_gradient)), float(
            np.linalg.norm(self.distillation_gradient)
        )


def loss_and_gradients(
    student: np.ndarray,
    teacher: np.ndarray,
    label: int,
    temperature: float,
    kd_weight: float,
    t_squared: bool,
) -> LossAndGradients:
    """Everything that the formula and the arrows show. Logits: (K,)."""
    setting = (student, teacher, label, temperature)
    terms = hinton_loss(*setting, kd_weight, t_squared)
    gradients = logit_gradients(*setting, kd_weight, t_squared)
    return LossAndGradients(
        temperature=temperature,
        kd_weight=kd_weight,
        t_squared=t_squared,
        cross_entropy=float(cross_entropy(student, label)),
        kl=float(forward_kl_from_logits(teacher, student, temperature)),
        supervised=float(terms.supervised),
        distillation=float(terms.distillation),
        supervised_gradient=gradients.supervised,
        distillation_gradient=gradients.distillation,
    )


FORMULA_STYLE = """<style>
.kd-formula { display: flex; flex-wrap: wrap; gap: .4rem .55rem; align-items: start; margin: .25rem 0 0;
  font-size: 1.2rem; font-variant-numeric: tabular-nums; line-height: 1.4; white-space: nowrap; }
.kd-formula span { display: grid; grid-auto-flow: column; justify-content: center; justify-items: center; column-gap: .35rem; }
.kd-formula i { grid-row: 1; font-family: "STIX Two Math", "Cambria Math", Georgia, serif; }
.kd-formula sub, .kd-formula sup { font-size: .68em; line-height: 0; }
.kd-formula b { grid-row: 2; min-width: 2.5em; text-align: center; font-weight: 650; }
.kd-formula b.short { min-width: 2.2em; }
.kd-formula b.dot { min-width: 0; }
.kd-formula small { display: block; text-align: center; font-size: .95rem; margin-top: .2rem; padding: .3rem .6rem .2rem;
  border: solid var(--term); border-width: 3px 0 0; border-radius: .25rem .25rem .5rem .5rem;
  background: color-mix(in srgb, var(--term) 13%, transparent); }
.kd-formula small strong { font-size: 1.15em; }
.kd-formula .off { text-decoration: line-through; opacity: .5; }
.kd-formula .kd-sum small { background: none; opacity: .75; padding: .3rem 0; border-color: transparent; }
.kd-ce { --term: SUPERVISED; color: light-dark(SUPERVISED_LIGHT, SUPERVISED_DARK); }
.kd-kl { --term: DISTILLATION; color: light-dark(DISTILLATION_LIGHT, DISTILLATION_DARK); }
@media (max-width: 40rem) { .kd-formula { font-size: 1.05rem; } .kd-formula b { min-width: 2.3em; } }
</style>"""
"""Stands on the page once: a style sheet that came with every state of a drag would restyle the whole page."""
for _role in ("supervised", "distillation"):
    for _theme in ("light", "dark"):
        FORMULA_STYLE = FORMULA_STYLE.replace(f"{_role}_{_theme}".upper(), ROLE_INKS[_theme][_role])
    FORMULA_STYLE = FORMULA_STYLE.replace(_role.upper(), ROLE_COLOURS[_role])


def _column(symbol: str, value: str, css: str = "") -> str:
    return f"<i>{symbol}</i><b class='{css}'>{value}</b>"


def _between(sign: str) -> str:
    return _column(sign, sign, "dot")


def formula(now: LossAndGradients) -> str:
    """The loss in symbols, under each its number, under each term its share. HTML."""
    w, square = now.kd_weight, now.temperature**2
    factor = f"{square:.3g}" if now.t_squared else "1"
    squared = "T<sup>2</sup>" if now.t_squared else "<s class='off'>T<sup>2</sup></s>"
    said = (
        f"Loss {number(now.total)} nats: supervised {1 - w:.2f} times {number(now.cross_entropy)}, plus distillation "
        f"{w:.2f} times {factor} times {number(now.kl)}"
    )
    hard = _column("(1 − w)", f"{1 - w:.2f}") + _between("·") + _column("CE(q, y)", number(now.cross_entropy))
    soft = _between("·").join(
        (
            _column("w", f"{w:.2f}", "short"),
            _column(squared, factor, "short"),
            _column("KL(p<sub>T</sub> ‖ q<sub>T</sub>)", number(now.kl)),
        )
    )
    return (
        f"<div class='kd-formula' role='math' aria-label='{escape(said)}'>"
        f"<div class='kd-sum'><span>{_column('L', number(now.total))}{_between('=')}</span><small>nats</small></div>"
        f"<div class='kd-ce'><span>{hard}</span><small>supervised <strong>{number(now.supervised)}</strong></small></div>"
        f"<div><span>{_between('+')}</span></div>"
        f"<div class='kd-kl'><span>{soft}</span><small>distillation <strong>{number(now.distillation)}</strong></small>"
        "</div></div>"
    )


def pull(now: LossAndGradients) -> str:
    """Which term pulls harder, and whether they pull the same way."""
    hard, soft = now.lengths
    if max(hard, soft) < SILENT:
        return "Neither term pulls: the student is where this loss wants it."
    if soft < SILENT:
        why = _silent_because(now.kd_weight, soft, "the student says what the teacher says")
        return f"Only the **supervised** term pulls ({number(hard)}): the soft term is silent, {why}."
    if hard < SILENT:
        why = _silent_because(1 - now.kd_weight, hard, "the student is sure of the label")
        return f"Only the **soft** term pulls ({number(soft)}): the supervised term is silent, {why}."
    stronger, ratio = ("soft", soft / hard) if soft >= hard else ("supervised", hard / soft)
    if ratio < 1.05:
        told = "Both terms pull **equally hard**"
    else:
        told = f"The **{stronger}** term pulls **{times(ratio)} times** as hard as the other"
    return f"{told} (supervised {number(hard)}, soft {number(soft)}), and {direction(now.cosine)}."


def _silent_because(weight: float, length: float, matched: str) -> str:
    """Why a term of that weight pulls with no more than that length."""
    if weight == 0:
        return "its weight is 0"
    return matched if length / weight < SILENT else "its weight is next to nothing"


def times(ratio: float) -> str:
    """A ratio with three digits or, where it is large, to the whole: 1.25, 17.3, 2,513."""
    return f"{ratio:,.0f}" if ratio >= 99.95 else f"{ratio:.3g}"


def squared_words(with_square: float, without: float, limit: float, temperature: float) -> str:
    """What T² does at this temperature. Lengths of the soft term's gradient, before its weight."""
    if max(with_square, without) < SILENT and limit < SILENT:
        return "The student says what the teacher says: there is nothing to pull, at any temperature."
    factor = temperature**2
    if factor == 1:
        compared = f"At T = 1 the factor is 1: both are **{number(with_square)}**."
    elif factor > 1:
        compared = (
            f"Before its weight, the soft term pulls with **{number(with_square)}** at T = {temperature:g}; without T² with "
            f"**{number(without)}**, {times(factor)} times weaker."
        )
    else:
        compared = (
            f"Before its weight, the soft term pulls with **{number(with_square)}** at T = {temperature:g}; without T² with "
            f"**{number(without)}**, {times(1 / factor)} times stronger."
        )
    return f"{compared} As T grows, with T² it comes to rest at ‖zₛ − zₜ‖/K of the centred logits, **{number(limit)}**; without, it fades."


def triangle_words(names: list[str], best: np.ndarray, now: LossAndGradients) -> str:
    """Where the optimum lies."""
    said = ", ".join(f"{called(name)} {percent(float(share))}" for name, share in zip(names, best, strict=True))
    if now.kd_weight == 0:
        return f"With w = 0 only the label counts: the **optimum** is its corner, which no finite logits reach ({said})."
    if now.kd_weight == 1:
        return f"With w = 1 only the teacher counts: the **optimum** is its answer at T = 1, at any temperature ({said})."
    return f"The **optimum** for w = {now.kd_weight:.2f} and T = {now.temperature:g}: {said}."


TRIANGLE_WORDS = """Every point is one answer that a student may give if there were only these three classes; a corner
is full certainty. Bright is a low loss.

- **Green**: the student, and its way in 40 steps of gradient descent.
- **Blue squares**: the teacher, open at T = 1, filled at T.
- **Star**: the optimum. Move **w**: it slides from the label's corner to the teacher.

T makes the soft target flatter, yet a student that matches it at T also matches the teacher at 1: both are heated alike.
"""


def pushes_alt(classes: Sequence[str], now: LossAndGradients) -> str:
    """The arrows in numbers: what each term adds to each logit for a step along minus its gradient."""
    pushes = zip(classes, -now.supervised_gradient, -now.distillation_gradient, strict=True)
    said = "; ".join(f"{called(name)} {_signed(hard)} and {_signed(soft)}" for name, hard, soft in pushes)
    return f"Where each term pushes each of the student's logits, supervised and distillation: {said}."


def norms_alt(
    whose: str, temperature: float, at: tuple[float, float], limit: float, supervised: float
) -> str:
    """The curves over T in numbers. at: the soft term's length with T² and without, at that temperature."""
    return (
        f"Length of the soft term's gradient against temperature, {whose}: at T = {temperature:g} {number(at[0])} with "
        f"T squared and {number(at[1])} without. As T grows, with T squared it goes to {number(limit)}, without to 0. "
        f"The supervised term's is {number(supervised)} at any T."
    )


def triangle_alt(
    names: Sequence[str], label: int, soft_target: np.ndarray, best: np.ndarray, path: np.ndarray
) -> str:
    """The triangle in numbers. soft_target, best: (3,); path: (n, 3), the student's own answer first."""
    return (
        f"The loss over all distributions of three classes, {', '.join(names)}; the hard label is {names[label]}. "
        f"Soft target {_shares(soft_target)}; optimum {_shares(best)}; the student from {_shares(path[0])} to "
        f"{_shares(path[-1])} in {counted(len(path) - 1, 'steps')}."
    )


def _shares(p: np.ndarray) -> str:
    return ", ".join(percent(float(share)) for share in p)


def _signed(value: float) -> str:
    return minus(f"{value:+.2f}").replace("+0.00", "0.00").replace("−0.00", "0.00")
