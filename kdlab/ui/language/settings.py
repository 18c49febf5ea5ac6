"""What an experiment with language models is launched with."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError

from kdlab.core.counted import counted
from kdlab.distill.objective_catalogue import TEXT_OBJECTIVES
from kdlab.models.causal_shapes import LANGUAGE_STUDENTS, WINDOW, parameters
from kdlab.models.language_teachers import find_language_teacher, language_teachers
from kdlab.runs.spec import explain
from kdlab.runs.store import Store, StoreError
from kdlab.runs.text_needs import not_ready_because
from kdlab.runs.text_recipes import Economy, Prefixes, Race, TextRecipe
from kdlab.runs.text_spec import TextSpec
from kdlab.ui.language.own_texts import bring_own_text, corpora_on_offer
from kdlab.ui.look.folded import folded
from kdlab.ui.look.numbers import size
from kdlab.ui.run.controls import objective_settings, spec_choice, spec_slider, training_controls
from kdlab.ui.run.keys import key_of
from kdlab.ui.run.source import Shown
from kdlab.ui.run.steering import in_hand, steer, whom_it_steers
from kdlab.ui.url_state import adopt, as_it_is, at_most, publish
from kdlab.ui.widgets.field_slider import said_of

_SOFT = ("sampled_kl", "forward_kl", "reverse_kl", "generalized_jsd", "top_k_kl", "renormalised_top_k_kl")


def text_settings(recipe: type[TextRecipe], shown: Shown, store: Store | None, run_id: str | None) -> TextSpec | None:
    """Draws the settings, and steers a run at work by two of them; None where they do not fit together, or such a run would fail now."""
    begin = recipe()
    values: dict[str, Any] = {}
    choice = st.container()
    bring_own_text(key_of(recipe, "dataset"))
    texts = corpora_on_offer()
    with choice:
        values["dataset"] = spec_choice("dataset", texts, begin)
    values["teacher"] = spec_choice("teacher", {one.name: one.title for one in language_teachers()}, begin)
    if teacher := find_language_teacher(values["teacher"]):
        st.caption(as_it_is(teacher.what))
    hindrance = st.container()  # always there, so that what follows keeps its place
    values["student"] = spec_choice("student", {name: one.title for name, one in LANGUAGE_STUDENTS.items()}, begin)
    with st.container(key="steering-at-work" if in_hand(shown.run) else "steering"), st.container(key="steering-hand"):
        values["temperature"] = spec_slider("temperature", begin)
        values["kd_weight"] = spec_slider("kd_weight", begin)
        beside_steering = st.container()
    if recipe is Race:
        with folded("Soft targets", key="text-objective-settings", opened_by=("objective",)):
            values["objective"] = objective_settings({name: TEXT_OBJECTIVES[name] for name in _SOFT}, begin)
    if recipe is Prefixes:
        for field in ("own_share", "warm"):
            values[field] = spec_slider(field, begin)
    values["prompt"] = _prompt(begin)
    values |= training_controls(begin)
    try:
        with hindrance, st.spinner("Reading the text's tokens", show_time=True):
            settings = recipe.model_validate(values)
            spec: TextSpec = settings.spec()
            why_not = not_ready_because(spec)
    except ValidationError as error:
        for sentence in explain(error):
            st.warning(sentence, icon=":material/tune:")
        return None
    try:
        beside_steering.caption(whom_it_steers(steer(store, run_id, settings), settings))
    except StoreError as error:  # the next move is told again
        beside_steering.warning(str(error), icon=":material/sync_problem:")
    st.caption(_asks(spec, recipe, texts[spec.dataset]))
    if why_not:
        hindrance.warning(as_it_is(why_not), icon=":material/block:")
        return None
    return spec


def _prompt(begin: TextRecipe) -> str:
    """What every student writes on from; an empty one is the one that it began with."""
    info, key = type(begin).model_fields["prompt"], key_of(type(begin), "prompt")
    longest = next(bound.max_length for bound in info.metadata if hasattr(bound, "max_length"))
    adopt(key, begin.prompt, lambda text: text[:longest] or None)
    at_most(key, longest)
    chosen = st.text_input(said_of(info)["title"], key=key, max_chars=longest, help=info.description).strip() or begin.prompt
    publish(key, None if chosen == begin.prompt else chosen)
    return chosen


def _asks(spec: TextSpec, recipe: type[TextRecipe], text: str) -> str:
    """What such a run asks of this machine and of its teacher, in sentences."""
    students, windows = len(spec.arms) * spec.seeds, spec.total_steps * spec.batch_size
    own = parameters(spec.student, spec.vocabulary)
    said = (
        f"{counted(students, 'students')} of {own:,} parameters × {counted(spec.total_steps, 'steps')} of "
        f"{spec.batch_size * WINDOW:,} tokens, over the {spec.vocabulary:,} tokens of {as_it_is(text)}."
    )
    if recipe is Economy:
        return said
    whole = min(windows, 10**9) * WINDOW
    sent = max(spec.payload_bits(arm) for arm in spec.arms if arm.objective is not None)
    return f"{said} The teacher is asked about {whole:,} tokens at most, and sends up to {size(sent)} a token."
