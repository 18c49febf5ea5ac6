"""What a finished run showed, in words: which student to take, each difference, and what stands beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kdlab.core.intervals import Interval
from kdlab.data.registry import Dataset, get_dataset
from kdlab.distill.metrics import METRICS
from kdlab.runs.comparison import (
    Comparison,
    Found,
    best_supported,
    compare,
    diverged,
    in_points,
    in_words,
    most_accurate,
    no_verdict,
    sampling_error,
)
from kdlab.runs.spec import RunSpec
from kdlab.runs.store import Run
from kdlab.ui.look.numbers import share, size
from kdlab.ui.run.result_charts import class_means, told_by_class


def headline(run: Run) -> str:
    """Which student to take, and why, in a sentence or two. Markdown."""
    assert run.result is not None
    if nothing := no_verdict(run.spec, run.steering):
        return f"**No verdict on distillation.** {nothing}"
    spec, found = run.spec, compare(run.spec, run.result)
    if not found.found:
        return accuracies(run, found)
    question = found.found[0]
    minuend, subtrahend = spec.arm(question.contrast.minuend), spec.arm(question.contrast.subtrahend)
    if question.difference.n == 0:
        return f"**No verdict.** {question.contrast.words}: {in_words(question.difference)}."
    if question.difference.n < 2:
        return (
            f"**No difference shown.** The {minuend.its_student} ended {in_points(question.difference.mean)} points "
            f"against {subtrahend.in_a_sentence}, but one seed tells nothing of chance: run at least two."
        )
    best = best_supported(spec, found)
    if best is None:
        return _each_beside_its_control(spec, found)
    return _the_one_to_take(spec, found, best)


def _the_one_to_take(spec: RunSpec, found: Comparison, best: str) -> str:
    """Of a run that compares every two arms: the simplest that no other is shown to beat."""
    first, arm = spec.arms[0], spec.arm(best)
    if arm.key != first.key:
        others = [one for one in spec.arms if one.key not in (best, first.key)]
        simpler = [one for one in others if spec.arms.index(one) < spec.arms.index(arm)]
        said = [_beside(found.between(best, one.key), one.in_a_sentence) for one in (first, *simpler)]
        words = f"**Take the {arm.its_student}.** It {', and it '.join(said)}."
        for one in others:
            if one not in simpler:
                difference = found.between(one.key, best)
                assert difference is not None
                more = spec.payload_bits(one) > spec.payload_bits(arm)
                less = ", though the teacher sends it more for each example" if difference.contains_zero and more else ""
                words += f" The {one.its_student} {_beside(difference, arm.in_a_sentence)}{less}."
        return words
    beside = [(one, found.between(one.key, first.key)) for one in reversed(spec.arms[1:])]
    harms = [(one, d) for one, d in beside if d is not None and not d.contains_zero]
    if harms:
        said = ", and ".join(f"the {one.its_student} {_beside(d, first.in_a_sentence)}" for one, d in harms)
        return f"**Take the {first.its_student},** which needs no teacher: {said}."
    question = found.found[0]
    minuend, subtrahend = spec.arm(question.contrast.minuend), spec.arm(question.contrast.subtrahend)
    compared = f"{minuend.label}: no difference from {subtrahend.in_a_sentence} shown"
    words = (
        f"**{compared}** ({_numbers(question)}). Take {first.in_a_sentence}, which needs no teacher."
        if question.difference.contains_zero
        else f"**Take {first.in_a_sentence},** which needs no teacher: no other student is shown to be more accurate."
    )
    shown = "; ".join(_shown_sentence(spec, one) for one in found.found if not one.difference.contains_zero)
    return f"{words} But {shown}." if shown else words


def _each_beside_its_control(spec: RunSpec, found: Comparison) -> str:
    """Of a run with other contrasts: how many of them show a difference, and which."""
    shown = [one for one in found.found if not one.difference.contains_zero]
    if not shown:
        return "**No difference shown** by any of this run's contrasts."
    said = "; ".join(_shown_sentence(spec, one) for one in shown)
    count = len(found.found)
    how_many = "" if count == 1 else f"**{len(shown)} of {count} contrasts show a difference:** "
    return f"{how_many}{said if how_many else said[0].upper() + said[1:]}."


def _shown_sentence(spec: RunSpec, one: Found) -> str:
    minuend, subtrahend = spec.arm(one.contrast.minuend), spec.arm(one.contrast.subtrahend)
    return f"the {minuend.its_student} {_beside(one.difference, subtrahend.in_a_sentence, one.contrast.metric)}"


def _numbers(one: Found) -> str:
    """A contrast's difference and interval without a word of what they show."""
    return in_words(one.difference, one.contrast.metric).removeprefix("no difference shown (").removesuffix(")")


def _beside(difference: Interval | None, other: str, metric: str = "accuracy") -> str:
    """How a student stands beside another, of which a difference is taken."""
    assert difference is not None
    words = in_words(difference, metric)
    if difference.contains_zero:
        return f"shows no difference from {other} ({words.removeprefix('no difference shown (')}"
    if (difference.mean > 0) == (METRICS[metric].better != "less"):
        return f"beats {other} by {words}"
    return f"is **worse** than {other} ({words})"


def sentences(run: Run, found: Comparison, shown: list[Found], sampled: str) -> str:
    """All that the end of a run shows: its contrasts, who keeps most of the teacher's accuracy, how it was judged. Markdown."""
    best = best_supported(run.spec, found) if run.spec.seeds > 1 else None
    if best is None:
        kept = keeps_most(run.spec, found, "the teacher")
    else:
        student, mean = run.spec.arm(best).its_student, share(found.accuracy[best].mean)
        kept = f"The {student} keeps {_kept(found, best)} of the teacher's accuracy ({mean} of {found.teacher_accuracy:.1%})."
    return "\n\n".join(
        [
            *map(contrast_sentence, shown),
            kept,
            f":small[{_paired(run)}{left_out(run)}{_together(found)}{sampled} Each number is rounded by itself. {_payload(run)}]",
        ]
    )


def keeps_most(spec: RunSpec, found: Comparison, teacher: str) -> str:
    """Which arm's student keeps most of the accuracy of the teacher of this name, or which ones tie. Markdown."""
    best = most_accurate(spec, found)
    if not best:
        return "Every student has diverged: none keeps anything."
    first, *tied = (spec.arm(key) for key in best)
    kept = f"{_kept(found, first.key)} of {teacher}'s accuracy"
    others = sum(found.accuracy[arm.key].n > 0 for arm in spec.arms) - 1
    if not others:
        return f"The {first.its_student} keeps {kept}."
    if max(found.accuracy[arm.key].n for arm in spec.arms) < 2:
        return f"The {first.its_student} ended highest, with {kept}, but one seed tells nothing of chance: run at least two."
    if not tied:
        return f"The {first.its_student} keeps most: {kept}. Every other student is shown to keep less."
    names = ", ".join(arm.in_a_sentence for arm in tied)
    how_many = "none of the others" if len(tied) == others else f"{len(tied)} of {others} others"
    less = "is shown to keep less" if len(tied) == others else f"{'is' if len(tied) == 1 else 'are'} not shown to keep less: {names}"
    return f"**No student is shown to keep most.** The {first.its_student} has the highest mean, {kept}; {how_many} {less}."


def _kept(found: Comparison, arm: str) -> str:
    """The share of the teacher's accuracy that the arm keeps, with its interval."""
    kept = found.kept(arm)
    ends = f" (95 % interval {100 * kept.low:.1f} to {100 * kept.high:.1f})" if kept.n > 1 else ""
    return f"**{share(kept.mean)}**{ends}"


def contrast_sentence(one: Found) -> str:
    words = in_words(one.difference, one.contrast.metric)
    return f"**{one.contrast.words}:** {words if one.difference.contains_zero else f'**{words}**'}."


def _payload(run: Run) -> str:
    told = ", ".join(
        f"{size(run.spec.payload_bits(arm))} to {arm.in_a_sentence}"
        for arm in run.spec.arms
        if arm.objective is not None
    )
    return (
        f"Payload, what the teacher sends for one example in the mean: {told}. It is a size, not what one "
        "learns from it."
    )


def _paired(run: Run) -> str:
    if run.spec.seeds == 1:
        return "One seed tells nothing of chance: run at least two for an interval."
    return (
        f"Paired over {run.spec.seeds} seeds, the same for all arms: each has other weights and batches, "
        f"{_examples_of_seeds(run.result or {})}. Intervals are Student's t; one that holds zero shows no difference."
    )


def left_out(run: Run) -> str:
    """How many of the run's students are left out of all that is said at its end, in a sentence; empty where none is."""
    gone = 0 if run.result is None else int(diverged(run.result).sum())
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
    sound = ~diverged(run.result)[ends].any(axis=0)
    if sound.sum() < 2:
        return ""
    labels = get_dataset(run.spec.dataset).load().y_test
    minuend, subtrahend = (answers[end][sound] for end in ends)
    error = sampling_error(minuend, subtrahend, labels)
    return (
        f" Intervals are over seeds, on these {len(labels):,} test examples; how these happened to be drawn alone "
        f"leaves “{question.contrast.words}” open by ± {100 * error:.1f} points (95 %)."
    )


def _examples_of_seeds(result: dict[str, Any]) -> str:
    """How far the examples of one seed are another's too. A run whose result does not tell drew each seed's alone."""
    shared = result.get("overlap")
    if shared is None:
        return "and draws its own examples"
    if shared["examples"] == 0:
        return "and examples that no other seed has"
    if shared["examples"] == 1:
        return "but the same examples"
    labelled = f"{shared['labelled']:.0%}" if shared["labelled"] else "none"
    return f"and two share {labelled} of their labelled examples and {shared['examples']:.0%} of all their examples"


def _together(found: Comparison) -> str:
    """For which of the intervals their 95 % holds."""
    if found.together < 2:
        return " Each holds by itself with 95 %." if sum(one.difference.n > 1 for one in found.found) > 1 else ""
    return f" Their 95 % is for all {found.together} contrasts together (Bonferroni's correction)."


def accuracies(run: Run, found: Comparison) -> str:
    said = ", ".join(f"{arm.label} {share(found.accuracy[arm.key].mean)}" for arm in run.spec.arms)
    return f"Test accuracy: {said}, the teacher {found.teacher_accuracy:.1%}."


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
