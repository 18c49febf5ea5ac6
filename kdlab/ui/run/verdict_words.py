"""What a finished run showed, in words: which student to take, each difference, and what stands beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.data.registry import Dataset, get_dataset
from kdlab.distill.metrics import Metric
from kdlab.runs.comparison import (
    Comparison,
    Found,
    ahead,
    best_supported,
    compare,
    diverged,
    in_words,
    no_verdict,
    sampling_error,
    signed,
)
from kdlab.runs.spec import Spec
from kdlab.runs.store import Run
from kdlab.ui.look.numbers import share, size
from kdlab.ui.run.result_charts import class_means, frequency_names, told_by_class
from kdlab.ui.run.task_words import words_of


def headline(run: Run) -> str:
    """Which student to take, and why, in a sentence or two. Markdown."""
    assert run.result is not None
    if nothing := no_verdict(run.spec, run.steering):
        return f"**No verdict on distillation.** {nothing}"
    spec, found = run.spec, compare(run.spec, run.result)
    if not found.found:
        return scores(run, found)
    question = found.found[0]
    minuend, subtrahend = spec.arm(question.contrast.minuend), spec.arm(question.contrast.subtrahend)
    if question.difference.n == 0:
        return f"**No verdict.** {question.contrast.words}: {in_words(question.difference)}."
    if question.difference.n < 2:
        ended = signed(question.difference.mean, question.metric, unit=True)
        return (
            f"**No difference shown.** The {minuend.its_student} ended {ended} "
            f"against {subtrahend.in_a_sentence}, but one seed tells nothing of chance: run at least two."
        )
    best = best_supported(spec, found)
    if best is None:
        return _each_beside_its_control(spec, found)
    return _the_one_to_take(spec, found, best)


def _the_one_to_take(spec: Spec, found: Comparison, best: str) -> str:
    """Of a run that compares every two arms: the simplest that no other is shown to beat."""
    first, arm = spec.arms[0], spec.arm(best)
    if arm.key != first.key:
        others = [one for one in spec.arms if one.key not in (best, first.key)]
        simpler = [one for one in others if spec.arms.index(one) < spec.arms.index(arm)]
        said = [_beside(found.between(best, one.key), one.in_a_sentence, found.metric) for one in (first, *simpler)]
        words = f"**Take the {arm.its_student}.** It {', and it '.join(said)}."
        for one in others:
            if one not in simpler:
                difference = found.between(one.key, best)
                assert difference is not None
                more = spec.payload_bits(one) > spec.payload_bits(arm)
                less = f", though {words_of(spec).more}" if difference.contains_zero and more else ""
                words += f" The {one.its_student} {_beside(difference, arm.in_a_sentence, found.metric)}{less}."
        return words
    beside = [(one, found.between(one.key, first.key)) for one in reversed(spec.arms[1:])]
    harms = [(one, d) for one, d in beside if d is not None and not d.contains_zero]
    if harms:
        said = ", and ".join(f"the {one.its_student} {_beside(d, first.in_a_sentence, found.metric)}" for one, d in harms)
        return f"**Take the {first.its_student},** which needs no teacher: {said}."
    question = found.found[0]
    minuend, subtrahend = spec.arm(question.contrast.minuend), spec.arm(question.contrast.subtrahend)
    compared = f"{minuend.label}: no difference from {subtrahend.in_a_sentence} shown"
    words = (
        f"**{compared}** ({_numbers(question)}). Take {first.in_a_sentence}, which needs no teacher."
        if question.difference.contains_zero
        else f"**Take {first.in_a_sentence},** which needs no teacher: no other student is shown to be {words_of(spec).better}."
    )
    shown = "; ".join(_shown_sentence(spec, found, one) for one in found.found if not one.difference.contains_zero)
    return f"{words} But {shown}." if shown else words


def _each_beside_its_control(spec: Spec, found: Comparison) -> str:
    """Of a run with other contrasts: how many of them show a difference, and which."""
    shown = [one for one in found.found if not one.difference.contains_zero]
    if not shown:
        return "**No difference shown** by any of this run's contrasts."
    said = "; ".join(_shown_sentence(spec, found, one) for one in shown)
    count = len(found.found)
    how_many = "" if count == 1 else f"**{len(shown)} of {count} contrasts show a difference:** "
    return f"{how_many}{said if how_many else said[0].upper() + said[1:]}."


def _shown_sentence(spec: Spec, found: Comparison, one: Found) -> str:
    minuend, subtrahend = spec.arm(one.contrast.minuend), spec.arm(one.contrast.subtrahend)
    measured = "" if one.metric == found.metric else f", in {one.metric.in_a_sentence}"
    return f"the {minuend.its_student} {_beside(one.difference, subtrahend.in_a_sentence, one.metric)}{measured}"


def _numbers(one: Found) -> str:
    """A contrast's difference and interval without a word of what they show."""
    return in_words(one.difference, one.contrast.metric).removeprefix("no difference shown (").removesuffix(")")


def _beside(difference: Interval | None, other: str, metric: Metric) -> str:
    """How a student stands beside another, of which a difference is taken. What is a gain where less is better is said by
    how much less it is."""
    assert difference is not None
    words = in_words(difference, metric.name)
    if difference.contains_zero:
        return f"shows no difference from {other} ({words.removeprefix('no difference shown (')}"
    if metric.better is None:
        return f"differs from {other} by {words}"
    if metric.gain(float(difference.mean)) < 0:
        return f"is **worse** than {other} ({words})"
    if metric.better == "less":
        words = in_words(difference.turned(), metric.name).removeprefix("+")
    return f"beats {other} by {words}"


def sentences(run: Run, found: Comparison, shown: list[Found], sampled: str) -> str:
    """All that the end of a run shows: its contrasts, who stands best beside the teacher, how it was judged. Markdown."""
    best, leading = best_supported(run.spec, found) if run.spec.seeds > 1 else None, words_of(run.spec).leading
    if all(one.metric != found.metric for one in shown):
        kept = scores(run, found)  # nobody asked which of them stands best
    elif best is None:
        kept = keeps_most(run.spec, found, "the teacher")
    else:
        amount = leading.amount(found, best, "the teacher")
        kept = f"The {run.spec.arm(best).its_student} {leading.does} {amount}{leading.beside(found, best)}."
    return "\n\n".join(
        [
            *(contrast_sentence(one, found) for one in shown),
            kept,
            f":small[{_paired(run)}{left_out(run)}{_together(found)}{sampled} Each number is rounded by itself. {_payload(run)}]",
        ]
    )


def keeps_most(spec: Spec, found: Comparison, teacher: str) -> str:
    """Which arm's student stands best beside the teacher of this name, or which ones tie. Markdown."""
    best, words = ahead(spec, found), words_of(spec).leading
    if not best:
        return f"Every student has diverged: {words.nobody}."
    first, *tied = (spec.arm(key) for key in best)
    amount = words.amount(found, first.key, teacher)
    others = sum(found.score[arm.key].n > 0 for arm in spec.arms) - 1
    if not others:
        return f"The {first.its_student} {words.does} {amount}."
    if max(found.score[arm.key].n for arm in spec.arms) < 2:
        return f"The {first.its_student} {words.ended}, with {amount}, but one seed tells nothing of chance: run at least two."
    if not tied:
        return f"The {first.its_student} {words.does_most}: {amount}. Every other student is shown to {words.do_less}."
    names = ", ".join(arm.in_a_sentence for arm in tied)
    how_many = "none of the others" if len(tied) == others else f"{len(tied)} of {others} others"
    shown = f"shown to {words.do_less}"
    less = f"is {shown}" if len(tied) == others else f"{'is' if len(tied) == 1 else 'are'} not {shown}: {names}"
    return f"**No student is shown to {words.do_most}.** The {first.its_student} has {words.best_mean}, {amount}; {how_many} {less}."


def contrast_sentence(one: Found, found: Comparison) -> str:
    """What a contrast shows; of another metric than the main score it says which."""
    words = in_words(one.difference, one.contrast.metric)
    measured = "" if one.metric == found.metric else f"{one.metric.in_a_sentence} "
    return f"**{one.contrast.words}:** {measured}{words if one.difference.contains_zero else f'**{words}**'}."


def _payload(run: Run) -> str:
    told = ", ".join(
        f"{size(run.spec.payload_bits(arm))} to {arm.in_a_sentence}"
        for arm in run.spec.arms
        if arm.objective is not None
    )
    return f"{words_of(run.spec).payload}: {told}. It is a size, not what one learns from it."


def _paired(run: Run) -> str:
    if run.spec.seeds == 1:
        return "One seed tells nothing of chance: run at least two for an interval."
    return (
        f"Paired over {run.spec.seeds} seeds, the same for all arms: each has {words_of(run.spec).seeds(run.result or {})}. "
        "Intervals are Student's t; one that holds zero shows no difference."
    )


def left_out(run: Run) -> str:
    """How many of the run's students are left out of all that is said at its end, in a sentence; empty where none is."""
    gone = 0 if run.result is None else int(diverged(run.spec, run.result).sum())
    if not gone:
        return ""
    return f" {gone} of {len(run.spec.arms) * run.spec.seeds} students diverged in training and {'is' if gone == 1 else 'are'} left out."


def sampled(run: Run, question: Found, answers: np.ndarray | None) -> str:
    """How far the test set, which is a sample too, leaves the run's question open. answers (arms, seeds, N).

    Empty where fewer than two seeds have a student on both sides whose training did not diverge.
    """
    if answers is None or run.result is None or question.contrast.metric != "accuracy":
        return ""
    place = {arm.key: i for i, arm in enumerate(run.spec.arms)}
    ends = [place[question.contrast.minuend], place[question.contrast.subtrahend]]
    sound = ~diverged(run.spec, run.result)[ends].any(axis=0)
    if sound.sum() < 2:
        return ""
    labels = get_dataset(run.spec.dataset).load().y_test
    minuend, subtrahend = (answers[end][sound] for end in ends)
    error = sampling_error(minuend, subtrahend, labels)
    return (
        f" Intervals are over seeds, on these {len(labels):,} test examples; how these happened to be drawn alone "
        f"leaves “{question.contrast.words}” open by ± {100 * error:.1f} points (95 %)."
    )


def _together(found: Comparison) -> str:
    """For which of the intervals their 95 % holds."""
    if found.together < 2:
        return " Each holds by itself with 95 %." if sum(one.difference.n > 1 for one in found.found) > 1 else ""
    return f" Their 95 % is for all {found.together} contrasts together (Bonferroni's correction)."


def scores(run: Run, found: Comparison) -> str:
    """Every arm's mean score, and the teacher's."""
    said = ", ".join(f"{arm.label} {found.metric.said(float(found.score[arm.key].mean))}" for arm in run.spec.arms)
    return f"{found.metric.title}: {said}, the teacher {found.metric.said(found.teacher_score)}."


def by_class(run: Run, data: Dataset) -> str:
    """Each class's accuracies, for those who do not see the picture."""
    result: dict[str, Any] = run.result or {}
    told = told_by_class(run.spec)
    shown = [(arm["label"], class_means(arm["per_class"])) for arm in result["arms"] if arm["key"] in told]
    shown += [("the teacher", np.array(result["teacher_per_class"]))]
    return " ".join(
        f"{label}: {', '.join(f'{name} {share(values[k])}' for name, values in shown)}."
        for k, label in enumerate(data.classes)
    )


def by_frequency(run: Run) -> str:
    """How often each band's tokens are the likeliest where they stand, for those who do not see the picture."""
    result: dict[str, Any] = run.result or {}
    shown = [(arm["label"], class_means(arm["by_frequency"])) for arm in result["arms"] if arm["key"] in told_by_class(run.spec)]
    shown += [("the teacher", np.array(result["teacher"]["by_frequency"], dtype=float))]
    return " ".join(
        f"{band}: {', '.join(f'{name} {share(values[k])}' for name, values in shown)}."
        for k, band in enumerate(frequency_names(result["frequency_bins"]))
    )
