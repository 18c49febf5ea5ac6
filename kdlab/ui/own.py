"""What of visitors' own data sets and teachers this visitor is offered and shown."""

from __future__ import annotations

from kdlab.data import visitor_sets
from kdlab.data.registry import DATASETS, get_dataset
from kdlab.models.added_teachers import is_added, is_of
from kdlab.models.catalogue import TeacherEntry, shown_by, teachers_for
from kdlab.server.identity import visitor_id


def own_sets() -> dict[str, str]:
    """The visitor's own data sets, the newest first: name → the name of the file."""
    return visitor_sets.sets_of(visitor_id())


def datasets_on_offer() -> dict[str, str]:
    """Name → title of the data sets that this visitor can train on: the lab's, and own ones that have a teacher."""
    own = {name: file for name, file in own_sets().items() if teachers_on_offer(name)}
    return {name: data.title for name, data in DATASETS.items()} | own


def teachers_on_offer(dataset: str) -> list[TeacherEntry]:
    """The bundled teachers of a data set, and those that this visitor added."""
    visitor = visitor_id()
    return [entry for entry in teachers_for(dataset) if not is_added(entry.name) or is_of(entry.name, visitor)]


def examples_on_offer() -> dict[str, str]:
    """Name → title of the data sets whose examples this visitor can ask a teacher about that shows its doubts."""
    doubted = {name: file for name, file in own_sets().items() if teachers_with_doubts(name)}
    return {name: data.title for name, data in DATASETS.items()} | doubted


def teachers_with_doubts(dataset: str) -> list[TeacherEntry]:
    """Those on offer that show more than a class."""
    return [entry for entry in teachers_on_offer(dataset) if shown_by(entry.name) != "label"]


def texts_hidden_because(dataset: str) -> str | None:
    """Why this visitor is not shown the examples of a data set, in a sentence; None where they are."""
    if dataset in DATASETS:
        return None
    if get_dataset(dataset).taken_away:
        return "The texts of this data set were taken away by who brought them."
    if not visitor_sets.may_read(dataset, visitor_id()):
        return "The texts of this data set are shown to who brought them, and to nobody else."
    return None
