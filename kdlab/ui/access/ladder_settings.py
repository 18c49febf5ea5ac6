"""What a ladder is launched with: its controls, which rungs are closed, and what it asks of this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from pydantic import ValidationError

from kdlab.core.counted import counted
from kdlab.data.registry import Dataset, get_dataset
from kdlab.distill.access import SHARE_OF_MEMORY
from kdlab.models.catalogue import get_teacher, teachers_for
from kdlab.runs.ladder import Ladder
from kdlab.runs.signal_memory import allowed_bytes, signal_bytes
from kdlab.runs.spec import RunSpec, explain
from kdlab.ui.look.folded import folded
from kdlab.ui.look.numbers import size
from kdlab.ui.run.controls import begin_anew, choose_student, spec_slider, switch, training_controls
from kdlab.ui.url_state import as_it_is
from kdlab.ui.widgets.field_slider import field_slider, said_of

_BEGUN = "ladder-begun"


def ladder_settings(dataset: str, teacher: str | None) -> RunSpec | None:
    """Draws the settings; None where they do not fit together, or this machine."""
    data, begin = get_dataset(dataset), Ladder.beginning(dataset)
    if (before := st.session_state.get(_BEGUN, dataset)) != dataset:
        begin_anew(Ladder.beginning(before), begin, but=("dataset", "teacher"))
    st.session_state[_BEGUN] = dataset
    values: dict[str, Any] = {"dataset": dataset, "teacher": teacher or teachers_for(dataset)[0].name}
    st.caption(_trains_on(data, values["teacher"], own_numbers=teacher is None))
    values["student"] = choose_student(data, begin)
    values["labels"] = spec_slider("labels", begin, min_value=len(data.classes), max_value=data.train_size)
    values["transfer"] = spec_slider("transfer", begin, max_value=data.train_size - values["labels"])
    for field in ("temperature", "kd_weight", "k"):
        values[field] = spec_slider(field, begin)
    for field in ("placebos", "coarse", *(("papers",) if data.kind == "token" else ())):
        values[field] = switch(Ladder.model_fields[field], field)
    values |= _weights_inside(values, begin)
    values |= training_controls(begin)
    try:
        chosen = Ladder.model_validate(values)
        spec = chosen.spec()
    except ValidationError as error:
        for told in explain(error):
            st.warning(told, icon=":material/tune:")
        return None
    for rung, why in chosen.closed().items():
        st.caption(f":material/lock: The rung **{rung}** is closed. {why}")
    st.caption(
        f"{counted(spec.labels + spec.transfer, 'queries')} for each arm. "
        f"{counted(len(spec.arms) * spec.seeds, 'students')} × {counted(spec.total_steps, 'steps')}."
    )
    asked, allowed = signal_bytes(spec), allowed_bytes()
    if allowed is not None and asked > allowed:
        st.warning(_too_much(asked, allowed), icon=":material/memory:")
        return None
    if asked:
        may = "" if allowed is None else f" of the {size(8 * allowed)} that such signals may take, {_SHARE} what is free here"
        st.caption(f"What it sees inside the teacher asks for {size(8 * asked)} of memory{may}.")
    return spec


def _trains_on(data: Dataset, teacher: str, own_numbers: bool) -> str:
    """What *Launch* trains on, which is chosen far above it."""
    on = f"on **{as_it_is(data.title)}**, taught by {as_it_is(get_teacher(teacher).title)}"
    return f"Your own numbers are one answer, and no data to train on: it trains {on}." if own_numbers else f"Trains {on}."


def _weights_inside(values: dict[str, Any], begin: Ladder) -> dict[str, float]:
    """How much each look inside the teacher counts, in times its default weight: folded away."""
    shown = {name: values[name] for name in ("dataset", "teacher", "student")}
    asked = begin.model_copy(update=shown).weighed()
    if not asked:
        return {}
    with folded("Weights inside the teacher", key="inside-weights", opened_by=asked):
        chosen = {
            times: field_slider(
                Ladder.model_fields[times],
                times,
                title=_rung(times),
                help=f"{one.what} In times its default weight of {_plain(one.weight)}. {type(one).model_fields['weight'].description}",
            )
            for times, one in asked.items()
        }
        st.caption("Weights: " + ", ".join(f"{_rung(times).lower()} {_plain(chosen[times] * one.weight)}" for times, one in asked.items()) + ".")
    return chosen


def _rung(times: str) -> str:
    """Which rung a weight is of, as its field names it."""
    return said_of(Ladder.model_fields[times])["title"].removeprefix("Weight on ").capitalize()


def _plain(weight: float) -> str:
    """Two digits, however small."""
    return np.format_float_positional(weight, precision=2, fractional=False, trim="-")


_SHARE = f"{SHARE_OF_MEMORY:.0%} of"


def _too_much(asked: int, allowed: int) -> str:
    return (
        f"What this ladder sees inside the teacher asks for {size(8 * asked)} of memory. Such signals may take "
        f"{size(8 * allowed)}, {_SHARE} what is free on this machine now. Take fewer labels, a smaller transfer set or "
        "fewer seeds, or leave the placebos out."
    )
