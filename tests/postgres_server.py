"""A real PostgreSQL server at a socket in a folder, which tests may kill and start again.

It refuses to run as root, so then it runs as nobody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.debian import do_without, library_path, program

__all__ = ["PostgresServer", "new_database"]

PATIENCE = 20.0


class PostgresServer:
    """A `postgres` with a database of its own.

    Args:
        data: The folder of a database as `new_database` made it, which stays as it is.
    """

    def __init__(self, data: Path) -> None:
        # Not pytest's folder, which is closed to others.
        self._folder = _own_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://civitas@/postgres?host={self._folder}"
        subprocess.run(["cp", "-a", data, self._folder / "data"], check=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> PostgresServer:
        """Start it, and wait until it can be connected to."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process is None or self._process.poll() is not None:
                self._run()  # the children of one that was killed may live for a moment longer
            try:
                psycopg.connect(self.url).close()
                return self
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.02)

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End it, and with -9 those that it began, too: one with a connection would answer on it for a moment."""
        began = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        pids = began.read_text().split() if began.exists() and how == signal.SIGKILL else []
        for pid in [self.pid, *map(int, pids)]:
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        assert self._process is not None
        self._process.wait()

    def sql(self, statement: str) -> list[Any]:
        """What a statement returns, by another program."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # at once, with its children
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(program("postgres"), "-D", self._folder / "data", "-k", self._folder),
                    *("-c", "listen_addresses=", "-c", "jit=off"),
                ],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **_owner(),
            )


@contextmanager
def new_database() -> Iterator[Path]:
    """The folder of a new database."""
    folder = _own_folder()
    try:
        done = subprocess.run(
            [
                *(program("initdb"), "--pgdata", folder / "data", "--username", "civitas"),
                *("--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            **_owner(),
        )
        assert done.returncode == 0, done.stderr
        yield folder / "data"
    finally:
        shutil.rmtree(folder)


def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="civitas-pg-"))
    if user := _owner().get("user"):
        shutil.chown(folder, user)
    return folder


def _owner() -> dict[str, Any]:
    """How its programs are run: as nobody instead of as root, which they refuse."""
    options: dict[str, Any] = {"env": {**os.environ, **library_path(), "LC_ALL": "C"}}
    if os.geteuid() != 0:
        return options
    try:
        pwd.getpwnam("nobody")
    except KeyError:
        do_without("PostgreSQL does not run as root, and there is no user 'nobody' here")
    return {**options, "user": "nobody", "extra_groups": []}
