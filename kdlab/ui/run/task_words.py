"""What is said of a run by its task: classes and examples, or tokens of a text. One table, read wherever a run is told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kdlab.data.registry import get_dataset
from kdlab.models.catalogue import shown_by
from kdlab.runs.comparison import Comparison
from kdlab.runs.spec import Spec
from kdlab.ui.look.numbers import share


@dataclass(frozen=True)
class Leading:
    """How it is said which student has the best score: "keeps most, 97 % of the teacher's accuracy".

    amount: what an arm's students have of it, and the teacher of that name; beside: both scores, where the amount has them not.
    """

    does: str
    does_most: str
    do_most: str
    do_less: str
    ended: str
    best_mean: str
    nobody: str
    amount: Callable[[Comparison, str, str], str]
    beside: Callable[[Comparison, str], str]


@dataclass(frozen=True)
class TaskWords:
    """fidelity: on what students are held beside their teacher, and how; same: what all students of a seed have alike;
    seeds: how seeds differ, from a result, after "each has"; payload: what its sizes are of, with a colon to follow; more:
    that the teacher gives an arm more; better: what no other student is shown to be."""

    fidelity: Callable[[Spec], str]
    same: str
    seeds: Callable[[Mapping[str, Any]], str]
    payload: str
    more: str
    better: str
    leading: Leading


def words_of(spec: Spec) -> TaskWords:
    """The words for runs of this one's task."""
    return _WORDS[spec.task]


def _fidelity_of_classes(spec: Spec) -> str:
    own = "the class that it names." if shown_by(spec.teacher) == "label" else "its own (T = 1)."
    return (
        f"on the {get_dataset(spec.dataset).test_size:,} test examples: how often the students answer as it does, and how far their "
        f"probabilities are from {own}"
    )


def _examples_of_seeds(result: Mapping[str, Any]) -> str:
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


def _share_kept(found: Comparison, arm: str, teacher: str) -> str:
    kept = found.kept(arm)
    ends = f" (95 % interval {100 * kept.low:.1f} to {100 * kept.high:.1f})" if kept.n > 1 else ""
    return f"**{share(kept.mean)}**{ends} of {teacher}'s accuracy"


def _shares(found: Comparison, arm: str) -> str:
    return f" ({share(found.score[arm].mean)} of {found.teacher_score:.1%})"


def _bits_needed(found: Comparison, arm: str, teacher: str) -> str:
    one, metric = found.score[arm], found.metric
    ends = f" (95 % interval {one.low:{metric.form}} to {one.high:{metric.form}})" if one.n > 1 else ""
    return f"**{metric.said(float(one.mean))}** for a byte of the test text{ends}, where {teacher} needs {found.teacher_score:{metric.form}}"


_WORDS: dict[str, TaskWords] = {
    "classification": TaskWords(
        fidelity=_fidelity_of_classes,
        same="all see the same batches",
        seeds=lambda result: f"other weights and batches, {_examples_of_seeds(result)}",
        payload="Payload, what the teacher sends for one example in the mean",
        more="the teacher sends it more for each example",
        better="more accurate",
        leading=Leading(
            does="keeps",
            does_most="keeps most",
            do_most="keep most",
            do_less="keep less",
            ended="ended highest",
            best_mean="the highest mean",
            nobody="none keeps anything",
            amount=_share_kept,
            beside=_shares,
        ),
    ),
    "next_token": TaskWords(
        fidelity=lambda spec: (
            "on the test text: how far the students' next-token probabilities are from its own (T = 1), how often both find the same "
            "token likeliest, and how many of the likeliest they have in common."
        ),
        same="all begin with the same windows",
        seeds=lambda result: "other weights, and reads the windows in an order of its own",
        payload="What is stored of the teacher for one token",
        more="more is stored of the teacher for it",
        better="better",
        leading=Leading(
            does="needs",
            does_most="needs fewest",
            do_most="need fewest",
            do_less="need more",
            ended="ended lowest",
            best_mean="the lowest mean",
            nobody="none has a number",
            amount=_bits_needed,
            beside=lambda found, arm: "",
        ),
    ),
}
