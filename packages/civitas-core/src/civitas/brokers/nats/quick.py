"""`QuickClient`: nats-py's client, with a short way in and a short way out for what comes and goes by the thousand.

nats-py keeps the connection: servers, logins, TLS, reconnecting, subscriptions, and all that is seldom. But it checks
each subject it is given, wakes a task to write and another to read, and hands each message over by a queue and a third
one: that takes several times as long as what is done with a small message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from nats.aio.client import Client
from nats.aio.subscription import Subscription

__all__ = ["QuickClient", "Take"]

log = logging.getLogger("civitas.brokers")

Take: TypeAlias = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes a message: its subject, the subject for an answer (empty for none), what it carries, its header (likewise)."""

_FULL = 2 * 1024 * 1024
"""Bytes that wait for the socket; who has more waits, too."""


class QuickClient(Client):
    """A client of nats-py, all of which works as ever."""

    def __init__(self) -> None:
        super().__init__()
        self._takes: dict[bytes, Take] = {}

    async def take(self, subject: str, take: Take) -> Subscription:
        """Subscribe.

        Args:
            subject: Where.
            take: Called with each message as it is read from the socket, so that it should not take long. An error that
                it raises is logged.
        """
        subscription = await self.subscribe(subject, pending_msgs_limit=0, pending_bytes_limit=0)
        self._takes[b"%d" % subscription._id] = take
        return subscription

    def write(self, publications: bytes) -> None:
        """Send what `publication` made, one or several, behind all that was published before.

        There must be a connection; what is on its way when that is lost is not sent again.
        """
        tcp = self._tcp
        if self._pending:  # what nats-py has still to write goes first
            tcp.writelines(self._pending)
            self._pending = []
            self._pending_data_size = 0
        tcp.write(publications)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the socket that no more should be written before `emptied`."""
        return bool(self._tcp._io_writer.transport.get_write_buffer_size() > _FULL)

    async def emptied(self) -> None:
        """Wait until the socket takes more; raises if the connection is lost."""
        await self._tcp.drain()

    async def _process_connect_init(self) -> None:
        await super()._process_connect_init()
        # There is a connection, and nothing of it has been read beyond the greetings.
        reader = self._tcp._io_reader
        inflow = _Inflow(self._takes, reader.feed_data)
        greeted = bytes(reader._buffer)
        reader._buffer.clear()
        reader.feed_data = inflow.feed
        inflow.feed(greeted)

    @property
    def _tcp(self) -> Any:  # nats-py does not say what its functions take
        """The socket: no server is reached by a websocket, as the options do not let it."""
        return self._transport

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        super()._remove_sub(sid, max_msgs)
        self._takes.pop(b"%d" % sid, None)


class _Inflow:
    """What comes over one connection: takes out the messages that somebody takes, and leaves all else to nats-py.

    Args:
        takes: Who takes messages, by the number of the subscription.
        leave: Given all else, in whole pieces of the protocol.
    """

    def __init__(self, takes: Mapping[bytes, Take], leave: Callable[[bytes], None]) -> None:
        self._takes = takes
        self._leave = leave
        self._parts: list[bytes] = []
        """Of what is not whole yet: a large message comes in many."""
        self._missing = 0
        """How many bytes of it are to come at least."""

    def feed(self, data: bytes) -> None:
        """Take what was read from the socket."""
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        at, size, takes = 0, len(data), self._takes
        while at < size:
            line = data.find(b"\r\n", at)
            if line < 0:
                self._missing = 1
                break
            begin = line + 2
            if data.startswith((b"MSG ", b"HMSG "), at):
                words = data[at:line].split()
                end = begin + int(words[-1])
                if end + 2 > size:
                    self._missing = end + 2 - size
                    break
                take = takes.get(words[2])
                if take is None:
                    self._leave(data[at : end + 2])
                else:
                    body = begin
                    if words[0] == b"HMSG":
                        body += int(words[-2])
                        del words[-1]
                    reply = words[3] if len(words) == 5 else b""
                    try:
                        take(words[1], reply, data[body:end], data[begin:body])
                    except Exception:
                        log.exception("nats: a message could not be handled")
                at = end + 2
            else:
                self._leave(data[at:begin])
                at = begin
        if at < size:
            self._parts.append(data[at:])
