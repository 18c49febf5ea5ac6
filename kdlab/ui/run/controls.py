"""Controls made from the run's spec: range, step, unit and help stand there once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st
from pydantic.fields import FieldInfo
from streamlit.delta_generator import DeltaGenerator

from kdlab.data.registry import Dataset, get_dataset
from kdlab.distill.objective_catalogue import OBJECTIVES, Objective
from kdlab.lessons.cards import data_words, teacher_words
from kdlab.lessons.presets import PRESETS
from kdlab.models.added_teachers import Shows
from kdlab.models.catalogue import own_students, shown_by, students_for
from kdlab.models.student_folder import folder_students
from kdlab.runs.recipes import Recipe, ThreeArms
from kdlab.ui.look.folded import folded
from kdlab.ui.own import datasets_on_offer, teachers_on_offer
from kdlab.ui.run.keys import key_of
from kdlab.ui.run.steering import forget_slider_positions
from kdlab.ui.url_state import adopt, as_it_is, literal, place_of, publish, url_choice
from kdlab.ui.widgets.field_slider import field_slider, said_of

_THREE_ARMS = ThreeArms()


def apply_preset(name: str) -> None:
    """Sets every control to the preset's value; for a button's callback."""
    set_controls(ThreeArms.model_validate(PRESETS[name].values))


def set_controls(settings: Recipe, elsewhere: Mapping[str, str] = MappingProxyType({})) -> None:
    """Sets every control to the setting's value, before the controls are shown.

    elsewhere: settings that the page asks for by another name, with more than a setting hanging on it: setting → name.
    """
    default = settings.beginning(settings.dataset)
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if field in elsewhere:
            st.session_state.pop(elsewhere[field], None)  # the page takes it as from a link
            st.query_params[elsewhere[field]] = value
        elif isinstance(value, Objective):
            key = key_of(type(settings), field)
            _set(key, value.name, getattr(default, field).name)
            for own, info in type(value).model_fields.items():
                if own != "name":
                    _set(f"{key}_{own}", getattr(value, own), info.default)
        else:
            _set(key_of(type(settings), field), value, getattr(default, field))
    forget_slider_positions()


def _set(key: str, value: Any, default: Any) -> None:
    st.session_state[key] = value
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    publish(key, None if value == default else text)


def names_settings(
    parameters: Iterable[str], of: type[Recipe], elsewhere: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Whether a URL's parameters say how the controls stand. elsewhere: as for `set_controls`."""
    names = {elsewhere.get(field, field) for field in of.model_fields}
    return any(name in names or name.startswith("objective_") for name in parameters)


def begin_anew(before: Recipe, begin: Recipe, but: Iterable[str]) -> None:
    """Other data begin with other settings: what stood as it began goes along, what was chosen stays.

    but: settings that the controls do not show, or that the page asks for by another name.
    """
    for field in set(type(begin).model_fields) - set(but):
        old, new = getattr(before, field), getattr(begin, field)
        if old != new and st.session_state.get(field) == old:
            _set(field, new, new)
    forget_slider_positions()


def spec_slider(field: str, begin: Recipe = _THREE_ARMS, **limits: float) -> float:
    """A live slider for a number of a recipe's settings. begin: the settings that the page begins with."""
    return field_slider(type(begin).model_fields[field], key_of(type(begin), field), value=getattr(begin, field), **limits)


def spec_choice(field: str, titles: dict[str, str], begin: Recipe = _THREE_ARMS) -> str:
    """A select box for a name of a recipe's settings. titles: name → what is shown."""
    info, named = type(begin).model_fields[field], getattr(begin, field)
    named = getattr(named, "name", named)
    default = named if named in titles else next(iter(titles))
    key = key_of(type(begin), field)
    notice = url_choice(key, titles, default)
    chosen = st.selectbox(
        said_of(info)["title"],
        list(titles),
        place_of(key, titles),
        format_func=titles.__getitem__,
        key=key,
        help=info.description,
        disabled=len(titles) < 2,
    )
    if notice:
        st.caption(notice)
    publish(key, None if chosen == default else chosen)
    return chosen


def switch(info: FieldInfo, key: str) -> bool:
    """A toggle for a yes or no of a spec."""
    adopt(key, info.default, {"true": True, "false": False}.get)
    chosen = st.toggle(said_of(info)["title"], key=key, help=info.description)
    publish(key, None if chosen == info.default else str(chosen).lower())
    return chosen


def choose_student(data: Dataset, begin: Recipe = _THREE_ARMS) -> str:
    """The lab's students that read these data, and of texts the folders that the lab's owner put there."""
    titles = {shape.name: shape.title for shape in students_for(data.name)}
    if data.kind == "image":
        return spec_choice("student", titles, begin)
    chosen = spec_choice("student", titles | {own.name: own.title for own in own_students()}, begin)
    for folder, why in folder_students()[1].items():
        st.caption(f":material/folder_off: {literal(folder)} cannot be a student. {as_it_is(why)}")
    return chosen


def objective_controls(shows: Shows) -> dict[str, Any]:
    """The objective and its own settings, made from what it declares. shows: what the teacher does of its answers."""
    # The teacher's answers are an arm of every run, and what needs no teacher is no distillation.
    learned = {name: cls for name, cls in OBJECTIVES.items() if cls.needs in ("logits", "top_k")}
    offered = {name: cls for name, cls in learned.items() if not cls.hidden_because(shows)} | {
        "label_smoothing": OBJECTIVES["label_smoothing"]
    }
    return objective_settings(offered)


def objective_settings(offered: Mapping[str, type[Objective]], begin: Recipe = _THREE_ARMS) -> dict[str, Any]:
    """One of these objectives by name, and its own settings."""
    name, key = spec_choice("objective", {name: cls.title for name, cls in offered.items()}, begin), key_of(type(begin), "objective")
    objective = offered[name]
    st.caption(f"{objective.what} :small[{objective.paper}]")
    st.latex(objective.formula)
    if "t_squared" not in objective.model_fields:
        st.caption("It does not soften: the temperature does nothing here.")
    values: dict[str, Any] = {"name": name}
    for field, info in objective.model_fields.items():
        if field != "name":
            control = switch if info.annotation is bool else field_slider
            values[field] = control(info, f"{key}_{field}")
    return values


_TRAINING = ("epochs", "tokens", "seeds", "learning_rate", "batch_size", "warm_up", "clip_norm")


def training_controls(begin: Recipe = _THREE_ARMS) -> dict[str, Any]:
    """How long and how fast it trains, and where: folded away."""
    numbers = [field for field in _TRAINING if field in type(begin).model_fields]
    with folded("Training", key="training-settings", opened_by=(*numbers, "schedule", "device")):
        values: dict[str, Any] = {field: spec_slider(field, begin) for field in numbers}
        values["schedule"] = spec_choice("schedule", {"constant": "Constant", "cosine": "Cosine"}, begin)
        values["device"] = spec_choice(
            "device", {"auto": "auto", "cpu": "CPU", "cuda": "CUDA GPU", "mps": "Apple GPU"}, begin
        )
    return values


def run_controls(*, steers: bool) -> tuple[dict[str, Any], DeltaGenerator]:
    """All controls of a run: the values for `ThreeArms`, and a place beside the steering sliders for words.

    steers: temperature and KD weight act on a run at work. On a phone they then stay on screen beside its picture.
    """
    values: dict[str, Any] = {}
    values["dataset"] = spec_choice("dataset", datasets_on_offer())
    data = get_dataset(values["dataset"])
    values["teacher"] = spec_choice(
        "teacher", {t.name: t.title for t in teachers_on_offer(data.name)}
    )
    st.caption(data_words(data), help=teacher_words(values["teacher"]))
    values["student"] = choose_student(data)
    with st.container(key="steering-at-work" if steers else "steering"), st.container(key="steering-hand"):
        values["temperature"] = spec_slider("temperature")
        values["kd_weight"] = spec_slider("kd_weight")
        beside_steering = st.container()
    values["labels"] = spec_slider("labels", min_value=len(data.classes), max_value=data.train_size)
    values["transfer"] = spec_slider("transfer", max_value=data.train_size - values["labels"])
    shows = shown_by(values["teacher"])
    if shows == "label":
        st.caption(
            ":material/lock: This teacher names a class and shows no probabilities: there are no soft targets to learn from, and the "
            "temperature does nothing. Two arms race."
        )
    else:
        with folded("Objective", key="objective-settings", opened_by=("objective",)):
            values["objective"] = objective_controls(shows)
    values |= training_controls()
    return values, beside_steering
