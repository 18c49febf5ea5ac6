"""The model card of a language model that a run has taught: what it learned from and how good it became."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kdlab.core.counted import counted
from kdlab.data.corpora import find_corpus
from kdlab.distill.metrics import Metric, metrics_of
from kdlab.models.causal_folder import LINES
from kdlab.models.causal_shapes import LANGUAGE_STUDENTS
from kdlab.models.language_teachers import find_language_teacher
from kdlab.models.own_tokens import WINDOW
from kdlab.runs.comparison import over_seeds
from kdlab.runs.model_card import steered_line
from kdlab.runs.parts import data_title, student_shape, teacher_title
from kdlab.runs.stored import Run
from kdlab.runs.text_spec import TextSpec

_TOLD = ("bits_per_byte", "perplexity", "kl", "agreement", "top_overlap", "ece")


def text_card(run: Run, arm: str, seed: int, parameters: int) -> str:
    """The card of one student of a finished run, Markdown with the hub's header. seed: from 0. Raises ValueError before its end."""
    spec, result = run.spec, run.result
    if result is None or not isinstance(spec, TextSpec):
        raise ValueError(f"Run {run.id} has no language model to describe.")
    own = next(one for one in result["arms"] if one["key"] == arm)
    shape, when = LANGUAGE_STUDENTS.get(spec.student), datetime.fromtimestamp(run.ended or run.created, UTC)
    told = [metric for metric in metrics_of(spec.task).values() if metric.name in _TOLD and metric.name in own]
    rows = "\n".join(_row(metric, own[metric.name], seed) for metric in told)
    return f"""---
library_name: transformers
pipeline_tag: text-generation
license: other
tags:
- knowledge-distillation
---

# {student_shape(spec)}, distilled on {data_title(spec)}

{shape.what if shape else "A small language model."} It has {parameters:,} trained parameters, writes with {spec.vocabulary:,} tokens of its teacher's
vocabulary, and reads {WINDOW} at once. Made with KD Lab, to learn from and not to serve.

## What it learned from

- Text: {_text(spec)}
- Teacher: {_teacher(spec, result)}
- Taught with: {_taught(spec, arm)}
- Settings: AdamW, learning rate {spec.learning_rate:g} ({spec.schedule}, warm-up {spec.warm_up:g}), {spec.tokens:,} tokens in batches of
  {counted(spec.batch_size, "windows")}, {counted(spec.total_steps, "steps")}, gradients {f"clipped at {spec.clip_norm:g}" if spec.clip_norm else "not clipped"}, no dropout.{steered_line(run)}
- Seed {seed}, of {spec.seeds} counted from 0. Run {run.id}, ended {when:%Y-%m-%d %H:%M} UTC on
  {result["device"].get("name", "an unnamed device")}, {result["seconds"]:.0f} s with all of its arms.

## How good it is

On {result["test_tokens"]:,} tokens of the test text, which chose nothing, each read in a window of {WINDOW}:

| | this student | over seeds, 95 % interval |
|---|---|---|
{rows}

Intervals are over seeds (Student's t); other test text would add its own.

## How to use it

```python
{LINES}
```

The tokenizer is the teacher's, cut down to these tokens; further ones that it has for other words the student never met, and
never writes.
"""


def _text(spec: TextSpec) -> str:
    found = find_corpus(spec.dataset)
    if found is None:
        return f"{data_title(spec)}, which is not in the lab any more."
    return f"{found.title}. {found.what} Licence: {found.licence}. Source: {found.source}."


def _teacher(spec: TextSpec, result: dict[str, Any]) -> str:
    found = find_language_teacher(spec.teacher)
    score = metrics_of(spec.task)["bits_per_byte"].said(result["teacher"]["bits_per_byte"])
    return f"{teacher_title(spec)}, {score} a byte on the same test text.{f' {found.what}' if found else ''}"


def _taught(spec: TextSpec, arm: str) -> str:
    one = spec.arm(arm)
    if one.objective is None:
        return "the text alone; the teacher taught this student nothing."
    text = {
        "corpus": "",
        "teacher": "; it read what the teacher wrote on from the text's beginnings",
        "student": f"; of {one.own_share:.0%} of each batch it read what it wrote itself",
    }[one.text]
    warm = f"; for the first {one.warm:.0%} of the steps it learned from the text alone" if one.warm else ""
    return (
        f"{one.in_a_sentence}: {one.objective.title} at T = {one.temperature:g} with weight {one.kd_weight:g}, beside the text's "
        f"cross-entropy with weight {1 - one.kd_weight:g}{text}{warm}."
    )


def _row(metric: Metric, values: list[float | None], seed: int) -> str:
    mine, found = values[seed], over_seeds(values, metric)
    ends = "" if found.n < 2 else f" ({found.low:{metric.form}} to {found.high:{metric.form}})"
    every = f"{metric.said(float(found.mean))}{ends}, {counted(found.n, 'seeds')}" if found.n else "not known"
    return f"| {metric.in_a_sentence} | {'not known' if mine is None else metric.said(mine)} | {every} |"
