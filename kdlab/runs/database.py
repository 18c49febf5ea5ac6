"""The database behind the store: its connections, and its faults in words.

SQLite (WAL) in the lab's home folder unless ``KDLAB_DATABASE_URL`` names another database.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import sqlalchemy as sa

from kdlab.data.home import home
from kdlab.runs.home import keep_to_owner
from kdlab.runs.schema import StoreError, database_file, meta_table, open_schema, sqlite_pragmas
from kdlab.runs.stored import json_or_text

_LOCK_PATIENCE = 15  # seconds that SQLite waits for another's lock


class Database:
    """Opens connections; whatever goes wrong in one is a StoreError. Safe to share between threads."""

    def __init__(self, url: str | None = None) -> None:
        url = url or os.environ.get("KDLAB_DATABASE_URL") or f"sqlite:///{home() / 'lab.sqlite'}"
        self._engine = _engine(url)
        with self._plain_errors():
            self._file = database_file(self._engine)
            if self._file is not None:
                keep_to_owner(self._file)
            self.set_aside = open_schema(self._engine)
            self._inode = self._file and self._file.stat().st_ino

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self._plain_errors(), self._still_there().connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: all that is done in it counts, or nothing."""
        with self._plain_errors(), self._still_there().begin() as connection:
            yield connection

    def touch(self) -> None:
        """Writes a row as it is. Raises StoreError where nothing can be written at this moment; waits for no lock."""
        same = meta_table.update().values(value=meta_table.c.value)
        with self.read() as connection:
            if self._engine.dialect.name != "sqlite":
                connection.execute(same)
                connection.commit()
                return
            connection.exec_driver_sql("PRAGMA busy_timeout = 200")
            try:
                connection.execute(same)
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * _LOCK_PATIENCE}")

    def _still_there(self) -> sa.Engine:
        """The engine. A connection would go on with a deleted file as if nothing had happened."""
        if self._file is not None:
            try:
                inode = self._file.stat().st_ino
            except FileNotFoundError as error:
                raise StoreError(
                    "The lab's store was deleted or moved away while the lab was open. Put it back, or start the "
                    "lab again to begin a new one."
                ) from error
            if inode != self._inode:  # another has been put in its place
                self._engine.dispose()
                open_schema(self._engine)
                self._inode = inode
        return self._engine

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, OSError) as error:
            way_out = (
                "Free some space or make the folder writable, or name another folder in KDLAB_HOME, and try again."
                if self._engine.dialect.name == "sqlite"
                else "See that the database that KDLAB_DATABASE_URL names is up and lets the lab in, and try again."
            )
            cause = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
            # A driver's further lines hold its guesses and what was to be written.
            cause = next(iter(str(cause).strip().splitlines()), type(error).__name__).strip()
            raise StoreError(
                f"The lab's store could not be used ({cause}). Nothing that was saved is lost. {way_out}"
            ) from error


def _engine(url: str) -> sa.Engine:
    try:
        ours = url.startswith("sqlite")
        made = sa.create_engine(
            url,
            connect_args={"timeout": _LOCK_PATIENCE} if ours else {"connect_timeout": 5},
            pool_pre_ping=not ours,  # a server that was away a moment ago cut every connection off
            json_deserializer=json_or_text,
        )
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StoreError(
            "KDLAB_DATABASE_URL is no address of a database that the lab knows. Write it like "
            "postgresql+psycopg://user:password@host/database or sqlite:////folder/lab.sqlite."
        ) from error
    except ImportError as error:
        packages = "-r requirements-postgresql.txt" if error.name == "psycopg" else error.name
        raise StoreError(
            f"The driver {error.name} for the database in KDLAB_DATABASE_URL is not installed. "
            f"Install it with: pip install {packages}"
        ) from error
    if ours:
        sa.event.listen(made, "connect", sqlite_pragmas)
    return made
