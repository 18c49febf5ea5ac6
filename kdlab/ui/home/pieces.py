"""What the home page is made of: one answer of a teacher that hesitates, the way through the lab, the device."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from kdlab.core.probability import softmax
from kdlab.data.home import HomeError, home
from kdlab.lessons.path import ACCESS, DISTILL, LOSS, RUNS, SOFT_TARGETS, TEACHERS, LabPage
from kdlab.models.catalogue import teacher_logits
from kdlab.ui.examples.subjects import Subject
from kdlab.ui.examples.words import percent


@dataclass(frozen=True)
class Stop:
    """A station of the lesson: what is found out there, and the page where."""

    title: str
    what: str
    page: LabPage
    link: str
    icon: str = ""
    query: dict[str, str] = field(default_factory=dict)


WAY = (
    Stop(
        "Soft targets",
        "A teacher gives every class a probability. See which classes it finds alike.",
        SOFT_TARGETS,
        "Look at soft targets",
    ),
    Stop(
        "Temperature",
        "A teacher that says [.99 .01] hardly teaches more than a label. Heat it.",
        SOFT_TARGETS,
        "Heat a sharp teacher",
        ":material/device_thermostat:",
        {"data": "own", "p": "0.99, 0.01", "temperature": "1"},
    ),
    Stop(
        "Loss",
        "Two terms pull at one student: the label and the teacher. Drag its logits and watch both.",
        LOSS,
        "Pull at a student",
    ),
    Stop(
        "Training",
        "Launch a student and watch it race against two that get less from the teacher.",
        DISTILL,
        "Launch a distillation",
    ),
    Stop(
        "Black box and white box",
        "A black box gives only what the teacher puts out: its answers, or its probabilities too. Each is an arm of "
        "every run. A white box also shows hidden states, attention and gradients: rung by rung, what does each buy?",
        ACCESS,
        "Climb the ladder",
    ),
    Stop(
        "Teachers and students",
        "GPT-4, LLaMA-2, BERT; DistilBERT, TinyBERT: how large are they, what does each open, which fits your machine?",
        TEACHERS,
        "See where they come from",
    ),
    Stop(
        "Comparing",
        "Every run stays: open it again, lay two side by side, take its numbers and its student with you.",
        RUNS,
        "See all that was launched",
    ),
)
ACROSS = 4
"""Stations side by side."""


def answer_card(subject: Subject, most: int = 4) -> str:
    """An example, its label, and what the teacher said at T = 1, as HTML with bars."""
    soft_targets = subject.soft_targets(1.0)
    order = np.argsort(-soft_targets, kind="stable")[:most]
    rows = "".join(
        f'<dt>{html.escape(subject.classes[k])}</dt><dd><i style="width:{soft_targets[k] / soft_targets[order[0]]:.1%}"></i></dd>'
        f"<dd>{html.escape(percent(soft_targets[k]))}</dd>"
        for k in order
    )
    label = html.escape(subject.classes[subject.label or 0])
    return (
        f'<figure class="kd-answer"><div><img src="{html.escape(subject.picture)}" alt="{label}, 28 by 28 pixels">'
        f'<div><p>The label says</p><p class="kd-said">{label}</p></div>'
        f"<div><p>The teacher says</p><dl>{rows}</dl></div></div></figure>"
    )


SURE = 0.9
"""Above this probability of its first class a teacher is sure."""


@cache
def picked_for_doubt(teacher: str) -> str:
    """Why this example: how seldom the teacher hesitates so."""
    sure = float((softmax(teacher_logits(teacher).test).max(axis=1) > SURE).mean())
    return (
        "A test example picked because the teacher hesitates: "
        f"for {percent(sure)} of all test examples it gives one class more than {percent(SURE)}."
    )


def strongest(subject: Subject, temperature: float, most: int) -> Sequence[float]:
    """The largest soft targets, in falling order."""
    return np.sort(subject.soft_targets(temperature))[::-1][:most].tolist()


# Looked up once, and not with every run of a page.
TORCH = version("torch") if find_spec("torch") else None


def device_line() -> str:
    """Where runs train here, without loading torch: what the worker found, else what the machine shows."""
    try:
        found = json.loads((home() / "device.json").read_text(encoding="utf-8"))
        memory = f", {found['memory_gib']:g} GiB" if found.get("memory_gib") else ""
        return f"Runs train on {found['name']} ({found['device']}{memory}) with PyTorch {found['torch']}."
    except HomeError as fault:
        return str(fault)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    if TORCH is None:
        return "PyTorch is not installed, so nothing can be trained yet: run pip install -r requirements.txt."
    card = (
        "a graphics card (NVIDIA)"
        if Path("/dev/nvidia0").exists()
        else "the processor, unless a card is found"
    )
    return f"Runs will train on {card}, with PyTorch {TORCH}. The first worker is still looking."
