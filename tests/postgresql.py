"""A PostgreSQL server of a test's own, on a free port of this machine; stopped and started as a test needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

_USER, PASSWORD = "lab", "not-to-be-seen"


def server_programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; None where PostgreSQL's server is not installed."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = Path(on_path) if on_path else next(reversed(debian), None)
    return found and found.parent


class PostgreSQL:
    """A server in an empty folder, which it gives to the user that runs it: PostgreSQL refuses to run as root."""

    def __init__(self, folder: Path, port: int, programs: Path) -> None:
        self._programs, self._data, self._port = programs, folder / "data", port
        self._log = folder / "server.log"
        self._user = "postgres" if sys.platform != "win32" and os.geteuid() == 0 else None
        secret = folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        if self._user:
            for path in (folder, secret):
                shutil.chown(path, self._user)
        self._call("initdb", "-U", _USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-N")

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql+psycopg://{_USER}:{password}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Returns when it lets connections in."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._call("pg_ctl", "-l", str(self._log), "-o", options, "-w", "start")

    def stop(self) -> None:
        """Every connection is cut off. Nothing where it is down already."""
        if (self._data / "postmaster.pid").exists():
            self._call("pg_ctl", "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """The URL of an empty database."""
        import sqlalchemy as sa

        name = f"lab_{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url(name)

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(
            command,
            cwd="/",
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            log = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
            pytest.fail(f"{program} failed: {done.stderr}\n{log}")
