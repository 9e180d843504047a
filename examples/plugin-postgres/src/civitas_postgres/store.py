"""A state store in one table of a PostgreSQL database."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from civitas import ConfigurationError, StateConflict
from civitas.state import StoreCalls
from civitas.state.store import check_key
from civitas.state.values import decode_value, encode_changes, encode_value
from civitas_postgres.batch import Batch
from civitas_postgres.connections import Connection, Connections
from civitas_postgres.opening import make_ready
from civitas_postgres.refusals import explain
from civitas_postgres.statements import Statements

__all__ = ["PostgresStateStore"]

_Result = TypeVar("_Result")
_Work = Callable[[Connection, bool], Coroutine[Any, Any, _Result]]
"""Uses a connection; is told whether the same was tried before."""


class PostgresStateStore:
    """Keeps state in one table of a PostgreSQL database, which is made if it is missing.

    What was acknowledged outlives the server's end, if its ``fsync`` and ``synchronous_commit`` are on; the store logs
    a warning if they are not. A server that is away is waited for, and so is another one that takes its place.

    Any number of processes on any number of machines may use one table, and share what is in it. Use one store from one
    event loop.

    Args:
        conninfo: The database, as libpq takes it: ``postgresql://user:password@host/database``, or
            ``host=... dbname=...``.
        table: The name of the table, with a schema before it if you like: ``agents.state``.
        connections: The most that are open at once.
        timeout: Seconds that each call waits for a server that is away.

    Raises:
        ConfigurationError: An argument does not fit.

    Every method raises `StateStoreError` if the database cannot be used; it names the server and what to do.
    """

    spans_machines = True

    def __init__(
        self,
        conninfo: str = "",
        *,
        table: str = "civitas_state",
        connections: int = 8,
        timeout: float = 10.0,
    ) -> None:
        _check("connections", connections, int, "a whole number, 1 or more")
        _check("timeout", timeout, (int, float), "a number of seconds, more than 0")
        _check_table(table)
        try:
            facts: dict[str, Any] = conninfo_to_dict(conninfo)
            facts.setdefault("connect_timeout", max(2, round(timeout)))
            facts.setdefault("application_name", "civitas")
            whole = make_conninfo(**facts)
        except Exception:
            # Not with the conninfo or the error, which may show a password.
            raise ConfigurationError(
                "PostgresStateStore: conninfo must be like postgresql://user:password@host/database, or "
                "'host=... dbname=...', with names of options that libpq knows"
            ) from None
        self.table = table
        place = (
            f"{facts.get('host', 'localhost')}:{facts.get('port', 5432)}/{facts.get('dbname', '')}"
        )
        self.where = f"the state store in the PostgreSQL database {place}"
        self._statements = Statements(table)
        self._connections = Connections(whole, most=connections, timeout=timeout)
        self._calls = StoreCalls(self.where, timeout=timeout)
        self._opening, self._ready = asyncio.Lock(), False
        # A writer of its own in the upper bits and a count in the lower 28: each is above the one before.
        self._revisions = itertools.count((random.getrandbits(34) << 28) + 1)

    async def open(self) -> None:
        """Reach the server and make the table now rather than at the first call; again after `close`."""
        self._calls.open()

        async def ping(connection: Connection, again: bool) -> None:
            await connection.execute("SELECT 1")

        await self._call(ping)

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None if there is none."""
        return (await self.get_with_revision(key))[0]

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision for `compare_and_set`; None and 0 if there is none."""
        name = check_key(key).encode()
        rows = await self._rows(self._statements.get, name, key=key)
        return (decode_value(rows[0][0], key), rows[0][1]) if rows else (None, 0)

    async def get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The values under `keys`, copies; a key under which nothing is, is left out."""
        names = [check_key(key).encode() for key in keys]
        rows = await self._rows(self._statements.get_many, names) if names else []
        return {name.decode(): decode_value(raw, name.decode()) for name, raw in rows}

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`; the server has committed it when this returns.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it.
            StateStoreError: It was not saved.
        """
        row = (check_key(key).encode(), next(self._revisions), encode_value(value))

        async def work(connection: Connection, again: bool) -> None:
            await connection.execute(self._statements.set, row)

        await self._call(work, keys=[key])

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store `value` if what is there has this revision, 0 for nothing; return the new one.

        Raises:
            StateConflict: Somebody else has written meanwhile; what they wrote stays.
            PayloadError: As for `set`.
            StateStoreError: As for `set`.
        """
        name, raw, new = check_key(key).encode(), encode_value(value), next(self._revisions)

        async def work(connection: Connection, again: bool) -> int:
            if revision:
                done = await connection.execute(
                    self._statements.replace, (new, raw, name, revision)
                )
            else:
                done = await connection.execute(self._statements.add, (name, new, raw))
            if done.rowcount:
                return new
            found = await (await connection.execute(self._statements.revision, [name])).fetchone()
            # It is ours if only the answer to an earlier try was lost.
            return found[0] if found else 0

        there = await self._call(work, keys=[key])
        if there != new:
            raise StateConflict(key, revision, there)
        return new

    async def write(
        self, changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        """Make all of `changes`, or none, in one transaction; see `BatchStore`.

        Raises:
            StateConflict: Something else is there than was expected.
            PayloadError: As for `set`.
            StateStoreError: Nothing was changed, as far as the server has answered.
        """
        encoded = encode_changes(changes)
        keys = [*encoded, *(check_key(key) for key in expect if key not in encoded)]
        if not keys:
            return {}
        batch = Batch(self._statements, encoded, dict(expect), next(self._revisions))
        await self._call(batch.make, keys=keys)
        return {key: batch.revision for key, raw in encoded.items() if raw is not None}

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; the server has committed it when this returns."""
        await self._rows(self._statements.delete, check_key(key).encode(), keys=[key], key=key)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        first = prefix.encode()
        if first:
            # No byte of UTF-8 is the last one that there is.
            behind = first[:-1] + bytes([first[-1] + 1])
            rows = await self._rows(self._statements.list_below, first, behind)
        else:
            rows = await self._rows(self._statements.list, first)
        return [name.decode() for (name,) in rows]

    async def close(self) -> None:
        """Let the calls end that are under way, and the connections. May be called twice."""
        await self._calls.close()
        await self._connections.close()
        self._ready = False

    def __repr__(self) -> str:
        return f"<PostgresStateStore {self.table} in {self.where}>"

    async def _rows(
        self, statement: Any, *arguments: Any, keys: Iterable[str] = (), key: str | None = None
    ) -> list[Any]:
        async def work(connection: Connection, again: bool) -> list[Any]:
            cursor = await connection.execute(statement, arguments, binary=True)
            return await cursor.fetchall() if cursor.description else []

        return await self._call(work, keys=keys, key=key)

    async def _call(
        self, work: _Work[_Result], *, keys: Iterable[str] = (), key: str | None = None
    ) -> _Result:
        keys = list(keys)
        key = keys[0] if len(keys) == 1 else key
        tries = itertools.count()

        async def whole(connection: Connection) -> _Result:
            async with self._opening:
                if not self._ready:
                    await make_ready(connection, self._statements, self.where)
                    self._ready = True
            return await work(connection, next(tries) > 0)

        async def attempt() -> _Result:
            try:
                async with self._connections.one() as connection:
                    return await self._connections.answered(connection, whole(connection))
            except (psycopg.Error, OSError) as error:
                raise explain(self.where, error, key) from error

        return await self._calls.run(attempt, keys=keys)


def _check(name: str, value: Any, kinds: Any, must: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
        raise ConfigurationError(f"PostgresStateStore: {name} must be {must}; got {value!r}")


def _check_table(table: Any) -> None:
    if not isinstance(table, str) or not all(table.split(".")) or table.count(".") > 1:
        raise ConfigurationError(
            f"PostgresStateStore: table must be a name, or a schema and a name with a dot between; got {table!r}"
        )
