"""`Successor`: another version of the program, which leads, or is about to, and gets requests from this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import h11
from starlette.types import Receive, Scope, Send

from civitas.edge.http.failures import BadRequest

__all__ = ["Connect", "Successor", "at"]

_Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[], Awaitable[_Connection | None]]
"""Connects to that version; None if it does not listen at this moment."""

_PART = 64 * 1024
_AGAIN = 0.05
"""Seconds before another look whether somebody listens."""
_HOPS = b"x-civitas-hops"
"""Counts the programs by way of which a request came, as each may believe that another one leads."""
_MOST_HOPS = 4
_DIGITS = 3
_OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
)


class Successor:
    """Gets the requests that come by a connection of which it knows nothing.

    Args:
        connect: Connects to it.
        patience: Seconds for somebody to listen there.
        ends: Whether an answer ends the connection, so that the next request of its caller comes to that version.
    """

    def __init__(self, connect: Connect, patience: float, *, ends: bool = True) -> None:
        self._open = connect
        self._patience = patience
        self._own = [(b"connection", b"close")] if ends else []
        self._under_way: set[asyncio.Task[None]] = set()
        self._left = False

    async def __call__(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Hand one on, unless its caller leaves.

        Raises:
            BadRequest: Nobody answers it; before anything of an answer was sent.
        """
        if self._left:
            raise _not_answered("this one was stopped")
        if _hops_of(scope) >= _MOST_HOPS:
            raise _not_answered("each one that was asked took another one for it")
        loop = asyncio.get_running_loop()
        relaying = loop.create_task(self._relay(scope, body, send))
        self._under_way.add(relaying)
        relaying.add_done_callback(self._under_way.discard)
        leaving = loop.create_task(_has_left(receive))
        try:
            await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if relaying.done() and not relaying.cancelled():  # else its answer ends where it is
                relaying.result()
        finally:
            for task in (relaying, leaving):
                task.cancel()
            await asyncio.wait({relaying, leaving})

    async def finished(self) -> None:
        """Wait until all have their answers that were handed on."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def leave(self) -> None:
        """Wait no longer for answers: who has nothing of one yet is told so. Nothing is handed on any more."""
        self._left = True
        for relaying in self._under_way:
            relaying.cancel()

    async def _relay(self, scope: Scope, body: bytes, send: Send) -> None:
        began = False
        try:
            request = _request_of(scope, body)
            reader, writer = await self._connect()
            try:
                async for event in _events(reader, writer, request, body):
                    if isinstance(event, h11.Response):
                        began = True
                        # The server here adds the date.
                        passed = [each for each in _handed_on(event.headers) if each[0] != b"date"]
                        headers = [*self._own, *passed]
                        start = {"status": event.status_code, "headers": headers}
                        await send({"type": "http.response.start", **start})
                    elif isinstance(event, h11.Data):
                        part = bytes(event.data)
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                writer.close()
        except asyncio.CancelledError:
            if began or not self._left:
                raise
            raise _not_answered("this one was stopped") from None
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            if began:
                raise
            why = str(error) or f"nobody listened within {self._patience:g} s"
            if isinstance(error, (ConnectionError, h11.RemoteProtocolError)):
                why = "it ended before it had answered"
            raise _not_answered(why) from error

    async def _connect(self) -> _Connection:
        async with asyncio.timeout(self._patience):
            while (found := await self._open()) is None:
                await asyncio.sleep(_AGAIN)
            return found


def at(host: str, port: int) -> Connect:
    """The way to a version that listens at the same address as this one; until it does, a connection waits there."""
    return partial(_open, host, port)


async def _open(host: str, port: int) -> _Connection | None:
    with suppress(ConnectionRefusedError):  # it has ended again, and the next may come
        return await asyncio.open_connection(host, port)
    return None


def _not_answered(why: str) -> BadRequest:
    text = f"another version takes over, and did not answer: {why}. Send the request again"
    return BadRequest(text, status=503, code="stopping")


def _request_of(scope: Scope, body: bytes) -> h11.Request:
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    length = [(b"content-length", str(len(body)).encode())] if body else []
    own = [(_HOPS, b"%d" % (_hops_of(scope) + 1)), (b"connection", b"close")]
    headers = [each for each in _handed_on(scope["headers"]) if each[0] != _HOPS]
    return h11.Request(
        method=scope["method"],
        target=scope["raw_path"] + query,
        headers=[*headers, *length, *own],
    )


def _hops_of(scope: Scope) -> int:
    said = dict(scope["headers"]).get(_HOPS, b"0")
    return int(said) if len(said) < _DIGITS and said.isdigit() else 0


def _handed_on(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (bytes(name), bytes(value)) for name, value in headers if name not in _OF_ONE_CONNECTION
    ]


async def _events(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
) -> AsyncIterator[h11.Event]:
    """What comes of a request, to the end of the answer."""
    connection = h11.Connection(h11.CLIENT)
    for part in (request, *([h11.Data(body)] if body else []), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    await writer.drain()
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Event):
            yield event
        else:
            connection.receive_data(await reader.read(_PART))


async def _has_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
