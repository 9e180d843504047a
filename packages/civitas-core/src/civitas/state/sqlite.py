"""A state store in one SQLite file, for any number of agents and OS processes."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from civitas.errors import ConfigurationError, StateConflict, StateStoreError
from civitas.state.sqlite_file import make_ready
from civitas.state.sqlite_groups import Groups, PendingWrite, Row
from civitas.state.sqlite_log import ShortLog
from civitas.state.sqlite_opening import prepare
from civitas.state.sqlite_statements import behind, change, delete, read, revisions, upsert
from civitas.state.store import check_key
from civitas.state.values import decode_value, encode_changes, encode_value

if TYPE_CHECKING:
    import aiosqlite

    from civitas.state.sqlite_shared import SharedConnection

__all__ = ["SQLiteStateStore"]

_READ_AT_ONCE = 500  # keys

_Result = TypeVar("_Result")


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
            raise ConfigurationError(f"SQLiteStateStore: path must be a file's path; got {path!r}")
        if os.fspath(path) == ":memory:":
            raise ConfigurationError(
                "SQLiteStateStore(':memory:') would keep nothing; use InMemoryStateStore()"
            )
        if isinstance(busy_timeout, bool) or not isinstance(busy_timeout, (int, float)):
            raise ConfigurationError(
                f"SQLiteStateStore: busy_timeout must be a number of seconds; got {busy_timeout!r}"
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
        self._shared: SharedConnection | None = None  # the same, for other threads than its own
        self._file: os.stat_result | None = None  # what the connection has opened
        self._opening: asyncio.Task[aiosqlite.Connection] | None = None
        self._groups = Groups(self._commit, self._problem)
        # From a random number on, so that no other process has the same.
        self._revisions = itertools.count(int.from_bytes(os.urandom(7)))
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

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision for `compare_and_set`; None and 0 if there is none."""
        rows = await self._read(
            "SELECT value, revision FROM civitas_state WHERE key = ?", (check_key(key),)
        )
        return (decode_value(rows[0][0], key), rows[0][1]) if rows else (None, 0)

    async def get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The values under `keys`, copies; a key under which nothing is, is left out."""
        found: dict[str, dict[str, Any]] = {}
        for some in _batched([check_key(key) for key in keys], _READ_AT_ONCE):
            rows = await self._read(read(len(some)), some)
            found.update((key, decode_value(raw, key)) for key, raw in rows)
        return found

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`; on the disk when this returns.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it.
            StateStoreError: It was not saved.
        """
        await self._write([(check_key(key), encode_value(value), next(self._revisions), None)])

    def _may_set_in_thread(self) -> bool:
        """Whether `_set_in_thread` is worth a try: with others that write at the same time `set` shares a commit."""
        return self._shared is not None and self._groups.lone and not self._closed

    def _set_in_thread(
        self, key: str, value: Callable[[], Mapping[str, Any]], may: Callable[[], bool]
    ) -> bool:
        """Store what `value` makes, in the thread that calls this, if nobody else writes and `may` allows it then.

        Returns:
            Whether it is on the disk. If not, call `set`, which does it, or says why it cannot be done.

        Raises:
            PayloadError: As for `set`.
        """
        shared = self._shared
        if shared is None or not self._may_set_in_thread():
            return False
        row = check_key(key), encode_value(value()), next(self._revisions)
        try:
            if not self._log.is_short():
                return False
            written = shared.execute_at_once(upsert(1), row, may)
            if written:
                self._check_file()
        except Exception:
            return False
        if not written:
            self._groups.meets_others()
        return written

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store `value` if what is there has this revision, 0 for nothing; return the new one.

        Raises:
            StateConflict: Somebody else has written meanwhile; what they wrote stays.
            PayloadError: As for `set`.
            StateStoreError: As for `set`.
        """
        return (await self.write({key: value}, expect={key: revision}))[key]

    async def write(
        self, changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        """Make all of `changes`, or none, in one commit; see `BatchStore`.

        Raises:
            StateConflict: Something else is there than was expected.
            PayloadError: As for `set`.
            StateStoreError: Nothing was changed.
        """
        rows: list[Row] = [
            (key, raw, next(self._revisions), expect.get(key))
            for key, raw in encode_changes(changes).items()
        ]
        rows += [(check_key(key), None, None, expect[key]) for key in expect if key not in changes]
        if rows:
            await self._write(rows)
        return {key: new for key, raw, new, _ in rows if raw is not None and new is not None}

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; gone from the disk when this returns."""
        await self._write([(check_key(key), None, 0, None)])

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        rows = await self._read(
            "SELECT key FROM civitas_state WHERE key >= ? AND key < ? ORDER BY key",
            (prefix, behind(prefix)),
        )
        return [row[0] for row in rows]

    async def close(self) -> None:
        """Write what is still waiting, and close the file. May be called twice."""
        self._closed = True
        await self._groups.finish()
        if self._opening is not None:
            await asyncio.wait({self._opening})
        connection, self._connection = self._connection, None
        self._shared = None
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

    def _write(self, rows: Sequence[Row]) -> Awaitable[None]:
        if self._closed:
            raise self._is_closed(rows[0][0])
        return self._groups.write(rows)

    async def _commit(self, group: Sequence[PendingWrite]) -> None:
        connection = self._connection or await self._open()
        await self._log.keep(lambda sql: _rows(connection, sql))
        # Outside of BEGIN, one statement is one transaction: that is one visit to the connection's thread where
        # BEGIN, INSERT and COMMIT would be three. It takes the write lock before it reads, as BEGIN IMMEDIATE does.
        if not all(write.is_plain for write in group):
            cells = [cell for write in group for row in write.rows for cell in row]
            await self._patiently(lambda: _rows(connection, change(len(cells) // 4), cells))
        else:
            changes = {row[0]: row for write in group for row in write.rows}
            gone = [key for key, raw, _, _ in changes.values() if raw is None]
            kept = [cell for row in changes.values() if row[1] is not None for cell in row[:3]]
            if kept:
                await self._patiently(lambda: _rows(connection, upsert(len(kept) // 3), kept))
            if gone:
                await self._patiently(lambda: _rows(connection, delete(len(gone)), gone))
        self._check_file()

    async def _problem(self, write: PendingWrite, error: Exception) -> Exception | None:
        """What went wrong with a write that was alone in its group."""
        key = write.rows[0][0]
        if not _is_conflict(error):
            return _explain(self.path, error, key)
        try:
            there = await self._there([row[0] for row in write.rows])
        except Exception as unread:
            return unread
        if write.again and all(
            raw is None if key not in there else there[key] == new
            for key, raw, new, _ in write.rows
            if new is not None
        ):
            return None
        return next(
            (
                StateConflict(key, expected, there.get(key, 0))
                for key, _, _, expected in write.rows
                if expected is not None and there.get(key, 0) != expected
            ),
            _explain(self.path, error, key),  # it has just been put back
        )

    async def _there(self, keys: Sequence[str]) -> dict[str, int]:
        connection = self._connection or await self._open()
        found: dict[str, int] = {}
        for some in _batched(keys, _READ_AT_ONCE):
            sql = revisions(len(some))
            found.update(await self._patiently(lambda: _rows(connection, sql, some)))  # noqa: B023
        return found

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
        from civitas.state.sqlite_shared import SharedConnection

        opened: list[SharedConnection] = []

        class OurConnection(SharedConnection):
            def __init__(self, *args: Any, **keywords: Any) -> None:
                super().__init__(*args, **keywords)
                opened.append(self)

        connecting = aiosqlite.connect(
            self.path,
            isolation_level=None,
            timeout=0,
            check_same_thread=False,
            factory=OurConnection,
        )
        # A store that nobody closed must not keep the interpreter from ending.
        _thread(connecting).daemon = True
        connection = await connecting
        try:
            await prepare(self.path, lambda sql: _rows(connection, sql), self._patiently)
            self._file = self.path.stat()
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._shared = opened[0] if opened[0].may_be_shared else None
        return connection

    def _is_closed(self, key: str | None = None) -> StateStoreError:
        return StateStoreError(
            f"the state store {self.path} is closed; make a new SQLiteStateStore", key=key
        )


def _batched(keys: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    return (keys[begin : begin + most] for begin in range(0, len(keys), most))


def _thread(connection: aiosqlite.Connection) -> threading.Thread:
    # Up to aiosqlite 0.21 a connection is a thread, since then it has one.
    thread: Any = getattr(connection, "_thread", connection)
    assert isinstance(thread, threading.Thread)
    return thread


async def _rows(
    connection: aiosqlite.Connection, sql: str, parameters: Sequence[Any] = ()
) -> list[Any]:
    return list(await connection.execute_fetchall(sql, parameters))


# Loaded with the first error: `import civitas` does without sqlite3.


def _is_busy(error: BaseException) -> bool:
    from civitas.state.sqlite_errors import is_busy

    return is_busy(error)


def _is_conflict(error: BaseException) -> bool:
    from civitas.state.sqlite_errors import is_conflict

    return is_conflict(error)


def _explain(path: Path, error: BaseException, key: str | None = None) -> StateStoreError:
    from civitas.state.sqlite_errors import explain

    return explain(path, error, key)
