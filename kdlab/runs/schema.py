"""The store's tables, and how a database comes to have them."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kdlab.runs.home import keep_to_owner

# Counts up where an older lab could not go on with the store. Nullable columns and indexes are simply added.
SCHEMA_VERSION = 1
AT_WORK = ("running", "paused")
ACTIVE = ("queued", *AT_WORK)

_OPENERS = 20  # that may open an empty store at the same moment

_metadata = sa.MetaData()
meta_table = sa.Table(
    "meta", _metadata, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String)
)
runs_table = sa.Table(
    "runs",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("heartbeat", sa.Float),
    sa.Column("step", sa.Integer, nullable=False, default=0),
    sa.Column("steps", sa.Integer, nullable=False, default=0),
    sa.Column("message", sa.String, nullable=False, default=""),
    sa.Column("command", sa.String, nullable=False, default=""),
    sa.Column("steering", sa.JSON, nullable=False, default=dict),
    sa.Column("steered", sa.JSON),  # what of the steering has acted
    sa.Column("result", sa.JSON),
    sa.Column("launch", sa.String),  # who asked for which spec; None once it is stopped
    sa.Column("claim", sa.String),  # the token of the worker that holds the run; None where none does
    sa.Column("deleted", sa.Float),  # hidden since; gone for good when the time to undo it is over
    sa.Column("dataset", sa.String),  # of the spec, to narrow a list by
)
VISIBLE = runs_table.c.deleted.is_(None)
sa.Index(
    "one_active_run_a_launch",
    runs_table.c.launch,
    unique=True,
    sqlite_where=runs_table.c.state.in_(ACTIVE),
    postgresql_where=runs_table.c.state.in_(ACTIVE),
)
# Each holds all that a list is narrowed and ordered by, so that no row is read to find those of a page.
_LISTED = ("created", "id", "owner", "state", "dataset", "deleted")
for _first in ((), ("owner",), ("state",)):
    _names = dict.fromkeys((*_first, *_LISTED))
    sa.Index("_by_".join(("runs_listed", *_first)), *(runs_table.c[name] for name in _names))
sa.Index(
    "runs_deleted",
    runs_table.c.deleted,
    sqlite_where=~VISIBLE,
    postgresql_where=~VISIBLE,
)
points_table = sa.Table(
    "points",
    _metadata,
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
)


class StoreError(Exception):
    """The store cannot be read or written; the message says why and what to do next."""


def open_schema(engine: sa.Engine) -> Path | None:
    """Makes the tables where there are none. A SQLite store of an older version is put aside whole: its new path.

    Raises StoreError for a store that is newer, or older and no file of ours to move.
    """
    version, aside = _version(engine), None
    if version is not None and version > SCHEMA_VERSION:
        raise StoreError(
            "The lab's store was written by a newer KD Lab. Update this one, or name another folder in "
            "KDLAB_HOME; the store was left as it is."
        )
    if version is not None and version < SCHEMA_VERSION:
        aside = _put_aside(engine, version)
    for last in (*[False] * _OPENERS, True):
        try:
            _make(engine)
            break
        except sa.exc.DatabaseError:  # another made the same at this moment; only what is missing is made
            if last:
                raise
    if version != SCHEMA_VERSION:
        # Another process may have opened the same empty store a moment ago.
        with contextlib.suppress(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(meta_table.insert().values(key="schema", value=str(SCHEMA_VERSION)))
    return aside


def _make(engine: sa.Engine) -> None:
    """Makes the tables, columns and indexes that are not there."""
    _metadata.create_all(engine)
    there = {column["name"] for column in sa.inspect(engine).get_columns(runs_table.name)}
    with engine.begin() as connection:
        for column in runs_table.columns:
            if column.name not in there:
                kind = column.type.compile(engine.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {runs_table.name} ADD COLUMN {column.name} {kind}")
        if runs_table.c.dataset.name not in there:
            named = runs_table.c.spec["dataset"].as_string()
            if engine.dialect.name == "sqlite":  # where a damaged spec may be anything
                named = sa.case((sa.func.json_valid(sa.cast(runs_table.c.spec, sa.Text)), named))
            connection.execute(runs_table.update().values(dataset=named))
        for index in runs_table.indexes:
            index.create(connection, checkfirst=True)


def _version(engine: sa.Engine) -> int | None:
    """The schema's version; None in an empty database, 0 in one from before versions were kept."""
    tables = sa.inspect(engine).get_table_names()
    if not tables:
        return None
    if "meta" not in tables:
        return 0
    with engine.connect() as connection:
        value = connection.scalar(sa.select(meta_table.c.value).where(meta_table.c.key == "schema"))
    return int(value) if value else None  # another process is making the tables at this moment


def _put_aside(engine: sa.Engine, version: int) -> Path:
    old = database_file(engine)
    if old is None:
        raise StoreError(
            "The database in KDLAB_DATABASE_URL was written by an older KD Lab. Name an empty database there; "
            "the old one was left as it is."
        )
    # Folding the write-ahead log in first: only then is the one file all of it.
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    aside = old.with_name(f"{old.stem}-version-{version}-{time.strftime('%Y%m%d-%H%M%S')}{old.suffix}")
    old.rename(aside)
    keep_to_owner(old)
    return aside


def database_file(engine: sa.Engine) -> Path | None:
    """The file that holds a SQLite database; None where no file of ours does."""
    named = engine.url.database or ""
    ours = engine.dialect.name == "sqlite" and named and named != ":memory:" and not named.startswith("file:")
    return Path(named) if ours else None


def sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.text_factory = lambda raw: raw.decode(errors="replace")  # one damaged text spoils no other row
