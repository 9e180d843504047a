"""A state store in one SQLite file, for any number of agents and OS processes."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from civitas.errors import ConfigurationError, StateStoreError
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

# Rows of one statement: more gain nothing, and each size is a statement of its own in SQLite's cache.
_LARGEST_GROUP = 256

_Result = TypeVar("_Result")


class SQLiteStateStore:
    """Keeps state in one SQLite file: it outlives crashes, kills and power cuts.

    `set` and `delete` return when the change is on the disk (write-ahead log, full sync). What is asked for while a
    commit runs goes into the next one together. Any number of OS processes may use one file; a lock that another one
    holds is waited for.

    The file is opened at the first call. Use one store from one event loop; `close` ends its thread.

    Args:
        path: The file; made when it is not there. Its folder must exist.
        busy_timeout: Seconds to wait for a lock that another process holds.

    Raises:
        ConfigurationError: An argument does not fit.

    Every method raises `StateStoreError` when the file cannot be used; it names the file and the cure.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 30.0) -> None:
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
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
        self._connection: aiosqlite.Connection | None = None
        self._opening: asyncio.Task[aiosqlite.Connection] | None = None
        self._pending: list[tuple[str, bytes | None, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None where there is none."""
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
            "SELECT key FROM civitas_state WHERE key >= ? AND substr(key, 1, ?) = ? ORDER BY key",
            (prefix, len(prefix), prefix),
        )
        return [row[0] for row in rows]

    async def close(self) -> None:
        """Write what is still waiting, and close the file. May be called twice."""
        self._closed = True
        while self._flushing is not None:
            await asyncio.shield(self._flushing)
        if self._opening is not None:
            await asyncio.wait({self._opening})
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def __repr__(self) -> str:
        return f"<SQLiteStateStore {self.path}>"

    async def _read(self, sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
        if self._closed:
            raise self._is_closed()
        try:
            connection = self._connection or await self._open()
            return await self._patiently(lambda: connection.execute_fetchall(sql, parameters))
        except Exception as error:
            raise _explain(self.path, error) from error

    async def _write(self, key: str, raw: bytes | None) -> None:
        if self._closed:
            raise self._is_closed(key)
        loop = asyncio.get_running_loop()
        saved: asyncio.Future[None] = loop.create_future()
        self._pending.append((key, raw, saved))
        if self._flushing is None:
            # Begins after everyone who is runnable now had a turn: those whose group was just committed write again
            # in that turn, and so share the next commit.
            self._flushing = loop.create_task(self._flush(), name="civitas:state-store")
        await saved

    async def _flush(self) -> None:
        """Commit what waits, group after group, until nothing does."""
        try:
            while self._pending:
                group = self._pending[:_LARGEST_GROUP]
                del self._pending[:_LARGEST_GROUP]
                await self._commit(group)
        finally:
            self._flushing = None

    async def _commit(self, group: list[tuple[str, bytes | None, asyncio.Future[None]]]) -> None:
        try:
            connection = self._connection or await self._open()
            await self._save(connection, {key: raw for key, raw, _ in group})
        except Exception as error:
            if len(group) > 1 and self._connection is not None:
                # One value too large for the disk must not take the others along.
                for single in group:
                    await self._commit([single])
                return
            for key, _, saved in group:
                if not saved.done():
                    saved.set_exception(_explain(self.path, error, key))
        except BaseException:
            for _, _, saved in group:
                saved.cancel()
            raise
        else:
            for _, _, saved in group:
                if not saved.done():
                    saved.set_result(None)

    async def _save(
        self, connection: aiosqlite.Connection, changes: dict[str, bytes | None]
    ) -> None:
        # Outside of BEGIN, one statement is one transaction: that is one visit to the connection's thread where
        # BEGIN, INSERT and COMMIT would be three. It takes the write lock before it reads, as BEGIN IMMEDIATE does.
        gone = [key for key, raw in changes.items() if raw is None]
        kept = [item for key, raw in changes.items() if raw is not None for item in (key, raw)]
        if kept:
            rows = ",".join(["(?,?)"] * (len(kept) // 2))
            sql = (
                f"INSERT INTO civitas_state (key, value) VALUES {rows} "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            )
            await self._patiently(lambda: connection.execute_fetchall(sql, kept))
        if gone:
            marks = ",".join("?" * len(gone))
            forget = f"DELETE FROM civitas_state WHERE key IN ({marks})"
            await self._patiently(lambda: connection.execute_fetchall(forget, gone))

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
                        f"{self._busy_timeout:g} s. Let it finish, or give busy_timeout more seconds"
                    ) from error
            # At random: processes that wait for the same lock must not do so in step.
            await asyncio.sleep(random.uniform(0.0005, 0.004))

    async def _open(self) -> aiosqlite.Connection:
        # A task of its own, shared by all who come first: the cancellation of one must not stop it half way.
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect())
        try:
            return await asyncio.shield(self._opening)
        finally:
            if self._opening is not None and self._opening.done():
                self._opening = None

    async def _connect(self) -> aiosqlite.Connection:
        import aiosqlite

        self._check_place()
        connecting = aiosqlite.connect(self.path, isolation_level=None, timeout=0)
        # A store that nobody closed must not keep the interpreter from ending. Up to aiosqlite 0.21 the
        # connection is its own thread.
        getattr(connecting, "_thread", connecting).daemon = True
        connection = await connecting
        try:
            await self._prepare(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return connection

    async def _prepare(self, connection: aiosqlite.Connection) -> None:
        """Check whose file it is before anything in it is changed, then make it ready."""

        async def run(sql: str) -> Any:
            rows = list(await self._patiently(lambda: connection.execute_fetchall(sql)))
            return rows[0][0] if rows else None

        application = await run("PRAGMA application_id")
        version = await run("PRAGMA user_version")
        tables = await run("SELECT count(*) FROM sqlite_schema")
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
        mode = await run("PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise StateStoreError(
                f"the file system of {self.path} cannot hold a write-ahead log (journal mode {mode!r}); "
                "put the file on a local disk"
            )
        await run("PRAGMA synchronous = FULL")
        if application != _APPLICATION_ID:
            await self._patiently(lambda: self._create(connection))

    async def _create(self, connection: aiosqlite.Connection) -> None:
        try:
            await connection.executescript(_CREATE)
        except Exception:
            if connection.in_transaction:
                await connection.rollback()
            raise

    def _check_place(self) -> None:
        # SQLite says "unable to open database file" to all of these.
        if self.path.is_dir():
            raise StateStoreError(
                f"cannot use the state store {self.path}: it is a folder. Name a file in it"
            )
        if not self.path.parent.is_dir():
            raise StateStoreError(
                f"cannot use the state store {self.path}: there is no folder {self.path.parent}. "
                f"Make it (mkdir -p {self.path.parent}), or give another path"
            )

    def _is_closed(self, key: str | None = None) -> StateStoreError:
        return StateStoreError(
            f"the state store {self.path} is closed; make a new SQLiteStateStore", key=key
        )


# Loaded with the first error: `import civitas` does without sqlite3.


def _is_busy(error: BaseException) -> bool:
    from civitas.state.sqlite_errors import is_busy

    return is_busy(error)


def _explain(path: Path, error: BaseException, key: str | None = None) -> StateStoreError:
    from civitas.state.sqlite_errors import explain

    return explain(path, error, key)
