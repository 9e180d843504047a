"""The connections of a state store: opened when they are needed, and never waited for longer than agreed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

__all__ = ["Connection", "Connections"]

Connection: TypeAlias = "psycopg.AsyncConnection[TupleRow]"

_Result = TypeVar("_Result")


class Connections:
    """Up to so many connections, used again while they are whole.

    A pool that opens them in the background would find out some seconds late that a server is back.

    Args:
        conninfo: How the database is reached, as libpq takes it.
        most: How many are open at once.
        timeout: Seconds after which a server that does not answer is taken for lost.
    """

    def __init__(self, conninfo: str, *, most: int, timeout: float) -> None:
        self._conninfo = conninfo
        self._timeout = timeout
        self._room = asyncio.Semaphore(most)
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """A connection, in autocommit mode, for one caller.

        Raises:
            psycopg.OperationalError: The server is away, or refuses.
        """
        async with self._room:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            finally:
                if connection.closed:
                    await (
                        self.close()
                    )  # the server has ended or was started again: the others are of no use either
                if connection.info.transaction_status is TransactionStatus.IDLE:
                    self._idle.append(connection)
                else:
                    await connection.close()

    async def answered(self, connection: Connection, work: Coroutine[Any, Any, _Result]) -> _Result:
        """What `work` returns, which uses the connection, unless the server takes too long.

        When this ends, in whatever way, nothing uses the connection any more.

        Raises:
            psycopg.OperationalError: It does; the connection is of no use any more.
        """
        working = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({working}, timeout=self._timeout)
        except asyncio.CancelledError:
            if not working.done():
                _cut(connection)
            with suppress(Exception):
                await working
            raise
        if not done:
            _cut(connection)
        return await working

    async def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            await self._idle.pop().close()

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            # Poolers that give each transaction another session know no prepared statements.
            prepare_threshold=None,
        )
        await connection.set_isolation_level(psycopg.IsolationLevel.READ_COMMITTED)
        return connection


def _cut(connection: Connection) -> None:
    """Let what waits for the server fail now: psycopg would ask a server that may be stuck to cancel the query."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
