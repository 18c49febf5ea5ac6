"""The list of runs, narrowed and cut into pages in the database: no page reads more rows than it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from kdlab.runs.schema import ACTIVE, VISIBLE, runs_table

PAGE = 20  # runs
_runs = runs_table.c
NEWEST_FIRST = (_runs.created.desc(), _runs.id.desc())


@dataclass(frozen=True)
class Which:
    """What a list is narrowed to; what is None narrows nothing."""

    owner: str | None = None
    not_owner: str | None = None
    state: str | None = None
    dataset: str | None = None


ALL = Which()


def ids_of_page(which: Which, number: int) -> sa.Select:
    """Selects the ids on a page, from 1; an index answers it alone, whatever the rows hold."""
    return _narrowed(sa.select(_runs.id), which).order_by(*NEWEST_FIRST).offset((number - 1) * PAGE).limit(PAGE)


def number_of(which: Which) -> sa.Select:
    """Counts the runs on all pages."""
    return _narrowed(sa.select(sa.func.count(_runs.id)), which)


class Line(NamedTuple):
    """What a table of runs needs of one: neither its settings nor its result is read."""

    id: str
    state: str
    owner: str
    created: float
    dataset: str | None
    step: int
    steps: int

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


def lines(prefix: str = "", *, active: bool | None = None, limit: int | None = None) -> sa.Select:
    """Selects the columns of `Line` of the runs whose id begins so, newest first; all states where active is None."""
    query = sa.select(*(_runs[name] for name in Line._fields)).where(VISIBLE)
    if prefix:
        query = query.where(_runs.id.startswith(prefix, autoescape=True))
    if active is not None:
        query = query.where(_runs.state.in_(ACTIVE) if active else _runs.state.not_in(ACTIVE))
    return query.order_by(*NEWEST_FIRST).limit(limit)


def _narrowed(query: sa.Select, which: Which) -> sa.Select:
    query = query.where(VISIBLE)
    if which.owner is not None:
        query = query.where(_runs.owner == which.owner)
    if which.not_owner is not None:
        query = query.where(_runs.owner != which.not_owner)
    if which.state is not None:
        query = query.where(_runs.state == which.state)
    if which.dataset is not None:
        query = query.where(_runs.dataset == which.dataset)
    return query
