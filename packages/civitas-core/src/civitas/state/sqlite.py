"""A state store in one SQLite file, for any number of agents and OS processes."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from civitas.errors import ConfigurationError, StateStoreError
from civitas.state.sqlite_file import make_ready
from civitas.state.sqlite_log import ShortLog
from civitas.state.store import check_key
from civitas.state.values import decode_value, encode_value

if TYPE_CHECKING:
    import aiosqlite

__all__ = ["SCHEMA_VERSION", "SQLiteStateStore"]

SCHEMA_VERSION = 1
"""Written to the file as ``user_version``; a file with a newer one is left alone."""

# "CIVT": tells our file from the database of another application.
_APPLICATION_ID = 0x43495654

_CREATE = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS civitas_state (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_WHOSE = """
SELECT (SELECT application_id FROM pragma_application_id),
       (SELECT user_version FROM pragma_user_version),
       (SELECT count(*) FROM sqlite_schema)
"""

# Rows of one statement: more gain nothing, and each size is a statement of its own in SQLite's cache.
_LARGEST_GROUP = 256

_Result = TypeVar("_Result")

_Change: TypeAlias = "tuple[str, bytes | None, asyncio.Future[None]]"
"""Key, encoded value (None: forget it), and who waits for it."""


class SQLiteStateStore:
    """Keeps state in one SQLite file: it outlives crashes, kills and power cuts.

    `set` and `delete` return when the change is on the disk (write-ahead log, full sync). What is asked for while a
    commit runs goes into the next one together. Any number of OS processes may use one file; a lock that another one
    holds is waited for.

    The file is opened at the first call. Use one store from one event loop; `close` ends its thread.

    Args:
        path: The file; made when it is not there, readable and writable only by its owner. Its folder must exist.
        busy_timeout: Seconds to wait for a lock that another process holds.

    Raises:
        ConfigurationError: An argument does not fit.

    Every method raises `StateStoreError` when the file cannot be used; it names the file and the cure.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 30.0) -> None:
        if not path or not isinstance(path, (str, os.PathLike)):
            raise ConfigurationError(f"SQLiteStateStore: path is a file's path; got {path!r}")
        if os.fspath(path) == ":memory:":
            raise ConfigurationError(
                "SQLiteStateStore(':memory:') would keep nothing; use InMemoryStateStore()"
            )
        if isinstance(busy_timeout, bool) or not isinstance(busy_timeout, (int, float)):
            raise ConfigurationError(
                f"SQLiteStateStore: busy_timeout is a number of seconds; got {busy_timeout!r}"
            )
        if not busy_timeout > 0:
            raise ConfigurationError(
                f"SQLiteStateStore: busy_timeout must be more than 0 seconds; got {busy_timeout!r}"
            )
        # Absolute at once: a later chdir must not lead to another file.
        self.path = Path(path).absolute()
        self._busy_timeout = busy_timeout
        self._log = ShortLog(self.path)
        self._connection: aiosqlite.Connection | None = None
        self._file: os.stat_result | None = None  # what the connection has opened
        self._opening: asyncio.Task[aiosqlite.Connection] | None = None
        self._pending: list[_Change] = []
        self._writing = False
        self._next: asyncio.Task[None] | None = None  # held, as the loop holds tasks weakly
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Open the file now rather than at the first call; again after `close`."""
        self._closed = False
        try:
            if self._connection is None:
                await self._open()
        except Exception as error:
            raise _explain(self.path, error) from error

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None if there is none."""
        rows = await self._read("SELECT value FROM civitas_state WHERE key = ?", (check_key(key),))
        return decode_value(rows[0][0], key) if rows else None

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`; on the disk when this returns.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it.
            StateStoreError: It was not saved.
        """
        await self._write(check_key(key), encode_value(value))

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; gone from the disk when this returns."""
        await self._write(check_key(key), None)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        rows = await self._read(
            "SELECT key FROM civitas_state WHERE key >= ? AND key < ? ORDER BY key",
            (prefix, _behind(prefix)),
        )
        return [row[0] for row in rows]

    async def close(self) -> None:
        """Write what is still waiting, and close the file. May be called twice."""
        self._closed = True
        while self._writing:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)
        if self._opening is not None:
            await asyncio.wait({self._opening})
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
            # It has nothing more to do than to end.
            _thread(connection).join(1.0)

    def __repr__(self) -> str:
        return f"<SQLiteStateStore {self.path}>"

    async def _read(self, sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
        if self._closed:
            raise self._is_closed()
        try:
            connection = self._connection or await self._open()
            rows = await self._patiently(lambda: _rows(connection, sql, parameters))
            self._check_file()
            return rows
        except Exception as error:
            raise _explain(self.path, error) from error

    async def _write(self, key: str, raw: bytes | None) -> None:
        if self._closed:
            raise self._is_closed(key)
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((key, raw, saved))
        if not self._writing:
            self._writing = True
            try:
                await self._commit_group()
            except asyncio.CancelledError:
                saved.cancel()  # nobody waits for it any more
                raise
        await saved

    async def _commit_group(self) -> None:
        """Commit what waits; one caller does it for all, which saves a single caller the switch to another task."""
        group: list[_Change] = []
        try:
            # Everyone who is runnable now gets a turn first: those whose group was just committed write again in that
            # turn, and so share the next commit.
            await asyncio.sleep(0)
            group = self._pending[:_LARGEST_GROUP]
            del self._pending[:_LARGEST_GROUP]
            await self._commit(group)
        except asyncio.CancelledError:
            # Only this caller was cancelled. The others' changes are written once more: that does no harm.
            self._pending[:0] = [change for change in group if not change[2].done()]
            raise
        finally:
            if self._pending:
                self._next = asyncio.get_running_loop().create_task(self._commit_group())
            else:
                self._writing = False
                if self._idle is not None:
                    self._idle.set_result(None)
                    self._idle = None

    async def _commit(self, group: list[_Change]) -> None:
        try:
            connection = self._connection or await self._open()
            await self._save(connection, {key: raw for key, raw, _ in group})
        except Exception as error:
            if len(group) > 1 and self._connection is not None:
                # One value too large for the disk must not take the others along.
                for change in group:
                    await self._commit([change])
                return
            for key, _, saved in group:
                if not saved.done():
                    saved.set_exception(_explain(self.path, error, key))
        else:
            for _, _, saved in group:
                if not saved.done():
                    saved.set_result(None)

    async def _save(
        self, connection: aiosqlite.Connection, changes: dict[str, bytes | None]
    ) -> None:
        await self._log.keep(lambda sql: _rows(connection, sql))
        # Outside of BEGIN, one statement is one transaction: that is one visit to the connection's thread where
        # BEGIN, INSERT and COMMIT would be three. It takes the write lock before it reads, as BEGIN IMMEDIATE does.
        gone = [key for key, raw in changes.items() if raw is None]
        kept = [item for key, raw in changes.items() if raw is not None for item in (key, raw)]
        if kept:
            await self._patiently(lambda: _rows(connection, _upsert(len(kept) // 2), kept))
        if gone:
            await self._patiently(lambda: _rows(connection, _delete(len(gone)), gone))
        self._check_file()

    async def _patiently(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        """Try until no other connection is in the way.

        SQLite could wait by itself, but it would do so in the connection's only thread, where nobody could read
        meanwhile, and in steps of up to a tenth of a second.
        """
        until: float | None = None
        while True:
            try:
                return await attempt()
            except Exception as error:
                if not _is_busy(error):
                    raise
                now = time.monotonic()
                if until is None:
                    until = now + self._busy_timeout
                if now >= until:
                    raise StateStoreError(
                        f"another process kept the state store {self.path} locked for "
                        f"{self._busy_timeout:g} s. Let it finish, or raise busy_timeout"
                    ) from error
            # At random: processes that wait for the same lock must not do so in step.
            await asyncio.sleep(random.uniform(0.0005, 0.004))

    def _check_file(self) -> None:
        """Notice that somebody removed or replaced the file: nobody would find again what goes into the old one."""
        try:
            now = os.stat(self.path)  # noqa: PTH116  # at every call: Path's takes longer
        except FileNotFoundError:
            now = None
        if now is not None and self._file is not None and os.path.samestat(now, self._file):
            return
        # Not opened again: SQLite would mix what is in the old file's log into the new file.
        what = "removed" if now is None else "replaced"
        raise StateStoreError(
            f"the state store {self.path} was {what} while it was in use, and nothing is saved any more. Stop the "
            "system, put the right file in place without a -wal or -shm beside it, and start again"
        )

    async def _open(self) -> aiosqlite.Connection:
        # A task of its own, shared by all who come first: the cancellation of one must not stop it half way.
        opening = self._opening
        if opening is None:
            opening = self._opening = asyncio.get_running_loop().create_task(self._connect())
        try:
            return await asyncio.shield(opening)
        finally:
            if opening.done() and self._opening is opening:
                self._opening = None

    async def _connect(self) -> aiosqlite.Connection:
        import aiosqlite

        make_ready(self.path)
        connecting = aiosqlite.connect(self.path, isolation_level=None, timeout=0)
        # A store that nobody closed must not keep the interpreter from ending.
        _thread(connecting).daemon = True
        connection = await connecting
        try:
            await self._prepare(connection)
            self._file = self.path.stat()
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return connection

    async def _prepare(self, connection: aiosqlite.Connection) -> None:
        """Check whose file it is before anything in it is changed, then make it ready."""
        # One statement, as another process may be making the file at this moment.
        rows = await self._patiently(lambda: _rows(connection, _WHOSE))
        application, version, tables = rows[0]
        if application != _APPLICATION_ID and (application or version or tables):
            raise StateStoreError(
                f"{self.path} is the database of another application and was left alone; "
                "give the state store a path of its own"
            )
        if version > SCHEMA_VERSION:
            raise StateStoreError(
                f"the state store {self.path} was written by a newer Civitas (schema {version}, this one knows "
                f"{SCHEMA_VERSION}) and was left alone. Upgrade civitas-core, or give another path"
            )
        rows = await self._patiently(lambda: _rows(connection, "PRAGMA journal_mode = WAL"))
        mode = rows[0][0]
        if mode != "wal":
            raise StateStoreError(
                f"the file system of {self.path} cannot hold a write-ahead log (journal mode {mode!r}); "
                "put the file on a local disk"
            )
        await _rows(connection, "PRAGMA synchronous = FULL")
        if application != _APPLICATION_ID:
            await self._patiently(lambda: self._create(connection))

    async def _create(self, connection: aiosqlite.Connection) -> None:
        try:
            await connection.executescript(_CREATE)
        except Exception:
            if connection.in_transaction:
                await connection.rollback()
            raise

    def _is_closed(self, key: str | None = None) -> StateStoreError:
        return StateStoreError(
            f"the state store {self.path} is closed; make a new SQLiteStateStore", key=key
        )


def _thread(connection: aiosqlite.Connection) -> threading.Thread:
    # Up to aiosqlite 0.21 a connection is a thread, since then it has one.
    thread: Any = getattr(connection, "_thread", connection)
    assert isinstance(thread, threading.Thread)
    return thread


@lru_cache(maxsize=_LARGEST_GROUP)
def _upsert(rows: int) -> str:
    marks = ",".join(["(?,?)"] * rows)
    return (
        f"INSERT INTO civitas_state (key, value) VALUES {marks} "  # noqa: S608  # question marks only
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )


def _behind(prefix: str) -> str | bytes:
    """What sorts right behind all that begins with `prefix`, so that only these are read."""
    for index in reversed(range(len(prefix))):
        code = ord(prefix[index]) + 1
        if code <= sys.maxunicode:
            return prefix[:index] + chr(0xE000 if code == 0xD800 else code)  # no surrogates
    return b""  # SQLite sorts bytes behind all text


def _delete(rows: int) -> str:
    marks = ",".join("?" * rows)
    return f"DELETE FROM civitas_state WHERE key IN ({marks})"  # noqa: S608  # question marks only


async def _rows(
    connection: aiosqlite.Connection, sql: str, parameters: Sequence[Any] = ()
) -> list[Any]:
    return list(await connection.execute_fetchall(sql, parameters))


# Loaded with the first error: `import civitas` does without sqlite3.


def _is_busy(error: BaseException) -> bool:
    from civitas.state.sqlite_errors import is_busy

    return is_busy(error)


def _explain(path: Path, error: BaseException, key: str | None = None) -> StateStoreError:
    from civitas.state.sqlite_errors import explain

    return explain(path, error, key)
