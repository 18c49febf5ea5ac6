"""A student's model card: what it learned from and how good it became, from its run's own record."""

from __future__ import annotations

from datetime import UTC, datetime

from kdlab.core.counted import counted
from kdlab.data.registry import get_dataset
from kdlab.data.word_pieces import WINDOW
from kdlab.distill.access import Whose
from kdlab.models.catalogue import get_teacher, student_title, teacher_card
from kdlab.models.student_folder import is_folder_student
from kdlab.runs.comparison import over_seeds
from kdlab.runs.spec import RunSpec
from kdlab.runs.stored import Run

_LINES_OF_A_BERT = '''import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

folder = "."  # where this file lies
encoder, tokenizer = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval(), AutoTokenizer.from_pretrained(folder)
head, texts = load_file(f"{folder}/head.safetensors"), ["a large wild cat of the plains"]
given = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    hidden, real = encoder(**given).last_hidden_state, given["attention_mask"].unsqueeze(-1)
    logits = (hidden * real).sum(1) / real.sum(1) @ head["weight"].T + head["bias"]
print([encoder.config.id2label[k] for k in logits.argmax(-1).tolist()])'''
_USE_OF_A_BERT = f"""The head is a linear layer on the mean of the last hidden states, which no BERT class of transformers does to classify;
so it lies beside the encoder:

```python
{_LINES_OF_A_BERT}
```

The tokenizer is BERT's (uncased) with its pieces numbered anew; pieces that the student never met have the embedding of `[UNK]`.
"""
_LINES_OF_A_FOLDER = f'''import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = "."  # where this file lies
model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
texts = ["a large wild cat of the plains"]
given = tokenizer(texts, padding=True, truncation=True, max_length={WINDOW}, return_tensors="pt")
with torch.no_grad():
    logits = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
print([model.config.id2label[k] for k in logits.argmax(-1).tolist()])'''
_USE_OF_A_FOLDER = f"""```python
{_LINES_OF_A_FOLDER}
```

It began with the weights of that folder and reads with its tokenizer.
"""


_SHOWN_INSIDE: dict[Whose, str] = {
    "teacher": "inside the teacher",
    "untrained": "as a placebo, inside the teacher's network before it was trained",
    "shuffled": "as a placebo, inside the teacher while it saw other examples",
}


def model_card(run: Run, arm: str, seed: int, parameters: int) -> str:
    """The card of one student of a finished run, Markdown with the hub's header. seed: from 0. Raises ValueError before its end."""
    if run.result is None:
        raise ValueError(f"Run {run.id} has not ended: it has no student to describe.")
    spec, result = run.spec, run.result
    data, teacher, about = get_dataset(spec.dataset), get_teacher(spec.teacher), teacher_card(spec.teacher)
    own = next(one for one in result["arms"] if one["key"] == arm)
    agreement = own.get("agreement") or [None] * len(own["accuracy"])
    mine = own["accuracy"][seed]
    kind, use = ("A model", _USE_OF_A_FOLDER) if is_folder_student(spec.student) else ("A BERT", _USE_OF_A_BERT)
    when = datetime.fromtimestamp(run.ended or run.created, UTC)
    return f"""---
library_name: transformers
pipeline_tag: text-classification
license: other
tags:
- knowledge-distillation
---

# {student_title(spec.student)}, distilled on {data.title}

{kind} of {parameters:,} trained parameters that says which of {len(data.classes)} classes a text is of:
{", ".join(data.classes)}. It reads the first {WINDOW} word pieces. Made with KD Lab, to learn from and not to serve.

## What it learned from

- Data: {data.title}. {data.what} Licence: {data.licence}. Source: {data.source}.
- Labels: {spec.labels:,} training examples with their true label; {spec.transfer:,} more without.
- Teacher: {teacher.title}, right on {about["test_accuracy"]:.1%} of the test. Trained on: {about["data"]}
- Taught with: {_taught(spec, arm)}
- Settings: {_settings(spec)}{_steered(run)}
- Seed {seed}, of {spec.seeds} counted from 0. Run {run.id}, ended {when:%Y-%m-%d %H:%M} UTC on
  {result["device"].get("name", "an unnamed device")}, {result["seconds"]:.0f} s with all of its arms.

## How good it is

On the {data.test_size:,} test examples, which chose nothing:

| | this student | over seeds, 95 % interval |
|---|---|---|
| accuracy | {_share(mine)} | {_interval(own["accuracy"])} |
| agreement with the teacher | {_share(agreement[seed])} | {_interval(agreement)} |
| share of the teacher's accuracy | {_share(None if mine is None else mine / result["teacher_accuracy"])} | |

Intervals are over seeds (Student's t); other test examples would add their own.

## How to use it

{use}"""


def _taught(spec: RunSpec, arm: str) -> str:
    one = spec.arm(arm)
    if one.objective is None:
        return "labels only; the teacher taught this student nothing."
    more = ""
    for whose in dict.fromkeys(asked.whose for asked in one.insides):
        inside = ", ".join(asked.title for asked in one.insides if asked.whose == whose)
        more += f"; and, {_SHOWN_INSIDE[whose]}: {inside}"
    if one.layers_first:
        more += f", alone for the first {one.layers_first:.0%} of the steps"
    if one.copy_layers is not None:
        more += "; it began with layers copied from the teacher"
    return (
        f"{one.in_a_sentence}: {one.objective.title} at T = {one.temperature:g} with weight {one.kd_weight:g}, beside the labels' "
        f"cross-entropy with weight {1 - one.kd_weight:g}{more}."
    )


def _settings(spec: RunSpec) -> str:
    return (
        f"AdamW, learning rate {spec.learning_rate:g} ({spec.schedule}, warm-up {spec.warm_up:g}), batches of {spec.batch_size} labelled "
        f"and as many other examples, {counted(spec.epochs, 'epochs')}, {counted(spec.total_steps, 'steps')}, no dropout."
    )


def _steered(run: Run) -> str:
    if not run.steering:
        return ""
    moved = ", ".join(f"{name} to {value:g}" for name, value in run.steering.items())
    return f"\n- Moved while it trained: {moved}. The settings alone do not give it again."


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"


def _interval(values: list[float | None]) -> str:
    found = over_seeds(values)
    if not found.n:
        return "not known"
    ends = "" if found.n < 2 else f" ({found.low:.1%} to {found.high:.1%})"
    return f"{found.mean:.1%}{ends}, {found.n} seed{'s' if found.n > 1 else ''}"
