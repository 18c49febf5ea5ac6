"""The catalogue: the lesson's teachers and students, and this lab's, by size, by what they open, by how to use them here."""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from kdlab.data.registry import DATASETS
from kdlab.lessons.systems import PUBLISHED, RUNGS, SYSTEMS, System
from kdlab.models.catalogue import TEACHERS, students_for, teacher_card
from kdlab.models.machine import Memory
from kdlab.models.sizes import BYTES, student_parameters
from kdlab.runs.comparison import compare
from kdlab.runs.ladder import ALL, Ladder
from kdlab.runs.recorded import recorded_run, recording_of
from kdlab.ui.look.numbers import share, size
from kdlab.ui.teachers.catalogue_charts import Line, Model, OwnKept, by_size, kept_figure, sizes_figure
from kdlab.ui.teachers.machine import Card, fits, machine
from kdlab.ui.widgets.live_plot import live_plot

BF16 = BYTES["bf16"]
_OWN_DATA = ("fashion", "languages", "glosses")  # whose students stand in the picture: one for each kind of example
_RUNG_SIGNS = {"open": ("●", "open"), "perhaps": ("◐", "perhaps"), "closed": ("○", "closed")}


def show_catalogue() -> None:
    """The pictures and a card for each system that the lesson names."""
    there, gpu = machine()
    st.html(f"<style>{Path(__file__).with_name('catalogue.css').read_text(encoding='utf-8')}</style>")
    st.header("How large they are", anchor=False)
    models = [*named_models(), *own_models()]
    live_plot(
        sizes_figure(models, _lines(there, gpu)),
        key="sizes",
        height=70 + 24 * len(models),
        alt=f"Bytes of weights, the largest first. {_listed(models)} {_memory_words(there, gpu)}",
        sentence=_memory_words(there, gpu),
        caption="Squares are teachers, circles students; hollow ones come with this lab. Weights alone: to compute with "
        "them takes more, to train them several times as much.",
    )
    st.header("What each opens", anchor=False)
    st.markdown(
        "Open weights make a white box. An API makes a black one, and what it shows beside its answer is its owner's choice."
    )
    st.html(rungs_table())
    st.header("The lesson's systems", anchor=False)
    for first in range(0, len(SYSTEMS), 2):
        for column, system in zip(st.columns(2), SYSTEMS[first : first + 2], strict=False):
            with column.container(border=True, height="stretch", key=f"system-{system.name}"):
                _card(system, there, gpu)
    _kept()


def named_models() -> list[Model]:
    """The lesson's systems as rows of the picture."""
    return [Model(s.name, s.role, None if s.parameters is None else BF16 * s.parameters, False) for s in SYSTEMS]


@cache
def own_models() -> tuple[Model, ...]:
    """This lab's teachers and students as rows of the picture."""
    teachers = [
        Model(f"{teacher.title.removesuffix(' n-gram network')}", "teacher", BF16 * teacher_card(name)["parameters"], True)
        for name, teacher in TEACHERS.items()
    ]
    students = [
        Model(shape.title, "student", BF16 * student_parameters(shape.name, data), True)
        for data in _OWN_DATA
        for shape in students_for(data)
    ]
    return (*teachers, *students)


def _lines(there: Memory, gpu: Card | None) -> list[Line]:
    lines = [] if there.total is None else [Line("memory here", there.total)]
    return lines if gpu is None else [*lines, Line("its card", gpu.bytes)]


def _memory_words(there: Memory, gpu: Card | None) -> str:
    if there.total is None:
        return "This system does not say how much memory it has."
    free = "" if there.free is None else f", **{size(8 * there.free)}** of them free now"
    beside = "" if gpu is None else f"; its card, {gpu.name}, has {size(8 * gpu.bytes)}"
    return f"This machine has {size(8 * there.total)} of memory{free}{beside}."


def _listed(models: list[Model]) -> str:
    told = (f"{m.name} {'not published' if m.bytes is None else size(8 * m.bytes)}" for m in by_size(models))
    return "; ".join(told) + "."


def rungs_table() -> str:
    """Which rungs each system shows, as an HTML table of signs that are also read out."""
    head = "".join(f'<th scope="col"><span>{rung}</span></th>' for rung in RUNGS)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(_sign(states[rung]) for rung in RUNGS)}</tr>'
        for name, states in _states().items()
    )
    key = " · ".join(f"{sign} {word}" for sign, word in _RUNG_SIGNS.values())
    return (
        f'<table class="kd-opens"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="kd-key">{key}</p>'
    )


def _states() -> dict[str, dict[str, str]]:
    named = {system.name: {rung: system.rung(rung) for rung in RUNGS} for system in SYSTEMS}
    return named | {"This lab's own": dict.fromkeys(RUNGS, "open")}


def _sign(state: str) -> str:
    sign, word = _RUNG_SIGNS[state]
    return f'<td class="kd-{state}"><span role="img" aria-label="{word}">{sign}</span></td>'


def _card(system: System, there: Memory, gpu: Card | None) -> None:
    st.subheader(f"{system.name} :small[{system.role}]", anchor=False)
    needed = None if system.parameters is None else BF16 * system.parameters
    facts = {
        "Size": system.size_source + ("" if needed is None else f" At bf16: {size(8 * needed)}."),
        "Opens": system.opens_why,
        "On this machine": "Nothing to hold: it answers from its provider's."
        if system.opens == "api"
        else fits(needed, there, gpu),
        "To install": system.install,
        "Here": system.here,
        "Published": system.published,
    }
    st.markdown("\n\n".join(f"**{title}** {said}" for title, said in facts.items() if said))
    if system.page is not None:
        st.page_link(
            system.page.script, label=system.link, icon=system.page.icon, query_params=dict(system.query)
        )


def _kept() -> None:
    st.header("What students keep", anchor=False)
    own = own_kept()
    published = "; ".join(f"{one.name} {one.share:.1%}, {one.smaller:.1f}× smaller ({one.source})" for one in PUBLISHED)
    ours = "; ".join(f"{one.name} {share(one.kept.mean)}, {one.smaller:,.0f}× smaller" for one in own)
    live_plot(
        kept_figure(PUBLISHED, own),
        key="kept",
        height=320,
        alt=f"Published: {published}. This lab's recorded runs: {ours}.",
        caption=f"Filled: published, {published}. Hollow: this lab's recorded runs, with 95 % intervals over seeds: {ours}. "
        "Other tasks, other data: published students saw a whole corpus, ours a small set. Only the direction compares.",
    )


@cache
def own_kept() -> tuple[OwnKept, ...]:
    """The students of the recorded runs that learned from soft targets."""
    found = []
    ladders = dict.fromkeys(recording_of(Ladder.recipe, data) for data in DATASETS)
    for name, arm in (("three_arms", "soft_targets"), *((name, ALL) for name in ladders)):
        run = recorded_run(name)[0]
        result: dict[str, Any] = run.result or {}
        costs = result["profiles"]
        student = next(s.title for s in students_for(run.spec.dataset) if s.name == run.spec.student)
        smaller = costs["teacher"]["parameters"] / costs["student"]["parameters"]
        found.append(OwnKept(f"{student} ({run.spec.dataset})", smaller, compare(run.spec, result).kept(arm)))
    return tuple(found)
