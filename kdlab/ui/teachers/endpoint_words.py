"""What is said of a teacher behind an API: what asking takes, which rungs are open, how far it is, whether it is right."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from kdlab.core.counted import counted
from kdlab.core.intervals import share_interval
from kdlab.models.api_cost import Estimate
from kdlab.models.api_probe import Rungs
from kdlab.models.api_teacher import Answer, Progress


def estimate_words(estimate: Estimate, budget: int) -> str:
    """What asking for these texts takes, before anything is sent. Markdown."""
    if not estimate.queries:
        return f"All {counted(estimate.texts, 'texts are', 'text is')} answered already: nothing is sent and nothing is charged."
    kept = f" {counted(estimate.kept, 'of the texts are', 'of the texts is')} answered already and not sent." if estimate.kept else ""
    cost = "" if estimate.cost is None else f", **{money(estimate.cost)}** in the provider's currency"
    ends = f" The budget ends it after {budget:,}." if budget < estimate.queries else ""
    return (
        f"**{counted(estimate.queries, 'queries')}**, about {counted(estimate.prompt_tokens, 'tokens')} of prompts and "
        f"{estimate.answer_tokens:,} of answers{cost}.{kept}{ends} Estimated from the prompts; nothing was sent for it."
    )


def money(cost: float) -> str:
    """An amount with at least two significant digits."""
    if cost >= 1:
        return f"{cost:,.2f}"
    return f"{cost:.2g}" if cost >= 1e-4 else f"{cost:.6f}"


def rung_words(rungs: Rungs) -> list[tuple[bool, str, str]]:
    """Each rung of the black box: whether it is open, its name, what the probe showed of it."""
    k = rungs.top_k
    return [
        (
            rungs.label,
            "Label",
            "it answers with a letter" if rungs.label else "it named none of the letters",
        ),
        (k > 0, "Label and its probability", "sent" if k else "not sent"),
        (
            k > 1,
            "Top-k and tail",
            f"the {k} likeliest tokens were sent; {rungs.captured_mass:.1%} of the probability lay on the options"
            if k > 1
            else "not sent",
        ),
        (False, "Logits, and what lies inside", "behind an API they stay closed"),
    ]


def progress_words(now: Progress) -> str:
    """How far the asking is, what it sent and what it cost. Markdown."""
    kept = f", {now.kept:,} of them from the disk" if now.kept else ""
    cost = "" if now.cost is None else f", **{money(now.cost)}** so far"
    return (
        f"**{now.answered:,} of {now.texts:,}** texts answered{kept}. {counted(now.queries, 'queries')} that may be charged, "
        f"{counted(now.prompt_tokens, 'tokens')} of prompts and {now.answer_tokens:,} of answers{cost}."
    )


def agreement_words(known: Sequence[int], answers: Sequence[Answer]) -> str:
    """How often the teacher's class is the known one, with its interval, and how many texts got none. Markdown."""
    right = sum(answer.label == label for answer, label in zip(answers, known, strict=True))
    found = share_interval(right, len(answers))
    without = sum(answer.label is None for answer in answers)
    silent = f" {without:,} got no class: refused, or answered in other words; they count as wrong." if without else ""
    return (
        f"Its answer is the known label for **{found.mean:.1%}** of {counted(found.n, 'texts')} (95 % interval {found.low:.1%} to "
        f"{found.high:.1%}: other texts would give another number).{silent}"
    )


def mass_words(answers: Sequence[Answer]) -> str:
    """How much of its probability the teacher put on the options. Markdown; empty where no probabilities came."""
    masses = captured(answers)
    if not masses:
        return ""
    bounded = sum(int((~answer.shown).any()) for answer in answers if answer.shown is not None)
    return (
        f"**{np.mean(masses):.1%}** of the probability lay on the options on average; the rest was on other words. In "
        f"{bounded:,} of {counted(len(masses), 'answers')} a class was not among the tokens shown: of it only a bound is known."
    )


def captured(answers: Sequence[Answer]) -> list[float]:
    """The mass on the options, of each answer that came with probabilities."""
    return [answer.captured_mass for answer in answers if answer.option_probabilities is not None]


def answers_csv(texts: Sequence[str], classes: Sequence[str], answers: dict[int, Answer]) -> str:
    """text, label, probability: the teacher's answers, for a spreadsheet or as a data set. Texts without a class are left out."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label", "probability"])
    for place, answer in sorted(answers.items()):
        if answer.label is not None:
            p = answer.option_probabilities
            writer.writerow([texts[place], classes[answer.label], "" if p is None else f"{p[answer.label]:.6g}"])
    return table.getvalue()
